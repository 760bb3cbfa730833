//! Count sketches against the definition, and by what their paper says of them.

use super::support::{
    assert_goes_on, assert_works_in_company, distance, energy, layout, once, pipeline, refused, round, values,
};
use crate::support::{gpu, pipeline as flat};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, Pipeline, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::gpu::{DeviceClass, Gpu, GpuOptions, Tensor};

fn sketch(options: &str, width: usize) -> Pipeline {
    flat(&Parts::default(), &format!("[{{stage=\"sketch\",{options}}}]"), width).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// A few large values among zeros.
fn sparse(width: usize, count: usize) -> Vec<f32> {
    let mut update = vec![0.0; width];
    for (turn, value) in values(count, 8).into_iter().enumerate() {
        update[(turn * 7_919 + 13) % width] = 2.0 * value + value.signum();
    }
    update
}

#[test]
fn a_sparse_update_arrives_whole() {
    let update = sparse(2_000, 6);
    let codec = sketch("columns=300,k=6", 2_000);
    assert_eq!((codec.label(), codec.floats(2_000, &Kept::default())), ("sketch(5x300,6)", Some(1_500)));
    let (sent, got) = once(&codec, &round(2, 1, &update), &update);
    assert_eq!((sent.len(), distance(&got, &update)), (6_000, 0.0));
    // The negative control: with one row of few columns, values share cells.
    let (_, got) = once(&sketch("columns=6,rows=1,k=6", 2_000), &round(2, 1, &update), &update);
    assert!(distance(&got, &update) > 0.0);
}

/// The cell and the sign of each value in each row, by sketches of single values.
#[test]
fn a_table_has_each_value_in_one_cell_of_each_row_and_what_arrives_is_the_median() {
    let (width, rows, columns) = (120, 3, 20);
    let codec = sketch("columns=20,rows=3,k=120", width);
    let place = |place: usize| {
        let mut update = vec![0.0; width];
        update[place] = 1.0;
        floats(&once(&codec, &round(2, 1, &update), &update).0)
    };
    let hashes: Vec<Vec<(usize, f32)>> = (0..width)
        .map(|value| {
            let table = place(value);
            let rows = table.chunks_exact(columns).map(|row| {
                let cells: Vec<_> = row.iter().enumerate().filter(|(_, cell)| **cell != 0.0).collect();
                assert!(cells.len() == 1 && cells[0].1.abs() == 1.0, "{cells:?}");
                (cells[0].0, *cells[0].1)
            });
            rows.collect()
        })
        .collect();
    // All columns and both signs are taken, and rows differ.
    for row in 0..rows {
        let taken: std::collections::BTreeSet<_> = hashes.iter().map(|hashes| hashes[row].0).collect();
        let minus = hashes.iter().filter(|hashes| hashes[row].1 < 0.0).count();
        assert!(taken.len() >= 18 && (35..=85).contains(&minus), "{taken:?} {minus}");
    }
    let update = values(width, 2);
    let (sent, got) = once(&codec, &round(2, 1, &update), &update);
    let mut table = vec![0f64; rows * columns];
    for (hashes, value) in hashes.iter().zip(&update) {
        hashes.iter().enumerate().for_each(|(row, (cell, sign))| {
            table[row * columns + cell] += f64::from(*sign) * f64::from(*value);
        });
    }
    let arrived = floats(&sent);
    assert!(table.iter().zip(&arrived).all(|(due, cell)| (due - f64::from(*cell)).abs() < 1e-5));
    for (hashes, got) in hashes.iter().zip(got) {
        let own = hashes.iter().enumerate().map(|(row, (cell, sign))| sign * arrived[row * columns + cell]);
        let mut own: Vec<f32> = own.collect();
        own.sort_by(f32::total_cmp);
        assert_eq!(got, own[1]);
    }
}

#[test]
fn sketches_of_all_rounds_and_collaborators_add_up() {
    let codec = sketch("columns=20", 200);
    let updates = [values(200, 1), values(200, 2)];
    let both: Vec<f32> = updates[0].iter().zip(&updates[1]).map(|(a, b)| a + b).collect();
    let table = |number, update: &[f32]| floats(&once(&codec, &round(2, number, update), update).0);
    let (first, second, sum) = (table(1, &updates[0]), table(9, &updates[1]), table(4, &both));
    let added: Vec<f32> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
    assert!(distance(&added, &sum) < 1e-9 * energy(&sum));
}

#[test]
fn estimates_are_unbiased_over_seeds() {
    const SEEDS: u64 = 300;
    let (width, columns) = (60, 12);
    let update = values(width, 5);
    for rows in [1, 4, 5] {
        let codec = sketch(&format!("columns={columns},rows={rows},k={width}"), width);
        let mut mean = vec![0f64; width];
        for seed in 0..SEEDS {
            let (_, got) = once(&codec, &round(seed, 1, &update), &update);
            mean.iter_mut().zip(got).for_each(|(mean, value)| *mean += f64::from(value) / SEEDS as f64);
        }
        let mean: Vec<f32> = mean.into_iter().map(|value| value as f32).collect();
        // Each row's estimate has the variance |v|^2 / columns for each value, and the median of several less.
        let noise = energy(&update) * (width as f64 / columns as f64) / SEEDS as f64;
        assert!(distance(&mean, &update) < 1.5 * noise, "{rows}: {} {noise}", distance(&mean, &update));
    }
}

#[test]
fn only_the_largest_are_told() {
    let mut update: Vec<f32> = values(600, 3).into_iter().map(|value| 0.01 * value).collect();
    for (place, value) in [(5, 3.0), (99, -4.0), (431, 2.5)] {
        update[place] = value;
    }
    let (_, got) = once(&sketch("columns=100,k=3", 600), &round(2, 1, &update), &update);
    let told: Vec<_> = (0..600).filter(|place| got[*place] != 0.0).collect();
    assert_eq!(told, [5, 99, 431]);
    assert!(told.iter().all(|place| (got[*place] - update[*place]).abs() < 0.1));
    // A quarter of the columns where nothing is said.
    assert_eq!(sketch("columns=100", 600).label(), "sketch(5x100,25)");
}

#[test]
fn sketches_work_in_company_and_are_gone_on_with_to_the_same_bits() {
    for stage in ["{stage=\"sketch\",columns=40}", "{stage=\"sketch\",columns=30,rows=3,k=9},\"f16\""] {
        assert_works_in_company(stage, &layout());
        assert_goes_on(stage, &layout());
    }
}

#[test]
fn what_is_no_sketch_is_refused_in_words() {
    for (options, words) in [
        ("", ["columns", "correct it"]),
        (",columns=0", ["5 rows of 0", "1 or more"]),
        (",columns=99", ["5 rows of 99", "up to 98"]),
        (",columns=9,rows=0", ["0 rows", "such as 5"]),
        (",columns=9,rows=32", ["32 rows", "up to 31"]),
        (",columns=9,k=0", ["0 of 490", "1 or more"]),
        (",columns=9,k=491", ["491 of 490", "up to 490"]),
        (",columns=9,seed=1", ["seed", "correct it"]),
    ] {
        let error = refused(&format!("[{{stage=\"sketch\"{options}}}]"), &layout());
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
    let codec = pipeline("[{stage=\"topk\",part=0.02},{stage=\"sketch\",columns=40}]", &layout()).unwrap();
    let width = layout().parameters();
    let global = vec![0.0; width];
    let (mut kept, update) = (Kept::default(), Values::Host(values(width, 1)));
    let error = codec.send(&round(1, 1, &global), vec![(5, &mut kept, update)]).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("fewer columns"), "{error}");
    let error = codec.receive(&round(1, 1, &global), vec![(5, &Kept::default(), &[0; 900])]).unwrap_err();
    assert!(matches!(error, Error::Message { .. }), "{error}");
}

/// What a GPU makes of a batch is what the host makes of it, one by one: the same bytes, and the same values from them.
#[test]
fn a_batch_on_a_gpu_is_sent_and_told_as_the_host_does_it() {
    let all = std::iter::once(("columns=300", 5, 3, 5_003)).chain([("columns=40,rows=4,k=9", 4, 3, 5_003)]);
    // So many values of the host go to the device, too.
    let all = all.chain([("columns=900,k=200", 5, 9, 117_001), ("columns=900,rows=2", 2, 9, 117_001)]);
    for (options, rows, lines, width) in all {
        // Devices of its own each time, whose memory at the peak says what they were asked for.
        gpu();
        let open = |class| Gpu::open(&GpuOptions { posing: Some(class), ..Default::default() }).unwrap();
        let [posing, other] = [DeviceClass::Gpu; 2].map(open);
        let processor = open(DeviceClass::CpuPlain);
        let codec = sketch(options, width);
        let updates: Vec<_> = (0..lines).map(|line| values(width, line as u32)).collect();
        let round = |gpu| Round { number: 3, seed: 2, global: &updates[0], gpu, local: None };
        let send = |gpu, values: &dyn Fn(usize) -> Values| {
            let mut kept = vec![Kept::default(); lines];
            let all = kept.iter_mut().enumerate().map(|(line, kept)| (line as u32, kept, values(line)));
            codec.send(&round(gpu), all.collect()).unwrap()
        };
        let receive = |gpu, sent: &[Vec<u8>]| {
            let nothing = Kept::default();
            let all = sent.iter().enumerate().map(|(line, bytes)| (line as u32, &nothing, bytes.as_slice()));
            let mut arrived = codec.receive(&round(gpu), all.collect()).unwrap();
            let arrived = Values::take_all(gpu, arrived.iter_mut().collect()).unwrap();
            arrived.into_iter().map(|line| line.iter().map(|value| value.to_bits()).collect()).collect()
        };
        let is_many = lines * width >= 1 << 20;
        let used = |gpu: &Gpu, label: &str| gpu.peak_memory().parts.contains_key(label);
        let host = send(&processor, &|line| Values::Host(updates[line].clone()));
        assert_eq!(send(&posing, &|line| Values::Host(updates[line].clone())), host, "{options}");
        assert_eq!(used(&posing, "sums of sketches"), is_many);
        let tensor = Tensor::zeros(&posing, "updates", lines, 1, width).unwrap();
        tensor.write(&posing, &updates.concat());
        let lying = send(&posing, &|line| Values::Device { tensor: tensor.clone(), line });
        assert_eq!(lying, host, "{options}");
        assert!(used(&posing, "sums of sketches") && !used(&processor, "sums of sketches"));
        let told: Vec<Vec<u32>> = receive(&processor, &host);
        assert!(receive(&other, &host) == told, "{options}");
        // The median of an even number of rows is the host's.
        assert_eq!(used(&other, "values of sketches"), is_many && rows % 2 == 1);
        // The negative control: lines differ.
        assert!(host[0] != host[1] && told[0] != told[1]);
    }
}

/// A value that is no finite number is said of the collaborator that has it, wherever its sketch is made.
#[test]
fn what_is_no_number_is_refused_on_a_gpu_as_on_the_host() {
    gpu();
    let posing = GpuOptions { posing: Some(DeviceClass::Gpu), ..Default::default() };
    let posing = Gpu::open(&posing).unwrap();
    let codec = sketch("columns=20", 200);
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut updates = [values(200, 1), values(200, 2)];
        updates[1].iter_mut().take(if wrong.is_finite() { 150 } else { 1 }).for_each(|value| *value = wrong);
        let tensor = Tensor::zeros(&posing, "updates", 2, 1, 200).unwrap();
        tensor.write(&posing, &updates.concat());
        let said = |lying: bool| {
            let mut kept = [Kept::default(), Kept::default()];
            let lies = |line: usize| Values::Device { tensor: tensor.clone(), line };
            let values = |line: usize| if lying { lies(line) } else { Values::Host(updates[line].clone()) };
            let all = kept.iter_mut().enumerate().map(|(line, kept)| (4 + line as u32, kept, values(line)));
            let round = Round { number: 1, seed: 2, global: &updates[0], gpu: &posing, local: None };
            codec.send(&round, all.collect()).unwrap_err().to_string()
        };
        assert!(said(true).contains("collaborator 5"), "{}", said(true));
        assert_eq!(said(true), said(false));
    }
}

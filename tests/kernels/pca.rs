//! Principal components: what they are, what they leave, and what crosses the wire.

use crate::small::{WIDTH, snapshots};
use crate::support::{gpu, slices, small_gpu, values, wide};
use fedfunnel::autoencoder::pca::{Pca, PcaDecoder, PcaEncoder, PcaState};
use fedfunnel::codec::Values;
use fedfunnel::federation::{Arrived, Combine, Mean, StrategyRound};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::Optimizer;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use nalgebra::DMatrix;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Rows there and back, through the bytes that ship the decoder.
fn back(gpu: &Gpu, state: &PcaState, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let sent = PcaState::from_bytes(WIDTH, &state.to_bytes()).unwrap();
    let encoder = PcaEncoder::new(gpu, std::slice::from_ref(state)).unwrap();
    let decoder = PcaDecoder::new(gpu, &[sent]).unwrap();
    let through = |row: &Vec<f32>| {
        let code = encoder.codes(std::slice::from_ref(row)).unwrap();
        assert_eq!(code.len(), state.floats);
        decoder.weights(&code).unwrap()
    };
    rows.iter().map(through).collect()
}

/// Error of what came back relative to what the mean of the training rows leaves.
fn relative(rows: &[Vec<f32>], back: &[Vec<f32>], means: &[f64]) -> f64 {
    let (mut error, mut spread) = (0.0, 0.0);
    for (row, back) in rows.iter().zip(back) {
        for ((&w, &b), mean) in row.iter().zip(back).zip(means) {
            error += (f64::from(w) - f64::from(b)).powi(2);
            spread += (f64::from(w) - mean).powi(2);
        }
    }
    (error / spread).sqrt()
}

fn means(rows: &[Vec<f32>]) -> Vec<f64> {
    let mean = |n: usize| rows.iter().map(|row| f64::from(row[n])).sum::<f64>() / rows.len() as f64;
    (0..WIDTH).map(mean).collect()
}

#[test]
fn axes_are_orthonormal_and_what_they_leave_is_the_tail() {
    let all = snapshots(9);
    let (rows, held_out) = all.split_at(7);
    let means = means(rows);
    for gpu in [gpu(), small_gpu()] {
        let pca = Pca::fit(&slices(rows), &slices(held_out)).unwrap();
        // Seven snapshots around their mean.
        assert_eq!(pca.rank(), 6);
        let nothing = pca.error(0);
        assert_eq!((nothing.relative_l2, nothing.validation_relative_l2), (1.0, Some(1.0)));
        for floats in 1..=6 {
            let what = format!("{floats} floats");
            let state = pca.state(floats).unwrap();
            assert_eq!(state.to_bytes().len(), PcaState::payload_bytes(floats, WIDTH), "{what}");
            assert_close(&what, &state.means, &means, Tolerance::Balanced);
            let axes: Vec<&[f32]> = state.rows.chunks_exact(WIDTH).collect();
            for (j, a) in axes.iter().enumerate() {
                for (k, b) in axes.iter().enumerate() {
                    let due = if j == k { 1.0 } else { 0.0 };
                    assert!((dot(a, b) - due).abs() < 1e-4, "{what}: {j} {k} {}", dot(a, b));
                }
            }
            let said = pca.error(floats);
            let came_back = back(gpu, &state, rows);
            let measured = relative(rows, &came_back, &means);
            match floats {
                6 => {
                    assert!(said.relative_l2 == 0.0 && measured < 1e-4, "{what}: {measured}");
                    let flat: Vec<f32> = came_back.concat();
                    assert_close(&what, &flat, &wide(&rows.concat()), Tolerance::Balanced);
                }
                _ => assert!((measured / said.relative_l2 - 1.0).abs() < 1e-3, "{what}: {measured} {said:?}"),
            }
            let measured = relative(held_out, &back(gpu, &state, held_out), &means);
            let said = said.validation_relative_l2.unwrap();
            assert!((measured / said - 1.0).abs() < 1e-3, "{what}, held out: {measured} {said}");
        }
    }
}

/// Axes that are not the first ones leave more, and another mean does too: the measure can tell.
#[test]
fn other_axes_leave_more() {
    let rows = snapshots(7);
    let means = means(&rows);
    let slices = slices(&rows);
    let pca = Pca::fit(&slices, &[]).unwrap();
    assert_eq!(pca.error(3).validation_relative_l2, None);
    let all = pca.state(6).unwrap();
    let last = PcaState { floats: 3, rows: all.rows[3 * WIDTH..].to_vec(), means: all.means.clone() };
    let shifted =
        PcaState { means: all.means.iter().map(|mean| mean + 0.1).collect(), ..pca.state(3).unwrap() };
    for wrong in [last, shifted] {
        let measured = relative(&rows, &back(gpu(), &wrong, &rows), &means);
        assert!(measured > 1.5 * pca.error(3).relative_l2, "{measured}");
    }
    let came_back = back(gpu(), &pca.state(3).unwrap(), &rows).concat();
    assert!(compare("3 floats", &came_back, &wide(&rows.concat()), Tolerance::Permissive).is_err());
}

#[test]
fn collaborators_average_through_their_own_axes() {
    let (one, two) = (snapshots(5), snapshots(6));
    let state = |rows: &[Vec<f32>], floats| Pca::fit(&slices(rows), &[]).unwrap().state(floats).unwrap();
    let states = [state(&one, 4), state(&two, 4)];
    let encoder = PcaEncoder::new(gpu(), &states).unwrap();
    let decoder = PcaDecoder::new(gpu(), &states).unwrap();
    let codes = encoder.codes(&[one[2].clone(), two[3].clone()]).unwrap();
    let tensor = decoder.decode(&codes).unwrap();
    let arrived = [(0, 1), (1, 3)].map(|(line, samples)| Arrived {
        who: line as u32,
        samples,
        steps: 1,
        update: Values::Device { tensor: tensor.clone(), line },
        loss: None,
        staleness: 0,
    });
    let optimizer = Optimizer::default();
    let round = StrategyRound {
        number: 1,
        seed: 0,
        gpu: gpu(),
        global: &[],
        optimizer: &optimizer,
        collaborators: 2,
        asked: 2,
        arrived: 2,
    };
    let average = Mean::default().combine(&round, &arrived).unwrap();
    let alone = |state: &PcaState, row: &Vec<f32>| back(gpu(), state, std::slice::from_ref(row)).concat();
    let (first, second) = (alone(&states[0], &one[2]), alone(&states[1], &two[3]));
    let due = |weights: [f64; 2]| -> Vec<f64> {
        let both = wide(&first).into_iter().zip(wide(&second));
        both.map(|(a, b)| weights[0] * a + weights[1] * b).collect()
    };
    assert_close("average", &average, &due([0.25, 0.75]), Tolerance::Balanced);
    assert!(compare("average", &average, &due([0.75, 0.25]), Tolerance::Permissive).is_err());
    assert!(PcaEncoder::new(gpu(), &[state(&one, 4), state(&two, 3)]).unwrap_err().is_usage());
    assert!(PcaState::from_bytes(WIDTH, &states[0].to_bytes()[4..]).is_err());
    for wrong in [0, 5] {
        let error = Pca::fit(&slices(&one), &[]).unwrap().state(wrong).unwrap_err().to_string();
        assert!(error.contains("use 1 to 4"), "{error}");
    }
}

/// Errors for 0, 1, 2 and so on floats by the singular values of the centred rows, in f64, and those of held-out rows
/// by their projections on the singular vectors. `rank` vectors count.
fn by_singular_values(rows: &[Vec<f32>], held_out: &[Vec<f32>], rank: usize) -> Vec<[f64; 2]> {
    let means = means(rows);
    let centred =
        |rows: &[Vec<f32>]| DMatrix::from_fn(rows.len(), WIDTH, |s, n| f64::from(rows[s][n]) - means[n]);
    // Of the transpose, which is tall.
    let svd = centred(rows).transpose().svd(true, false);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
    let vectors = svd.u.expect("vectors");
    let others = centred(held_out);
    let mut left = others.clone();
    let squares: Vec<f64> = order.iter().map(|&place| svd.singular_values[place].powi(2)).collect();
    let mut errors = Vec::new();
    for floats in 0..=rank {
        let tail: f64 = squares[floats..].iter().sum();
        let held_out = if held_out.is_empty() { 0.0 } else { left.norm() / others.norm() };
        errors.push([(tail / squares.iter().sum::<f64>()).sqrt(), held_out]);
        if let Some(&place) = order.get(floats) {
            let axis = vectors.column(place);
            left -= (&left * axis) * axis.transpose();
        }
    }
    errors
}

/// Holds what PCA says of rows against their singular values, and the shipped axes against each other.
fn hold_against_f64(what: &str, rows: &[Vec<f32>], held_out: &[Vec<f32>], rank: usize) {
    let (train, others) = (slices(rows), slices(held_out));
    let pca = Pca::fit(&train, &others).unwrap();
    assert_eq!(pca.rank(), rank, "{what}");
    let near = |said: f64, due: f64| (said - due).abs() < 1e-5 || (said / due - 1.0).abs() < 1e-3;
    for (floats, due) in by_singular_values(rows, held_out, rank).into_iter().enumerate() {
        let said = pca.error(floats);
        assert!(near(said.relative_l2, due[0]), "{what}, {floats} floats: {said:?}, due {due:?}");
        if let Some(said) = said.validation_relative_l2 {
            assert!(near(said, due[1]), "{what}, {floats} floats held out: {said}, due {due:?}");
        }
    }
    let axes = pca.state(rank).unwrap().rows;
    let axes: Vec<&[f32]> = axes.chunks_exact(WIDTH).collect();
    for (j, a) in axes.iter().enumerate() {
        for (k, b) in axes.iter().enumerate() {
            let due = if j == k { 1.0 } else { 0.0 };
            assert!((dot(a, b) - due).abs() < 1e-6, "{what}: axes {j} and {k}: {}", dot(a, b));
        }
    }
}

/// Directions that fade by half an order of magnitude each, around a start: the last ones hold a ten-millionth of
/// all variance and less.
#[test]
fn small_axes_are_counted_and_their_error_is_that_of_the_singular_values() {
    let start = values(WIDTH, 1);
    let directions: Vec<Vec<f32>> = (0..11).map(|place| values(WIDTH, 50 + place)).collect();
    let parts = values(14 * 11, 70);
    let row = |s: usize| -> Vec<f32> {
        let part = |d: usize| 0.3 * parts[s * 11 + d] * 0.32f32.powi(d as i32);
        (0..WIDTH).map(|n| start[n] + (0..11).map(|d| part(d) * directions[d][n]).sum::<f32>()).collect()
    };
    let all: Vec<Vec<f32>> = (0..14).map(row).collect();
    let (rows, held_out) = all.split_at(12);
    hold_against_f64("fading", rows, held_out, 11);
    let slices = slices(rows);
    let pca = Pca::fit(&slices, &[]).unwrap();
    let (nine, ten) = (pca.error(9).relative_l2, pca.error(10).relative_l2);
    assert!(nine > 2.0 * ten && ten > 1e-6 && pca.error(11).relative_l2 == 0.0, "{nine} {ten}");
}

#[test]
fn directions_are_counted_whatever_the_rows_are() {
    hold_against_f64("generic", &snapshots(9), &[], 8);
    // Four rows, and each of them twice more.
    let four = snapshots(4);
    let rows: Vec<_> = (0..12).map(|row| four[row % 4].clone()).collect();
    hold_against_f64("duplicates", &rows, &four[..2], 3);
    // Combinations of three directions, rounded to f32 around a start.
    let directions = snapshots(3);
    let parts = values(8 * 3, 90);
    let row = |s: usize| -> Vec<f32> {
        (0..WIDTH).map(|n| 3.0 + (0..3).map(|d| parts[s * 3 + d] * directions[d][n]).sum::<f32>()).collect()
    };
    hold_against_f64("three directions", &(0..8).map(row).collect::<Vec<_>>(), &[], 3);
    // A mean a hundred thousand times above what the rows differ in.
    let far = |row: Vec<f32>| -> Vec<f32> { row.into_iter().map(|x| 1.0 + 1e-5 * x).collect() };
    let rows: Vec<_> = (0..10).map(|row| far(values(WIDTH, 120 + row))).collect();
    hold_against_f64("far from zero", &rows[..9], &rows[9..], 8);
}

/// Sums of squares of such snapshots are no f32; a power of two changes nothing else.
#[test]
fn what_snapshots_differ_in_may_be_as_large_or_small_as_f32_is() {
    let all = snapshots(9);
    let errors = |factor: f32| {
        let scaled: Vec<Vec<f32>> = all.iter().map(|row| row.iter().map(|x| x * factor).collect()).collect();
        let (train, held_out) = (slices(&scaled[..7]), slices(&scaled[7..]));
        let pca = Pca::fit(&train, &held_out).unwrap();
        (0..=pca.rank()).map(|floats| pca.error(floats)).collect::<Vec<_>>()
    };
    for power in [-100, -80, 60, 100] {
        assert_eq!(errors(2f32.powi(power)), errors(1.0), "2^{power}");
    }
}

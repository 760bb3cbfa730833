//! Quantised values: levels by looking at all of them, and draws by what QSGD states.

use super::{
    codec, floats, pipeline_for, refused, sent, squares, there_and_back, two_layers, unsendable, values_of,
};
use fedfunnel::codec::Pipeline;
use fedfunnel::model::Layout;

fn quantize(layout: &Layout, options: &str) -> Pipeline {
    codec(layout, &format!("[{{ stage = \"quantize\", {options} }}]"))
}

/// The levels of a block of this largest magnitude, by their definition.
fn levels(bits: u32, largest: f64) -> Vec<f64> {
    if bits == 1 {
        return vec![-largest, largest];
    }
    let steps = (1 << (bits - 1)) - 1;
    (-steps..=steps).map(|level| largest * f64::from(level) / f64::from(steps)).collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

#[test]
fn without_chance_values_go_to_the_nearest_level_of_their_block() {
    let layout = two_layers();
    let values = values_of(&layout, 0);
    let tensors: Vec<usize> = vec![54, 6, 24, 4];
    let rows = [vec![9; 6], vec![6], vec![6; 4], vec![4]].concat();
    let sevens = [vec![7; 12], vec![4]].concat();
    for (per, lengths) in [("", &tensors), (", per = \"row\"", &rows), (", per = 7", &sevens)] {
        for bits in 2..=8 {
            let codec = quantize(&layout, &format!("bits = {bits}, stochastic = false{per}"));
            let (bytes, got) = there_and_back(&codec, &values);
            assert_eq!(
                bytes.len(),
                4 * lengths.len() + (88 * bits as usize).div_ceil(8),
                "{}",
                codec.label()
            );
            let scales = floats(&bytes[..4 * lengths.len()]);
            let mut first = 0;
            for (length, scale) in lengths.iter().zip(scales) {
                let own = &values[first..first + length];
                assert_eq!(scale, largest(own));
                let levels = levels(bits, scale.into());
                for (value, got) in own.iter().zip(&got[first..]) {
                    let off = |level: &f64| (level - f64::from(*value)).abs();
                    let nearest = levels.iter().map(off).fold(f64::INFINITY, f64::min);
                    assert!(off(&(*got).into()) <= nearest + 1e-6 * f64::from(scale), "{value} {got}");
                    assert!(
                        levels.iter().any(|level| (level - f64::from(*got)).abs() < 1e-6 * f64::from(scale))
                    );
                }
                first += length;
            }
            assert_eq!(first, 88);
        }
    }
    // One bit is the sign, with the mean magnitude.
    let one = quantize(&layout, "bits = 1, stochastic = false");
    let sign = codec(&layout, "\"sign\"");
    assert_eq!(there_and_back(&one, &values).1, there_and_back(&sign, &values).1);
    let labels = [
        "bits = 4",
        "bits = 4, stochastic = false",
        "bits = 4, per = \"row\"",
        "bits = 4, per = 7, stochastic = false",
    ]
    .map(|options| quantize(&layout, options).label().to_string());
    assert_eq!(
        labels,
        [
            "quantize(4)",
            "quantize(4,stochastic=false)",
            "quantize(4,per=row)",
            "quantize(4,per=7,stochastic=false)"
        ]
    );
}

#[test]
fn by_chance_values_are_right_in_the_mean_and_no_wronger_than_the_paper_says() {
    let layout = Layout::flat(40);
    let mut values = fedfunnel::reference::random::uniform_tensor(40, 0, 1, 31, 0.5);
    values[..4].copy_from_slice(&[0.0, 0.5, -0.5, 1e-4]);
    const DRAWS: u32 = 3_000;
    let n = values.len() as f64;
    let norm = squares(values.iter().map(|value| f64::from(*value)));
    for bits in [1, 2, 3, 5, 8] {
        let draw = quantize(&layout, &format!("bits = {bits}"));
        let near = quantize(&layout, &format!("bits = {bits}, stochastic = false"));
        let (mut means, mut off) = (vec![0f64; 40], 0.0);
        for number in 0..DRAWS {
            // Rounds and collaborators draw for themselves.
            let bytes = sent(&draw, (number / 3, 11), number % 3, &values);
            let got = super::arrived(&draw, 40, &bytes).unwrap();
            off += squares(got.iter().zip(&values).map(|(g, v)| f64::from(*g) - f64::from(*v)));
            means.iter_mut().zip(&got).for_each(|(mean, got)| *mean += f64::from(*got));
        }
        let draws = f64::from(DRAWS);
        off /= draws;
        let levels = levels(bits, 0.5);
        let step = levels[1] - levels[0];
        // The variance of each value from where it lies between its levels.
        let mut variance = 0.0;
        for (value, mean) in values.iter().zip(&means) {
            let place = (f64::from(*value) - levels[0]) / step;
            let own = (place - place.floor()) * (place.ceil() - place) * step * step;
            variance += own;
            let wrong = (mean / draws - f64::from(*value)).abs();
            // Six deviations of the mean, for values that are looked at in 200 places.
            assert!(
                wrong <= 6.0 * (own / draws).sqrt() + 1e-6,
                "{bits} bits: {value} has the mean {}",
                mean / draws
            );
        }
        assert!((off / variance - 1.0).abs() < 0.1, "{bits} bits: {off} for {variance}");
        if bits > 1 {
            let s = f64::from((1 << (bits - 1)) - 1);
            assert!(off <= (n / (s * s)).min(n.sqrt() / s) * norm, "{bits} bits");
        }
        // The negative control: the nearest level is nearer, and wrong in the mean.
        let (_, nearest) = there_and_back(&near, &values);
        let near_off = squares(nearest.iter().zip(&values).map(|(g, v)| f64::from(*g) - f64::from(*v)));
        assert!(near_off < off, "{bits} bits");
        let bias = nearest.iter().zip(&values).map(|(g, v)| f64::from(g - v).abs()).fold(0.0, f64::max);
        assert!(bias > 6.0 * step / 2.0 / draws.sqrt(), "{bits} bits");
    }
}

#[test]
fn what_is_drawn_hangs_on_seed_round_collaborator_and_place_alone() {
    let layout = Layout::flat(64);
    let codec = quantize(&layout, "bits = 2");
    let values = vec![[0.3f32, 1.0]; 32].concat();
    let first = sent(&codec, (3, 1 << 40), 9, &values);
    assert_eq!(first, sent(&codec, (3, 1 << 40), 9, &values));
    let others = [((4, 1 << 40), 9), ((3, 1 << 41), 9), ((3, 1), 9), ((3, 1 << 40), 8)];
    for (round, who) in others {
        assert_ne!(first, sent(&codec, round, who, &values), "{round:?} {who}");
    }
    // Not all places draw the same.
    let (_, got) = there_and_back(&codec, &values);
    assert!(got.contains(&0.0) && got.contains(&1.0));
    // Behind another collaborator in a batch it is the same.
    let mut kept = [fedfunnel::codec::Kept::default(), fedfunnel::codec::Kept::default()];
    let [one, two] = &mut kept;
    let global = vec![0.0; 64];
    let round = fedfunnel::codec::Round {
        number: 3,
        seed: 1 << 40,
        global: &global,
        gpu: crate::support::gpu(),
        local: None,
    };
    let host = |scale: f32| fedfunnel::codec::Values::Host(values.iter().map(|v| v * scale).collect());
    let both = codec.send(&round, vec![(2, one, host(2.0)), (9, two, host(1.0))]).unwrap();
    assert_eq!(both[1], first);
}

#[test]
fn awkward_values_are_quantised_and_what_cannot_be_is_refused_in_words() {
    let layout = Layout::flat(3);
    for bits in 1..=8 {
        for stochastic in [true, false] {
            let codec = quantize(&layout, &format!("bits = {bits}, stochastic = {stochastic}"));
            assert_eq!(there_and_back(&codec, &[0.0, -0.0, 0.0]).1, [0.0; 3]);
            for awkward in [[f32::MAX, f32::MIN, 0.0], [1e-45, -1e-45, 0.0], [1e38, -1e-38, 1e-45]] {
                let (_, got) = there_and_back(&codec, &awkward);
                let most = largest(&awkward);
                assert!(got.iter().all(|value| value.abs() <= most), "{bits} bits: {awkward:?} {got:?}");
            }
        }
    }
    let codec = quantize(&layout, "bits = 3");
    for value in [f32::NAN, f32::INFINITY] {
        let error = unsendable(&codec, &[1.0, value, 0.0]);
        assert!(
            error.contains("codecs: quantize") && error.contains(&format!("a value of {value}")),
            "{error}"
        );
    }
    let message = |scale: f32, bits: u16| [&scale.to_le_bytes()[..], &bits.to_le_bytes()].concat();
    // Of three bits a level is none.
    assert!(refused(&codec, 3, &message(1.0, 0b111)).contains("level 7 of 7"));
    assert!(refused(&codec, 3, &message(1.0, 1 << 9)).contains("not zero"));
    assert!(refused(&codec, 3, &message(f32::NAN, 0)).contains("the scale NaN"));
    for (options, words) in [
        ("bits = 0", ["0 bits a value", "1 to 8"]),
        ("bits = 9", ["9 bits a value", "1 to 8"]),
        ("bits = -1", ["-1", "correct it"]),
        ("stochastic = true", ["bits", "correct it"]),
        ("bits = 4, per = 0", ["per is 0", "\"row\""]),
        ("bits = 4, per = \"layer\"", ["layer", "\"tensor\""]),
        ("bits = 4, per = 1.5", ["per is 1.5", "a number of values"]),
        ("bits = 4, levels = 3", ["levels", "correct it"]),
    ] {
        let text = format!("[{{ stage = \"quantize\", {options} }}]");
        let error = pipeline_for(&layout, &text).err().unwrap_or_else(|| panic!("{text}"));
        let shown = error.to_string();
        assert!(error.is_usage() && shown.contains("codecs: quantize"), "{shown}");
        words.iter().for_each(|word| assert!(shown.contains(word), "{word}: {shown}"));
    }
}

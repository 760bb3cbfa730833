//! Values of filters and units beside codes that are tuned.

use super::support::{Axes, Sides};
use super::tune::bed;
use std::iter::repeat_n;

const CODE: &str = "\"prior\", { stage = \"pca\", floats = 4 }, \"f16\"";
const TUNE: &str = "{ stage = \"tune\", batch = 25, lr = 0.1 }";
const FILTERS: &str = "{ stage = \"filters\", lr = 0.01 }";

/// Values of the units of the MNIST classifier: scales and biases of 20, and of 10.
const VALUES: usize = 60;

/// The value that each weight takes, and what it is multiplied by: the weights of a unit take that unit's, times
/// themselves.
fn placed(values: &[f64], scaled: &[f64]) -> Vec<f64> {
    let units = |first: usize, count: usize, inputs: usize| {
        let scales = (first..first + count).flat_map(move |unit| repeat_n((unit, true), inputs));
        scales.chain((first + count..first + 2 * count).map(|unit| (unit, false)))
    };
    let places = units(0, 20, 784).chain(units(40, 10, 20));
    let each = places
        .zip(scaled)
        .map(|((place, scales), scaled)| values[place] * if scales { *scaled } else { 1.0 });
    each.collect()
}

fn halves(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f64()).collect()
}

/// Both rounds: in the first the mean of the snapshots is scaled, later the global model.
#[test]
fn what_arrives_is_the_code_s_part_and_each_unit_scaled_and_moved() {
    let mut sides = Sides::new(&format!("[{CODE}, {FILTERS}, {TUNE}]"), &bed().logs);
    assert_eq!(sides.codec.label(), "prior+pca(4)+f16+filters(f16,lr=0.01)+tune(batch=25,lr=0.1)");
    let axes: Vec<_> =
        sides.shipped.iter().map(|bytes| Axes::shipped(bytes, 4, bed().global.len()).0).collect();
    let global: Vec<_> = bed().global.iter().map(|&weight| f64::from(weight)).collect();
    for number in [1, 2] {
        let (payloads, arrived) = bed().round_number(number, &mut sides);
        for who in 0..2 {
            let (code, values) = payloads[who].split_at(8);
            assert_eq!(values.len(), 2 * VALUES);
            let (code, values) = (halves(code), halves(values));
            // A unit that no image reaches rests.
            assert!(values.iter().filter(|value| **value != 0.0).count() > 50, "{values:?}");
            assert!(values.iter().all(|value| value.abs() < 0.5), "{values:?}");
            let base = if number == 1 { &axes[who].mean } else { &global };
            let scaled = placed(&values, base);
            for place in 0..base.len() {
                let along: f64 =
                    axes[who].rows.iter().zip(&code).map(|(axis, value)| axis[place] * value).sum();
                let due = base[place] + along + scaled[place];
                let off = (f64::from(arrived[who][place]) - due).abs();
                assert!(off < 1e-5, "round {number} of {who}: {place} is off by {off}");
            }
            // The negative control: other weights scaled.
            let other = placed(&values, if number == 1 { &global } else { &axes[who].mean });
            let apart = other.iter().zip(&scaled).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart > 1e-4, "{apart}");
        }
    }
}

#[test]
fn units_that_are_tuned_with_the_code_fit_the_images_better() {
    let losses = |text: String| {
        let mut sides = Sides::new(&text, &bed().logs);
        let (_, arrived) = bed().round_number(2, &mut sides);
        bed().losses(&arrived)
    };
    let residual = "{ stage = \"residual\", stages = [{ stage = \"ternary\", count = 500 }] }";
    for beside in [String::new(), format!(", {residual}")] {
        let without = losses(format!("[{CODE}{beside}, {TUNE}]"));
        let with = losses(format!("[{CODE}{beside}, {{ stage = \"filters\", lr = 0.03 }}, {TUNE}]"));
        for who in 0..2 {
            assert!(with[who] < 0.97 * without[who], "{beside}: {with:?} {without:?}");
        }
    }
}

#[test]
fn values_go_through_stages_of_their_own() {
    let stages = "{ stage = \"filters\", stages = [{ stage = \"quantize\", bits = 4, stochastic = false }] }";
    let mut sides = Sides::new(&format!("[{CODE}, {stages}, {TUNE}]"), &bed().logs);
    let (payloads, arrived) = bed().round_number(2, &mut sides);
    let few = payloads[0].len();
    assert!(few < 8 + 2 * VALUES / 2, "{few} bytes");
    // What the sender kept is what the aggregator decodes, so that a second round is sent as the first.
    let (again, same) = bed().round_number(2, &mut sides);
    assert!(payloads == again && arrived == same);
}

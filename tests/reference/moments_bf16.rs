//! Moments of 16 bits, rounded by chance.

use fedfunnel::reference::moments_bf16::{rounded, spacing, widened};
use fedfunnel::reference::random::uniform_tensor;

#[test]
fn one_of_both_neighbours_is_taken_and_values_in_between_stand_still() {
    for (moment, weight, expected) in [
        (1.0, 0.3, 1.0),
        (0.0, -0.7, 0.0),
        (-1.5, 0.1, -1.5),
        (f32::from_bits(0x3f80_8000), f32::from_bits(0x3f00_7fff), 1.0),
        (f32::from_bits(0x3f80_8000), f32::from_bits(0x3f00_8000), f32::from_bits(0x3f81_0000)),
        (f32::from_bits(0xbf80_8000), f32::from_bits(0x3f00_8000), f32::from_bits(0xbf81_0000)),
    ] {
        assert_eq!(rounded(moment, weight), expected, "{moment} beside {weight}");
    }
    assert_eq!([spacing(1.0), spacing(-1.9), spacing(2.0)], [1.0 / 128.0, 1.0 / 128.0, 1.0 / 64.0]);
    assert_eq!(widened(&[0x3f80_4000, 0xbf00_0000]), [2.0, 1.0, 0.0, -0.5]);
}

/// Second moments that nothing feeds forget a thousandth in a step, a fifth of what bf16 can tell apart:
/// rounded by chance they do forget, in the mean over many; rounded to the nearest they stand still.
#[test]
fn moments_forget_though_each_step_is_too_small_for_them() {
    const STEPS: u32 = 1500;
    let start: Vec<f32> =
        uniform_tensor(500, 0, 1, 3, 1.0).into_iter().map(|x| rounded(1.5 + 0.4 * x, 0.0)).collect();
    let (mut chance, mut nearest) = (start.clone(), start.clone());
    for step in 0..STEPS {
        let weights = uniform_tensor(start.len(), 0, 2 + step, 3, 1.0);
        chance.iter_mut().zip(&weights).for_each(|(v, w)| *v = rounded(0.999 * *v, *w));
        nearest.iter_mut().for_each(|v| *v = rounded(0.999 * *v, f32::from_bits(0x8000)));
    }
    let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let expected = mean(&start) * 0.999f64.powi(STEPS as i32);
    assert!((mean(&chance) / expected - 1.0).abs() < 0.02, "{} for {expected}", mean(&chance));
    assert_eq!(nearest, start);
}

//! The counter generator: known values and its law.

use fedfunnel::reference::random::{bits, pcg4d, uniform, uniform_tensor};

const COUNT: usize = 100_000;

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |x: &[f32]| x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - mean_a, f64::from(b) - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    ab / (aa * bb).sqrt()
}

#[test]
fn known_values() {
    // From a separate implementation in Python, with integers of any size masked to 32 bits.
    assert_eq!(pcg4d([0, 0, 0, 0]), [0x0f02_f829, 0x2d56_8769, 0x32b0_c43b, 0xd325_48ea]);
    assert_eq!(pcg4d([1, 2, 3, 4]), [0x3622_cd16, 0xf114_71d8, 0xe110_9b3f, 0x02b9_4c2f]);
    assert_eq!(bits(u32::MAX, 0, 5, 7), 0x0340_26c3);
    assert_eq!(bits(15_679, 12, 0, 7), 0x9617_d3b1);
    // The first weights of a layer of 784 inputs, from numpy's float32.
    let first = uniform_tensor(4, 0, 0, 7, 1.0 / 28.0);
    assert_eq!(first, [-0.030583553, 0.020534094, 0.035362035, -0.027321953]);
}

#[test]
fn uniform_has_the_mean_and_variance_of_its_law() {
    for (replica, tensor, seed) in [(0, 0, 0), (3, 1, 7), (999, 5, u32::MAX)] {
        let x = uniform_tensor(COUNT, replica, tensor, seed, 2.0);
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / COUNT as f64;
        let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / COUNT as f64;
        // Five standard errors: sqrt(4/3 / COUNT) = 0.0037 and sqrt(64/45 / COUNT) = 0.0038.
        assert!(mean.abs() < 0.0185, "mean {mean}");
        assert!((variance - 4.0 / 3.0).abs() < 0.019, "variance {variance}");
        assert!(x.iter().all(|&x| (-2.0..2.0).contains(&x)));
    }
}

#[test]
fn every_tenth_of_the_range_gets_its_share() {
    let mut counts = [0u32; 10];
    for x in uniform_tensor(COUNT, 1, 2, 3, 1.0) {
        counts[((x + 1.0) * 5.0) as usize] += 1;
    }
    let expected = COUNT as f64 / 10.0;
    let chi_squared: f64 = counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    // 99.9 % of chi-squared with nine degrees of freedom lie below 27.9.
    assert!(chi_squared < 27.9, "{chi_squared}");
}

#[test]
fn neighbours_are_not_correlated() {
    let here = uniform_tensor(COUNT, 0, 0, 7, 1.0);
    // Five standard errors: 5 / sqrt(COUNT) = 0.0158.
    for lag in [1, 2, 20, 32, 320, 784] {
        let r = correlation(&here[lag..], &here[..COUNT - lag]);
        assert!(r.abs() < 0.0158, "indexes {lag} apart: {r}");
    }
    for step in [1, 2, 256] {
        let replica = correlation(&here, &uniform_tensor(COUNT, step, 0, 7, 1.0));
        let tensor = correlation(&here, &uniform_tensor(COUNT, 0, step, 7, 1.0));
        let seed = correlation(&here, &uniform_tensor(COUNT, 0, 0, 7 + step, 1.0));
        assert!(replica.abs() < 0.0158, "replicas {step} apart: {replica}");
        assert!(tensor.abs() < 0.0158, "tensors {step} apart: {tensor}");
        assert!(seed.abs() < 0.0158, "seeds {step} apart: {seed}");
    }
}

#[test]
fn the_ends_of_the_range() {
    assert_eq!(uniform(0, 0.5), -0.5);
    assert_eq!(uniform(u32::MAX, 1.0), 1.0 - 1.0 / 8_388_608.0);
    assert_eq!(uniform(1 << 31, 3.0), 0.0);
}

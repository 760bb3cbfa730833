//! The counter-based generator of initial weights, bit for bit the same on every adapter.
//!
//! A hash of (element, replica, tensor, seed) needs no state, so a kernel fills any shard of any tensor in
//! any order. The hash is pcg4d of Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
//! All of it is wrapping u32 arithmetic, which WGSL defines exactly, and one f32 multiplication.

/// Mixes four counters into four words: pcg4d of Jarzynski & Olano 2020.
pub fn pcg4d(counters: [u32; 4]) -> [u32; 4] {
    let mut v = counters.map(|c| c.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    mix(&mut v);
    v = v.map(|word| word ^ (word >> 16));
    mix(&mut v);
    v
}

fn mix(v: &mut [u32; 4]) {
    v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
    v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
    v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
    v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
}

/// 32 random bits for one element of one tensor of one replica.
pub fn bits(index: u32, replica: u32, tensor: u32, seed: u32) -> u32 {
    pcg4d([index, replica, tensor, seed])[0]
}

/// A float in `[-bound, bound)` from the upper 24 of 32 random bits.
///
/// f32, not f64, and a single rounding: the integer fits a float exactly, `bound / 2^23` is computed on the
/// host, and one multiplication is left for the device, so that every adapter gives the same float.
pub fn uniform(bits: u32, bound: f32) -> f32 {
    ((bits >> 8) as i32 - 8_388_608) as f32 * (bound / 8_388_608.0)
}

/// The first `length` elements of one tensor of one replica, uniform in `[-bound, bound)`.
pub fn uniform_tensor(length: usize, replica: u32, tensor: u32, seed: u32, bound: f32) -> Vec<f32> {
    (0..length as u32).map(|index| uniform(bits(index, replica, tensor, seed), bound)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

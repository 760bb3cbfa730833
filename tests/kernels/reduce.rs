//! Statistics of rows, and the average over replicas.

use crate::support::{gpu, posing_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::ops::reduce::{self, Replicas, RowStatistics};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::reduce as twin;

fn statistics(gpu: &Gpu, x: &[f32], rows: usize, width: usize) -> Vec<RowStatistics> {
    let buffer = gpu.upload("rows", x).unwrap();
    let (plan, result) = reduce::rows(gpu, &buffer, rows, width).unwrap();
    gpu.run(&plan).unwrap();
    bytemuck::cast_slice(&gpu.read::<f32>(&result).unwrap()).to_vec()
}

fn part(all: &[RowStatistics], of: impl Fn(&RowStatistics) -> f32) -> Vec<f32> {
    all.iter().map(of).collect()
}

/// Chunks are 512 values long: rows of one chunk, of one and a little, of many with a short last one.
#[test]
fn rows_agree_with_their_twin() {
    for width in [1, 511, 512, 513, 5000] {
        for (rows, gpu) in [(1, gpu()), (11, gpu()), (11, posing_gpu())] {
            // A mean far from zero, so that a variance taken the naive way would cancel.
            let x: Vec<f32> = values(rows * width, 1).iter().map(|x| x + 3.0).collect();
            let twin_of = wide(&x);
            let actual = statistics(gpu, &x, rows, width);
            let what = |name: &str| format!("{name} of {rows} rows of {width}");
            let check = |name: &str, actual: Vec<f32>, expected: Vec<f64>, tolerance| {
                assert_close(&what(name), &actual, &expected, tolerance);
                let mut wrong = expected;
                wrong[rows - 1] += 0.01 * wrong[rows - 1].abs().max(0.01);
                assert!(compare(name, &actual, &wrong, tolerance).is_err(), "{}", what(name));
            };
            check("sum", part(&actual, |s| s.sum), twin::sum(&twin_of, rows, width), Tolerance::Balanced);
            check("mean", part(&actual, |s| s.mean), twin::mean(&twin_of, rows, width), Tolerance::Balanced);
            let variance = twin::variance(&twin_of, rows, width);
            check("variance", part(&actual, |s| s.variance), variance, Tolerance::Balanced);
            check(
                "smallest",
                part(&actual, |s| s.smallest),
                twin::min(&twin_of, rows, width),
                Tolerance::Exact,
            );
            check(
                "largest",
                part(&actual, |s| s.largest),
                twin::max(&twin_of, rows, width),
                Tolerance::Exact,
            );
        }
    }
}

#[test]
fn a_variance_survives_a_large_mean() {
    let x: Vec<f32> = values(5000, 1).iter().map(|x| x + 4096.0).collect();
    let variance = twin::variance(&wide(&x), 1, 5000);
    // Permissive: chunk means of 4096 are rounded to 2.4e-4, and deviations are taken from them.
    assert_close("variance", &[statistics(gpu(), &x, 1, 5000)[0].variance], &variance, Tolerance::Permissive);
}

#[test]
fn averages_agree_with_their_twin() {
    for (count, weights) in [(1, vec![2.0f32]), (3, vec![5.0, 0.0, 1.5]), (4, vec![1.0, 10.0, 100.0, 1000.0])]
    {
        for width in [1, 77, 300_001] {
            let (first, stride, at) = (3, width + 7, 5);
            let x = values(first + count * stride, 1);
            let before = values(at + width + 9, 2);
            let source = gpu().upload("replicas", &x).unwrap();
            let into = gpu().upload("average", &before).unwrap();
            let weights_buffer = gpu().upload("weights", &weights).unwrap();
            let replicas = Replicas { values: &source, count, first, stride };
            let plan =
                reduce::average_replicas(gpu(), replicas, &weights_buffer, (&into, at), width).unwrap();
            gpu().run(&[plan]).unwrap();
            let packed: Vec<f64> = (0..count).flat_map(|r| wide(&x[first + r * stride..][..width])).collect();
            let expected = twin::weighted_average(&packed, &wide(&weights));
            let actual: Vec<f32> = gpu().read(&into).unwrap();
            let what = format!("average of {count} by {width}");
            assert_close(&what, &actual[at..at + width], &expected, Tolerance::Balanced);
            assert!(actual[..at] == before[..at] && actual[at + width..] == before[at + width..], "{what}");
            if count > 1 {
                let unweighted = twin::weighted_average(&packed, &vec![1.0; count]);
                let outcome = compare(&what, &actual[at..at + width], &unweighted, Tolerance::Permissive);
                assert!(outcome.is_err(), "{what}: weights do not matter");
            }
        }
    }
}

//! The average over replicas.

use crate::support::{gpu, values, wide};
use fedfunnel::ops::reduce::{self, Replicas};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::reduce as twin;

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
            let plan = reduce::average_replicas(gpu(), replicas, &weights_buffer, &into, at, width).unwrap();
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

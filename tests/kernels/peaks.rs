//! The kernels that find an adapter's peaks compute what they claim to, so that nothing of it was left out.

use crate::support::{gpu, values, wide};
use fedfunnel::ops::peaks;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::peaks as twin;

#[test]
fn arithmetic_agrees_with_its_twin() {
    for [lanes, rounds] in [[1, 0], [3, 1], [64, 7], [201, 1000]] {
        let results = gpu().zeros("results", lanes * 4).unwrap();
        let dispatch = peaks::arithmetic(gpu(), &results, lanes, rounds, 0.75, 0.3).unwrap();
        assert_eq!(dispatch.cost().operations, (32 * lanes * rounds) as u64);
        gpu().run(&[dispatch]).unwrap();
        let actual: Vec<f32> = gpu().read(&results).unwrap();
        let of = |rounds| twin::arithmetic(rounds, 0.75, f64::from(0.3f32)).repeat(lanes);
        assert_close("arithmetic", &actual, &of(rounds), Tolerance::Strict);
        if rounds < 1000 {
            assert!(compare("arithmetic", &actual, &of(rounds + 1), Tolerance::Strict).is_err());
        }
    }
}

#[test]
fn streams_agree_with_their_twin() {
    for count in [4, 76, 1028] {
        let source = values(count, 1);
        let from = gpu().upload("source", &source).unwrap();
        let to = gpu().zeros("results", count + 4).unwrap();
        let dispatch = peaks::stream(gpu(), &from, &to, count, 0.3).unwrap();
        assert_eq!(dispatch.cost().bytes, 8 * count as u64);
        gpu().run(&[dispatch]).unwrap();
        let actual: Vec<f32> = gpu().read(&to).unwrap();
        let mut expected = twin::stream(&wide(&source), f64::from(0.3f32));
        expected.extend([0.0; 4]);
        assert_close("stream", &actual, &expected, Tolerance::Strict);
        expected[count - 1] += 0.1;
        assert!(compare("stream", &actual, &expected, Tolerance::Permissive).is_err());
    }
}

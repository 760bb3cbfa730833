//! Fill: exact, and nothing beside its own elements is touched.

use crate::support::{gpu, values, wide};
use fedfunnel::ops::elementwise;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::elementwise as twin;

#[test]
fn fill_reaches_its_own_elements_only() {
    for [length, first, count] in [[1, 0, 1], [77, 5, 13], [5000, 4096, 904], [300_001, 1, 299_999]] {
        let before = values(length, 1);
        let buffer = gpu().upload("fill", &before).unwrap();
        gpu().run(&[elementwise::fill(gpu(), &buffer, first, count, 0.1).unwrap()]).unwrap();
        let mut expected = wide(&before);
        twin::fill(&mut expected[first..first + count], f64::from(0.1f32));
        let actual: Vec<f32> = gpu().read(&buffer).unwrap();
        assert_close("fill", &actual, &expected, Tolerance::Exact);
        expected[first] += 0.01;
        assert!(compare("fill", &actual, &expected, Tolerance::Exact).is_err());
    }
}

//! What the kernels that measure a device compute.

use fedfunnel::reference::peaks::{arithmetic, stream};

#[test]
fn the_sums_are_those_of_a_geometric_series() {
    assert_eq!(arithmetic(0, 3.0, 5.0), [24.0, 28.0, 32.0, 36.0]);
    assert_eq!(arithmetic(1, 2.0, 1.0), [52.0, 60.0, 68.0, 76.0]);
    let settled = arithmetic(200, 0.5, 3.0);
    assert!(settled.iter().all(|sum| (sum - 24.0).abs() < 1e-12), "{settled:?}");
    assert_eq!(stream(&[1.0, -2.0], 0.5), [0.5, -1.0]);
}

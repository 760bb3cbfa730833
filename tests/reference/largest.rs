//! The values of the largest magnitude.

use fedfunnel::reference::largest::largest;

#[test]
fn the_largest_are_in_the_order_of_their_places_and_the_first_of_equals_count_as_larger() {
    let values = [1.0, -3.0, 0.5, 3.0, -1.0, 0.0];
    assert_eq!(largest(&values, 1), [1]);
    assert_eq!(largest(&values, 2), [1, 3]);
    assert_eq!(largest(&values, 3), [0, 1, 3]);
    assert_eq!(largest(&values, 6), [0, 1, 2, 3, 4, 5]);
    assert_eq!(largest(&[f32::MAX, f32::INFINITY, f32::NAN], 2), [1, 2]);
}

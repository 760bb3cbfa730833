//! Fills.

use fedfunnel::reference::elementwise::fill;

#[test]
fn fill_reaches_every_element() {
    let mut x = [1.0, 2.0, 3.0];
    fill(&mut x, -0.5);
    assert_eq!(x, [-0.5; 3]);
}

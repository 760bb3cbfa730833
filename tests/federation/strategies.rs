//! Strategies by hand.

use crate::support::strategy_round;
use fedfunnel::federation::{Momentum, Replace, Server};

#[test]
fn momentum_is_as_counted_by_hand() {
    let mut server = Momentum::new(0.5, 0.25);
    let mut global = [1.0, -2.0];
    // d = (-1, -2), v = d, and a quarter of it is taken off.
    let round = strategy_round(&[]);
    server.step(&round, &mut global, &[2.0, 0.0]);
    assert_eq!(global, [1.25, -1.5]);
    // d = (1.25, 0.5), v = (-0.5, -1) + d = (0.75, -0.5).
    server.step(&round, &mut global, &[0.0, -2.0]);
    assert_eq!(global, [1.0625, -1.375]);
    assert_eq!(server.kept().get("velocity"), Some(&[0.75f32, -0.5][..]));
    // Without momentum and at rate one it is FedAvg.
    let (mut plain, mut replaced) = ([1.0, -2.0], [1.0, -2.0]);
    Momentum::new(0.0, 1.0).step(&round, &mut plain, &[0.5, 4.0]);
    Replace::default().step(&round, &mut replaced, &[0.5, 4.0]);
    assert_eq!(plain, replaced);
}

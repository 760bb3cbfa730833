//! What is added to a step, by hand.

use fedfunnel::reference::drift::apply;

#[test]
fn each_replica_goes_its_own_way_back_and_takes_its_own_correction_off() {
    let mut w = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let correction = [0.25, -0.5, 9.0, 9.0, 0.0, 1.0];
    // A half, nothing of a replica that rests, and a quarter of the way back to (3, 0).
    apply(&mut w, &[3.0, 0.0], &correction, &[0.5, 0.5, 0.25], &[false, true, false]);
    assert_eq!(w, [1.75, 1.5, 3.0, 4.0, 4.5, 3.5]);
}

#[test]
fn replicas_that_began_at_different_weights_go_back_to_their_own() {
    let mut w = [1.0, 2.0, 3.0, 4.0];
    apply(&mut w, &[1.0, 0.0, 0.0, 4.0], &[0.0; 4], &[0.5, 1.0], &[false, false]);
    assert_eq!(w, [1.0, 1.0, 0.0, 4.0]);
}

/// A step at a rate divided by what is left of the way, and the way back after it, is one step of a gradient that has
/// the way back in it.
#[test]
fn a_larger_step_and_the_way_back_are_one_step_of_the_penalised_gradient() {
    let (w, start, gradient, rate, penalty) = (0.75, 0.25, -2.0, 0.1, 1.5);
    let due = w - rate * (gradient + penalty * (w - start));
    let pull = rate * penalty;
    let mut moved = [w - rate / (1.0 - pull) * gradient];
    apply(&mut moved, &[start], &[0.0], &[pull], &[false]);
    assert!((moved[0] - due).abs() < 1e-15, "{} {due}", moved[0]);
    // At the rate as it is, it is another one.
    let mut moved = [w - rate * gradient];
    apply(&mut moved, &[start], &[0.0], &[pull], &[false]);
    assert!((moved[0] - due).abs() > 1e-2);
}

//! What a comparison with a twin has to refuse.

use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::random::uniform_tensor;

fn rounded(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// 10,000 elements as a matrix that is neither square nor symmetric, at a magnitude of `bound`.
fn matrix(bound: f32) -> Vec<f64> {
    // The last bits make values that f32 cannot hold.
    uniform_tensor(80 * 125, 0, 0, 1, bound).into_iter().map(|x| f64::from(x) * (1.0 + 1e-9)).collect()
}

/// Magnitudes of weights, of gradients of a wide layer and of their squares.
const BOUNDS: [f32; 3] = [3.0, 1e-5, 1e-12];

/// Each bad result has to fail under every tolerance, at every magnitude.
fn assert_always_fails(what: &str, spoil: impl Fn(&mut Vec<f32>)) {
    for bound in BOUNDS {
        let expected = matrix(bound);
        for tolerance in Tolerance::ALL {
            let mut actual = rounded(&expected);
            compare("unspoilt", &actual, &expected, tolerance).unwrap();
            spoil(&mut actual);
            let outcome = compare(what, &actual, &expected, tolerance);
            assert!(outcome.is_err(), "{what} passed as {tolerance:?} at {bound:e}");
        }
    }
}

#[test]
fn a_transposed_result_fails() {
    assert_always_fails("transposed", |x| {
        let original = x.clone();
        for row in 0..80 {
            for column in 0..125 {
                x[column * 80 + row] = original[row * 125 + column];
            }
        }
    });
}

#[test]
fn one_wrong_element_in_ten_thousand_fails() {
    assert_always_fails("neighbour's value", |x| x[7_777] = x[7_778]);
    assert_always_fails("never written", |x| x[9_999] = 0.0);
    assert_always_fails("one percent off", |x| {
        let largest = (0..x.len()).max_by(|&i, &j| x[i].abs().total_cmp(&x[j].abs())).unwrap();
        x[largest] *= 1.01;
    });
}

#[test]
fn a_nan_or_an_infinity_fails() {
    assert_always_fails("NaN", |x| x[0] = f32::NAN);
    assert_always_fails("infinity", |x| x[123] = f32::NEG_INFINITY);
    for tolerance in Tolerance::ALL {
        assert!(compare("both NaN", &[f32::NAN, 1.0], &[f64::NAN, 1.0], tolerance).is_err());
    }
}

#[test]
fn a_wrong_length_fails() {
    assert_always_fails("short", |x| {
        x.pop();
    });
    assert_always_fails("long", |x| x.push(0.0));
    assert_always_fails("empty", Vec::clear);
    for tolerance in Tolerance::ALL {
        assert!(compare("nothing", &[], &[], tolerance).is_err());
    }
}

#[test]
fn a_sign_flip_fails() {
    assert_always_fails("all flipped", |x| x.iter_mut().for_each(|x| *x = -*x));
    assert_always_fails("one flipped", |x| x[4_321] = -x[4_321]);
}

#[test]
fn a_shift_by_one_fails() {
    assert_always_fails("shifted", |x| x.rotate_left(1));
}

#[test]
fn each_tolerance_rejects_what_the_next_one_allows() {
    let expected = matrix(1.0);
    for (error, first_to_allow) in [(0.0, 0), (1e-6, 1), (1e-5, 2), (5e-4, 3)] {
        let actual: Vec<f32> = expected.iter().map(|e| (e * (1.0 + error)) as f32).collect();
        for (i, tolerance) in Tolerance::ALL.into_iter().enumerate() {
            let outcome = compare("x", &actual, &expected, tolerance);
            assert_eq!(outcome.is_ok(), i >= first_to_allow, "{error:e} as {tolerance:?}: {outcome:?}");
        }
    }
}

#[test]
fn rounding_of_a_cancelled_sum_passes() {
    // 1000 and its negative leave the rounding of 1000 behind, beside outputs as large as they were.
    let expected = [1000.0, 1e-9];
    assert!(compare("x", &[1000.0, 3e-5], &expected, Tolerance::Balanced).is_ok());
    assert!(compare("x", &[1000.0, 3e-2], &expected, Tolerance::Balanced).is_err());
}

#[test]
fn the_message_names_the_worst_element() {
    let message =
        compare("dw", &[1.0, 2.5, -3.5, 4.0], &[1.0, 2.0, 3.0, 4.0], Tolerance::Strict).unwrap_err();
    assert!(message.starts_with("dw: 2 of 4 elements beyond the Strict tolerance"), "{message}");
    assert!(message.contains("dw[2]: -3.5e0, expected 3e0, off by 6.5e0, limit 6"), "{message}");
    let message = compare("dw", &[1.0, f32::NAN], &[1.0, 2.0], Tolerance::Permissive).unwrap_err();
    assert_eq!(message, "dw[1]: NaN, expected 2e0; both have to be finite");
    let message = compare("dw", &[1.0], &[1.0, 2.0], Tolerance::Permissive).unwrap_err();
    assert_eq!(message, "dw: 1 elements, expected 2");
}

#[test]
#[should_panic(expected = "loss: 1 of 1 elements")]
fn assert_close_panics_with_the_message() {
    assert_close("loss", &[1.0], &[2.0], Tolerance::Permissive);
}

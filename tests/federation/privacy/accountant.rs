//! The accountant against published values, integrals in many digits, and two independent libraries
//! (`tests/goldens/make_privacy_goldens.py`).

use fedfunnel::federation::privacy::{Accountant, Mechanism, Neighbours, Sampling, smallest_noise};
use serde_json::Value;

fn goldens(of: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../goldens/privacy.json")).unwrap();
    all[of].as_array().unwrap().clone()
}

fn number(case: &Value, of: &str) -> f64 {
    case[of].as_f64().unwrap_or_else(|| panic!("{of} of {case}"))
}

/// A round of a golden, whose noise is over the sensitivity.
fn round(case: &Value, sampling: Sampling) -> Mechanism {
    let noise = number(case, "noise") * sampling.neighbours().sensitivity();
    Mechanism { noise, rate: number(case, "rate"), sampling }
}

fn sampling(case: &Value) -> Sampling {
    serde_json::from_value(case["sampling"].clone()).unwrap()
}

fn is_near(value: f64, due: f64, tolerance: f64) -> bool {
    (value - due).abs() <= tolerance * due.abs()
}

fn epsilon(mechanism: Mechanism, rounds: u64, delta: f64) -> f64 {
    let mut accountant = Accountant::default();
    accountant.add(&mechanism, rounds);
    accountant.epsilon(delta)
}

#[test]
fn divergence_under_poisson_sampling_is_that_of_the_integral() {
    let cases = goldens("poisson");
    for case in &cases {
        let value = round(case, Sampling::Poisson).divergences(&[number(case, "order")])[0];
        let due = number(case, "exact");
        // Where a round tells next to nothing, it is the logarithm of a number next to 1.
        assert!((value - due).abs() <= 1e-9 * due + 1e-12, "{value}, due {case}");
        assert!(is_near(value, number(case, "opacus"), 1e-6), "{value}, due {case}");
    }
    assert!(cases.iter().filter(|case| number(case, "order").fract() != 0.0).count() > 20);
    // The negative control: orders next to each other are told apart.
    let [near, other] =
        [2.7, 2.701].map(|order| round(&cases[3], Sampling::Poisson).divergences(&[order])[0]);
    assert!(!is_near(near, other, 1e-6));
}

#[test]
fn divergence_without_replacement_is_the_bound_in_many_digits() {
    for case in goldens("without_replacement") {
        let value = round(&case, Sampling::WithoutReplacement).divergences(&[number(&case, "order")])[0];
        let plain = number(&case, "order") / (2.0 * number(&case, "noise").powi(2));
        let due = number(&case, "exact").min(plain);
        assert!(is_near(value, due, 1e-9), "{value}, due {case}");
        // In float64 the library's differences cancel, which only makes them larger.
        assert!(value <= number(&case, "dp_accounting") * (1.0 + 1e-9), "{value}: {case}");
    }
    // Between whole orders it lies on the line between what (order - 1) times it is there.
    let mechanism = Mechanism { noise: 3.0, rate: 0.1, sampling: Sampling::WithoutReplacement };
    let [low, between, high] = mechanism.divergences(&[4.0, 4.25, 5.0])[..] else { panic!("three") };
    assert!(is_near(3.25 * between, 0.75 * 3.0 * low + 0.25 * 4.0 * high, 1e-12));
}

#[test]
fn epsilons_are_those_of_two_libraries() {
    for case in goldens("epsilon") {
        let rounds = number(&case, "rounds") as u64;
        let value = epsilon(round(&case, sampling(&case)), rounds, number(&case, "delta"));
        // dp-accounting takes all terms of fractional orders as positive: a bound from above.
        let library = number(&case, "dp_accounting");
        assert!(value <= library * (1.0 + 1e-9) && is_near(value, library, 1e-3), "{value}, due {case}");
        if case["opacus"].is_number() {
            assert!(is_near(value, number(&case, "opacus"), 1e-7), "{value}, due {case}");
        }
    }
}

#[test]
fn published_epsilons_come_out() {
    // Published before the conversion of 2020: Mironov 2017, Proposition 3.
    let mironov = |noise, rate, rounds, delta: f64| {
        let mut accountant = Accountant::default();
        accountant.add(&Mechanism { noise, rate, sampling: Sampling::Poisson }, rounds);
        let all = accountant.divergences().map(|(order, spent)| spent - delta.ln() / (order - 1.0));
        all.fold(f64::INFINITY, f64::min)
    };
    let rate = 256.0 / 60_000.0;
    let steps = |epochs: u64| epochs * 60_000 / 256;
    for (noise, rate, rounds, due) in [
        // The table of TensorFlow Privacy's tutorials: MNIST in batches of 256 for 15, 60 and 45 epochs.
        (1.3, rate, steps(15), 1.19),
        (1.1, rate, steps(60), 3.01),
        (0.7, rate, steps(45), 7.10),
        // Abadi et al. 2016, section 3.2: q = 0.01, sigma = 4, 10,000 steps.
        (4.0, 0.01, 10_000, 1.26),
    ] {
        let value = mironov(noise, rate, rounds, 1e-5);
        assert!((value - due).abs() <= 0.005, "{value}, due {due}");
        // The conversion of today says less.
        assert!(epsilon(Mechanism { noise, rate, sampling: Sampling::Poisson }, rounds, 1e-5) < value - 0.1);
    }
}

#[test]
fn without_sampling_it_is_the_gaussian_mechanism() {
    // Ten rounds at 10 are one at sqrt(10): a / (2 * 10) at order a.
    let all = Mechanism { noise: 10.0, rate: 1.0, sampling: Sampling::Poisson };
    let orders = [1.5, 2.0, 8.0];
    let mut accountant = Accountant::with_orders(orders.to_vec());
    accountant.add(&all, 4);
    accountant.add(&all, 6);
    for ((order, spent), due) in accountant.divergences().zip([0.075, 0.1, 0.4]) {
        assert!(is_near(spent, due, 1e-12), "{order}: {spent}");
    }
    // By hand at order 8 and delta 1e-3: 0.4 + ln(7 / 8) - ln(8e-3) / 7 = 0.95622..., which the others do not reach.
    let epsilon_of = accountant.epsilon(1e-3);
    assert!((epsilon_of - (0.4 + (7.0f64 / 8.0).ln() - 8e-3f64.ln() / 7.0)).abs() < 1e-12, "{epsilon_of}");
    assert!((epsilon_of - 0.95622).abs() < 1e-5, "{epsilon_of}");
    // And back.
    assert!(is_near(accountant.delta(epsilon_of), 1e-3, 1e-9));
    // One that is replaced counts twice: half the noise.
    let replaced = Mechanism { noise: 20.0, sampling: Sampling::WithoutReplacement, ..all };
    assert_eq!(replaced.divergences(&orders), all.divergences(&orders));
    assert_eq!(Sampling::WithoutReplacement.neighbours(), Neighbours::ReplaceOne);
}

#[test]
fn more_noise_fewer_rounds_and_smaller_parts_tell_less() {
    for sampling in [Sampling::Poisson, Sampling::WithoutReplacement] {
        let usual = Mechanism { noise: 2.0, rate: 0.05, sampling };
        let epsilon_of = |mechanism, rounds| epsilon(mechanism, rounds, 1e-5);
        let due = epsilon_of(usual, 100);
        assert!(epsilon_of(Mechanism { noise: 2.1, ..usual }, 100) < due);
        assert!(epsilon_of(Mechanism { rate: 0.04, ..usual }, 100) < due);
        assert!(epsilon_of(usual, 90) < due);
        // Never more than without sampling, and next to it where nearly all take part.
        let all = epsilon_of(Mechanism { rate: 1.0, ..usual }, 100);
        assert!(due < all && epsilon_of(Mechanism { rate: 0.999, ..usual }, 100) <= all * (1.0 + 1e-9));
        assert_eq!(epsilon_of(Mechanism { rate: 0.0, ..usual }, 100), 0.0);
        assert_eq!(epsilon_of(Mechanism { noise: 0.0, ..usual }, 100), f64::INFINITY);
        assert_eq!(epsilon_of(Mechanism { noise: 0.0, ..usual }, 0), 0.0);
    }
}

#[test]
fn the_smallest_noise_for_an_epsilon_is_that_of_a_library_and_just_enough() {
    for case in goldens("noise") {
        let sampling = sampling(&case);
        let [bound, delta, rate] = ["epsilon", "delta", "rate"].map(|of| number(&case, of));
        let rounds = number(&case, "rounds") as u64;
        let noise = smallest_noise(bound, delta, rate, sampling, rounds).unwrap();
        let over_sensitivity = noise / sampling.neighbours().sensitivity();
        assert!(is_near(over_sensitivity, number(&case, "dp_accounting"), 1e-3), "{noise}, due {case}");
        let of = |noise| epsilon(Mechanism { noise, rate, sampling }, rounds, delta);
        assert!(of(noise) <= bound && of(noise * 0.999) > bound, "{noise}");
    }
    let refused = smallest_noise(0.0, 1e-5, 0.1, Sampling::Poisson, 10).unwrap_err();
    assert!(refused.is_usage() && refused.to_string().contains("above 0"), "{refused}");
}

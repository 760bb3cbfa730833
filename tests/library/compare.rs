//! Verdicts of reports: which of two values is better, and what is within the doubt.

use fedfunnel::story::compare::{Comparison, Measure, Standing};

fn comparison(measure: Measure, own: f64, null: f64, others: &[(&str, f64)]) -> Comparison {
    Comparison {
        measure,
        subject: measure.entry("the autoencoder", own),
        null: measure.entry("the mean of the snapshots", null),
        others: others.iter().map(|(name, value)| measure.entry(*name, *value)).collect(),
        on: match measure {
            Measure::Accuracy { .. } => "on the test images",
            Measure::Error => "on held-out snapshots",
        },
    }
}

fn near(found: Standing, expected: Standing) -> bool {
    match (found, expected) {
        (Standing::Better(a), Standing::Better(b))
        | (Standing::Worse(a), Standing::Worse(b))
        | (Standing::Alike(a), Standing::Alike(b)) => (a - b).abs() < 1e-9,
        (found, expected) => found == expected,
    }
}

#[test]
fn the_doubt_of_an_accuracy_is_that_of_its_test_images() {
    let hundred = Measure::Accuracy { tests: 100 };
    // sqrt(0.5 * 0.5 / 100 + 0.4 * 0.6 / 100) = sqrt(0.0049)
    assert!((hundred.doubt(0.5, 0.4) - 7.0).abs() < 1e-9);
    assert!(near(hundred.standing(0.5, 0.4), Standing::Better(10.0)));
    assert!(near(hundred.standing(0.5, 0.6), Standing::Worse(10.0)));
    assert!(near(hundred.standing(0.5, 0.53), Standing::Alike(3.0)));
    assert_eq!(hundred.standing(0.5, 0.5), Standing::Equal);
    // A hundred times the images leave a tenth of the doubt.
    let many = Measure::Accuracy { tests: 10_000 };
    assert!((many.doubt(0.5, 0.4) - 0.7).abs() < 1e-9);
    assert!(near(many.standing(0.5, 0.53), Standing::Worse(3.0)));
}

#[test]
fn less_error_is_better_and_the_null_has_a_doubt_of_its_own() {
    assert!(near(Measure::Error.standing(0.122, 0.097), Standing::Worse(0.025)));
    assert!(near(Measure::Error.standing(0.097, 0.122), Standing::Better(0.025)));
    assert!(near(Measure::Error.standing(0.33, 0.325), Standing::Alike(0.005)));
    assert!(near(Measure::Error.standing_to_null(0.96, 1.0), Standing::Alike(0.04)));
    assert!(near(Measure::Error.standing_to_null(0.94, 1.0), Standing::Better(0.06)));
    assert!(near(Measure::Error.standing_to_null(1.2, 1.0), Standing::Worse(0.2)));
}

#[test]
fn a_verdict_has_the_numbers_that_it_rests_on() {
    let errors = comparison(Measure::Error, 0.122, 1.0, &[("PCA with 32 floats", 0.097)]);
    assert_eq!(
        errors.sentences(),
        "The autoencoder beat the mean of the snapshots by 0.878: relative L2 error 0.122 against 1.000 on \
         held-out snapshots. That is 0.025 worse than PCA with 32 floats (0.097)."
    );
    let tests = Measure::Accuracy { tests: 10_000 };
    let accuracies = comparison(tests, 0.934, 0.933, &[("raw updates", 0.951), ("PCA", 0.931)]);
    // sqrt(0.934 * 0.066 / 10,000 + 0.933 * 0.067 / 10,000) = 0.0035
    assert_eq!(
        accuracies.sentences(),
        "The autoencoder did no better than the mean of the snapshots: accuracy 93.4 % against 93.3 % on the \
         test images, within the doubt of 0.4 points. That is 1.7 points worse than raw updates (95.1 %), and \
         about as good as PCA (93.1 %)."
    );
    assert_eq!(
        accuracies.doubt(),
        "Differences below 0.4 points are within the doubt that 10,000 test images leave."
    );
}

#[test]
fn the_verdict_turns_with_the_numbers() {
    let tests = Measure::Accuracy { tests: 10_000 };
    let said = |measure, own, null| comparison(measure, own, null, &[]).sentences();
    assert!(said(tests, 0.5, 0.4).contains("beat the mean of the snapshots by 10.0 points"));
    assert!(said(tests, 0.4, 0.5).contains("did worse than the mean of the snapshots by 10.0 points"));
    assert!(said(Measure::Accuracy { tests: 10 }, 0.5, 0.4).contains("within the doubt of 22.1 points"));
    assert!(said(tests, 0.5, 0.5).contains("which is equal"));
    // The same numbers as errors: less is better.
    assert!(said(Measure::Error, 0.4, 0.5).contains("beat the mean"));
    // What is no number beats nothing.
    let unknown = comparison(Measure::Error, f64::NAN, 1.0, &[("PCA", f64::NAN)]);
    assert!(!unknown.beats_null() && unknown.headline().contains("does not beat"));
    assert!(unknown.sentences().contains("cannot be compared"), "{}", unknown.sentences());
}

#[test]
fn headlines_follow_the_errors() {
    let headline = |own, pca| comparison(Measure::Error, own, 1.0, &[("PCA", pca)]).headline();
    assert_eq!(
        headline(0.35, 0.325),
        "the autoencoder beats the mean of the snapshots, and is 0.025 worse than PCA (0.325)"
    );
    assert!(
        headline(0.33, 0.325)
            .ends_with("beats the mean of the snapshots, and is about as good as PCA (0.325)")
    );
    assert!(
        headline(0.2, 0.325)
            .ends_with("beats the mean of the snapshots, and is 0.125 better than PCA (0.325)")
    );
    assert!(
        headline(1.0, 0.325).contains("does not beat the mean of the snapshots, and is 0.675 worse than")
    );
}

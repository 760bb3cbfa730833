//! The formula of the savings, held against the paper's own figures and against what the codec ships.

use fedfunnel::autoencoder::DecoderState;
use fedfunnel::autoencoder::small::{FactoredDecoder, Precision};
use fedfunnel::model::AutoencoderSpec;
use fedfunnel::savings::{Counting, Decoders, Savings, exact_decoder, half_autoencoder};

/// The CIFAR-10 pair, with the paper's D: half of the autoencoder.
fn paper(decoders: Decoders) -> Savings {
    Savings {
        parameters: 550_570,
        latent: 320,
        decoder_parameters: 352_915_690 / 2,
        rounds: 40,
        collaborators: 2,
        decoders,
        counting: Counting::Paper,
    }
}

fn near(value: Option<f64>, expected: f64, within: f64) {
    let value = value.expect("a number");
    assert!((value - expected).abs() <= within, "{value} is not {expected}");
}

#[test]
fn a_decoder_for_each_breaks_even_where_the_paper_says() {
    let savings = paper(Decoders::Each);
    near(savings.break_even_rounds(), 320.7, 0.05);
    assert_eq!(half_autoencoder(550_570, 320), Some(savings.decoder_parameters));
    let exact = Savings { decoder_parameters: exact_decoder(550_570, 320).unwrap(), ..savings };
    assert_eq!(exact.decoder_parameters, 176_732_970);
    near(exact.break_even_rounds(), 321.2, 0.05);
    // It does not depend on the number of collaborators.
    let many = Savings { collaborators: 1_000_000, ..savings };
    near(many.break_even_rounds(), 320.7, 0.05);
    assert_eq!(savings.break_even_collaborators(), None);
    let long = Savings { rounds: 321, ..savings };
    assert_eq!(long.break_even_collaborators(), Some(1.0));
    assert!(long.uplink_ratio() > 1.0 && Savings { rounds: 320, ..savings }.uplink_ratio() < 1.0);
}

#[test]
fn the_papers_own_run_costs_eight_times_what_it_saves() {
    near(Some(paper(Decoders::Each).uplink_ratio()), 0.1248, 5e-5);
    near(Some(paper(Decoders::Each).both_ways_ratio()), 0.2219, 1e-3);
}

#[test]
fn no_number_of_rounds_gives_both_claims_of_figure_10() {
    let one = paper(Decoders::Shared);
    let at = |collaborators| Savings { collaborators, ..one };
    near(at(40).break_even_rounds(), 8.02, 0.005);
    near(at(1000).rounds_for(120.0), 41.34, 0.005);
    // Each with the rounds of the other: 120x is far away, and 40 collaborators save long since.
    near(Some(Savings { rounds: 8, ..at(1000) }.uplink_ratio()), 24.6, 0.05);
    near(Some(Savings { rounds: 42, ..at(40) }.uplink_ratio()), 5.2, 0.05);
    near(Savings { rounds: 8, ..one }.break_even_collaborators(), 40.09, 0.005);
}

#[test]
fn a_latent_that_saves_nothing_never_breaks_even() {
    for latent in [550_570, 1 << 40] {
        for decoders in [Decoders::Shared, Decoders::Each, Decoders::Count(7)] {
            let savings = Savings { latent, ..paper(decoders) };
            assert_eq!(savings.break_even_rounds(), None);
            assert_eq!(savings.break_even_collaborators(), None);
            assert!(savings.uplink_ratio() < 1.0);
        }
    }
    // Codes alone are 1,720.5 times smaller: no more than that can be asked for.
    assert_eq!(paper(Decoders::Shared).rounds_for(1721.0), None);
    assert!(paper(Decoders::Shared).rounds_for(1720.0).is_some());
}

#[test]
fn the_largest_numbers_are_no_overflow() {
    let huge = Savings {
        parameters: u64::MAX,
        latent: 1,
        decoder_parameters: u64::MAX,
        rounds: u64::MAX,
        collaborators: u64::MAX,
        decoders: Decoders::Each,
        counting: Counting::Paper,
    };
    assert!(huge.uplink_ratio() > 1e18 && huge.both_ways_ratio() <= 2.0);
    near(huge.break_even_rounds(), 1.0, 1e-9);
    assert_eq!((exact_decoder(u64::MAX, 2), half_autoencoder(u64::MAX, u64::MAX)), (None, None));
    for counting in [Counting::Paper, Counting::Messages, Counting::SmallSpace { snapshots: u32::MAX }] {
        let refused = Savings { counting, ..huge }.check(str::to_string).unwrap_err().to_string();
        assert!(refused.contains("cannot be counted"), "{refused}");
        near(Savings { counting, ..huge }.break_even_rounds(), 1.5, 0.51);
    }
}

#[test]
fn the_ratio_at_the_rounds_for_a_target_is_the_target() {
    for decoders in [Decoders::Shared, Decoders::Each, Decoders::Count(5)] {
        for target in [0.5, 1.0, 3.0, 120.0] {
            let savings = Savings { collaborators: 17, ..paper(decoders) };
            let rounds = savings.rounds_for(target).unwrap();
            let at = |rounds: f64| Savings { rounds: rounds as u64, ..savings }.uplink_ratio();
            assert!(at(rounds.floor()) <= target && at(rounds.ceil()) >= target, "{decoders} {target}");
        }
    }
}

#[test]
fn zeros_are_refused_and_decoders_are_read() {
    let refused = Savings { rounds: 0, ..paper(Decoders::Each) }.check(|name| format!("--{name}"));
    assert!(refused.unwrap_err().to_string().starts_with("--rounds: 0 "));
    assert_eq!("shared".parse(), Ok(Decoders::Shared));
    assert_eq!("3".parse(), Ok(Decoders::Count(3)));
    let one = Savings { counting: Counting::SmallSpace { snapshots: 1 }, ..paper(Decoders::Each) };
    assert!(one.check(|name| format!("--{name}")).unwrap_err().to_string().starts_with("--snapshots: one "));
    assert!("0".parse::<Decoders>().is_err() && "some".parse::<Decoders>().is_err());
}

#[test]
fn a_decoder_is_as_large_as_the_codec_ships_it() {
    for (parameters, latent) in [(15_910, 32), (550_570, 320), (7, 1), (129, 5)] {
        let spec = AutoencoderSpec::linear("shape", parameters, latent);
        let messages = Savings {
            parameters: parameters as u64,
            latent: latent as u64,
            decoder_parameters: spec.decoder_parameters() as u64,
            counting: Counting::Messages,
            ..paper(Decoders::Each)
        };
        let dense = DecoderState::payload_bytes(&spec);
        assert_eq!(messages.decoder().payload_bytes(), dense as u64);
        assert_eq!(exact_decoder(parameters as u64, latent as u64), Some(messages.decoder_parameters));
        // 129 snapshots are 128 rows, a number of two bytes.
        for snapshots in [2, 3, 16, 128, 129, 400] {
            let small = Savings { counting: Counting::SmallSpace { snapshots }, ..messages };
            let factored =
                FactoredDecoder::payload_bytes_of(&spec, snapshots as usize, false, Precision::F32);
            assert_eq!(small.factors().expect("factors").payload_bytes(), factored as u64, "{snapshots}");
            assert_eq!(small.decoder().payload_bytes(), factored.min(dense) as u64, "{snapshots}");
        }
    }
}

#[test]
fn messages_break_even_later_than_the_paper_says() {
    let exact = exact_decoder(550_570, 320).unwrap();
    let messages =
        Savings { decoder_parameters: exact, counting: Counting::Messages, ..paper(Decoders::Each) };
    assert_eq!(messages.decoder_message_bytes(), 709_134_167);
    near(messages.break_even_rounds(), 322.187, 5e-4);
    near(Some(messages.uplink_ratio()), 0.1242, 5e-5);
    // Each collaborator is sent the initial model once more.
    let prepass = messages.prepass_bytes();
    assert_eq!(prepass, 2.0 * (4.0 * 550_570.0 + 3.0));
    near(Some(messages.ratio_per_message()), 2_202_283.0 / 1_283.0, 1e-9);
    let small = Savings { counting: Counting::SmallSpace { snapshots: 16 }, ..messages };
    assert_eq!(small.decoder_message_bytes(), 35_255_749);
    near(small.break_even_rounds(), 16.02, 0.005);
}

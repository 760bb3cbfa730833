//! Clipped updates with noise, by hand and in a simulation.

use crate::support::{run, spec, strategy_round};
use fedfunnel::codec::Values;
use fedfunnel::federation::privacy::{Accountant, Mechanism, Neighbours, Sampling};
use fedfunnel::federation::{
    Adaptive, Arrived, Combine, Parts, PrivateMean, SimulationSpec, StrategyRound, Summary,
};
use fedfunnel::gpu::AdapterSummary;
use fedfunnel::reference::compare::{Tolerance, assert_close};
use fedfunnel::story::privacy::guarantee_sentence;

fn arrived(who: u32, weights: &[f32]) -> Arrived {
    let update = Values::Host(weights.to_vec());
    Arrived { who, samples: 10 + who as usize, steps: 1, update, loss: None, staleness: 0 }
}

/// What it makes of updates which change so much.
fn changed(rule: &mut PrivateMean, round: &StrategyRound<'_>, changes: &[&[f32]]) -> Vec<f64> {
    let update = |change: &&[f32]| change.iter().zip(round.global).map(|(c, g)| c + g).collect::<Vec<_>>();
    let all: Vec<_> = (0..).zip(changes).map(|(who, change)| arrived(who, &update(change))).collect();
    let combined = rule.combine(round, &all).unwrap();
    combined.iter().zip(round.global).map(|(c, g)| f64::from(*c) - f64::from(*g)).collect()
}

#[test]
fn the_mean_of_clipped_changes_is_as_counted_by_hand() {
    let round = strategy_round(&[1.0, -2.0]);
    let mut rule = PrivateMean::new(1.0, 0.0, None);
    // (3, 4) has norm 5, and becomes (0.6, 0.8); (0.3, -0.4) has norm 0.5, and stays. Four were asked, whatever came.
    let combined = rule.combine(&round, &[arrived(0, &[4.0, 2.0]), arrived(1, &[1.3, -2.4])]).unwrap();
    assert_close("the mean", &combined, &[1.0 + 0.9 / 4.0, -2.0 + 0.4 / 4.0], Tolerance::Strict);
    // What is no number changes nothing, so that nobody moves the sum further than the norm.
    let wild = [arrived(0, &[4.0, 2.0]), arrived(1, &[1.3, -2.4]), arrived(2, &[f32::NAN, 0.0])];
    assert_eq!(rule.combine(&round, &wild).unwrap(), combined);
    let wild = [arrived(0, &[4.0, 2.0]), arrived(1, &[1.3, -2.4]), arrived(2, &[f32::INFINITY, 0.0])];
    assert_eq!(rule.combine(&round, &wild).unwrap(), combined);
    assert!(rule.kept().get("clip").is_none() && rule.noise().is_none());
}

#[test]
fn the_norm_follows_a_quantile_as_counted_by_hand() {
    let round = StrategyRound { asked: 3, ..strategy_round(&[0.0, 0.0]) };
    let mut rule = PrivateMean::new(1.0, 0.0, Some(Adaptive { rate: 0.5, ..Adaptive::default() }));
    // Two of three are within 1, where half should be: 1 exp(-0.5 (2/3 - 1/2)) = 0.92004.
    changed(&mut rule, &round, &[&[3.0, 4.0], &[0.3, 0.4], &[0.0, 0.5]]);
    assert!((rule.next_clip() - 0.920_044).abs() < 1e-6, "{}", rule.next_clip());
    // Then one of two that came, of three that were asked: half more and half less, so that it stays.
    changed(&mut rule, &round, &[&[3.0, 4.0], &[0.3, 0.4]]);
    assert!((rule.next_clip() - 0.920_044).abs() < 1e-6, "{}", rule.next_clip());
    // The next round clips to that.
    let moved = changed(&mut rule, &round, &[&[3.0, 4.0]]);
    assert!((moved[0] - 0.920_044 * 0.6 / 3.0).abs() < 1e-6, "{moved:?}");
    // Without adaptive it stays at 1.
    let mut fixed = PrivateMean::new(1.0, 0.0, None);
    changed(&mut fixed, &round, &[&[3.0, 4.0], &[0.3, 0.4], &[0.0, 0.5]]);
    assert_eq!(fixed.next_clip(), 1.0);
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn noise_is_normal_of_the_size_that_is_said_and_other_noise_in_each_round() {
    let global = vec![0.0; 40_000];
    let still: &[f32] = &global;
    let round = StrategyRound { asked: 10, ..strategy_round(&global) };
    let noise = |number: u32, seed: u64, mut rule: PrivateMean| {
        changed(&mut rule, &StrategyRound { number, seed, ..round }, &[still])
    };
    let rule = || PrivateMean::new(0.5, 2.0, None);
    let first = noise(1, 7, rule());
    // 2 * 0.5 / 10, to five standard errors.
    let (mean, deviation) = spread(&first);
    assert!(
        mean.abs() < 5.0 * 0.1 / 200.0 && (deviation - 0.1).abs() < 5.0 * 0.1 / 283.0,
        "{mean} {deviation}"
    );
    let beyond =
        |sigmas: f64| first.iter().filter(|value| value.abs() > sigmas * 0.1).count() as f64 / 40_000.0;
    // Of a normal distribution 31.73 % lie beyond one standard deviation, 4.55 % beyond two.
    assert!((beyond(1.0) - 0.3173).abs() < 0.012 && (beyond(2.0) - 0.0455).abs() < 0.006);
    assert_eq!(noise(1, 7, rule()), first);
    for other in [noise(2, 7, rule()), noise(1, 8, rule())] {
        let product: f64 = first.iter().zip(&other).map(|(a, b)| a * b).sum::<f64>() / (0.01 * 40_000.0);
        assert!(product.abs() < 5.0 / 200.0, "{product}");
    }
    // With noise of 3 on the count, that on the sum is (2^-2 - 6^-2)^(-1/2) = 2.1213.
    let adaptive = Adaptive { bits: Some(3.0), ..Adaptive::default() };
    let (_, split) = spread(&noise(1, 7, PrivateMean::new(0.5, 2.0, Some(adaptive))));
    assert!((split - 0.106_066).abs() < 5.0 * 0.106 / 283.0, "{split}");
}

#[test]
fn what_is_kept_goes_on_to_the_same_bits() {
    let global = [0.5, -0.5, 0.25];
    let round = |number| StrategyRound { number, ..strategy_round(&global) };
    let adaptive = Some(Adaptive::default());
    let mut whole = PrivateMean::new(1.0, 1.0, adaptive);
    let changes: &[&[f32]] = &[&[3.0, 4.0, 0.0], &[0.1, 0.0, 0.0], &[0.0, 0.2, 0.1], &[9.0, 0.0, 0.0]];
    changed(&mut whole, &round(1), changes);
    let mut resumed = PrivateMean::new(1.0, 1.0, adaptive);
    resumed.kept().clone_from(whole.kept());
    assert!(resumed.check_kept(3).is_ok() && resumed.next_clip() != 1.0);
    assert_eq!(changed(&mut resumed, &round(2), changes), changed(&mut whole, &round(2), changes));
    for damaged in [vec![], vec![0.0], vec![f32::NAN], vec![1.0, 1.0]] {
        resumed.kept().put("clip", damaged);
        assert!(resumed.check_kept(3).is_err());
    }
}

#[test]
fn a_federation_with_noise_says_what_it_tells() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let combine = "strategy.combine={kind=\"private-mean\",clip=0.5,noise=20.0,delta=1e-4}";
    let spec_of = |more: &[&str]| spec(&parts, &[&["codecs=[\"raw\"]"][..], more].concat());
    let private = spec_of(&["strategy.preset=dp-fedavg", combine]);
    let outcome = run(folder.path(), &private, &parts);
    let guarantee = outcome.privacy.unwrap();
    // Two rounds of all; the data of one are others, so that sums differ by twice the norm.
    let mut accountant = Accountant::default();
    accountant.add(&Mechanism { noise: 10.0, rate: 1.0, sampling: Sampling::Poisson }, 2);
    assert!((guarantee.epsilon - accountant.epsilon(1e-4)).abs() < 1e-9, "{guarantee:?}");
    assert_eq!((guarantee.neighbours, guarantee.delta), (Neighbours::ReplaceOne, 1e-4));
    let summary = serde_json::to_value(Summary::of(&outcome, &AdapterSummary::default())).unwrap();
    assert_eq!(summary["privacy"]["neighbours"], "replace-one");
    assert_eq!(summary["privacy"]["epsilon"].as_f64(), Some(guarantee.epsilon));
    let sentence = guarantee_sentence(&guarantee);
    for word in ["1e-4", "2 rounds", "all collaborators", "noise of 20 times", "others", "has to be trusted"]
    {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
    // The negative control: what adds no noise says nothing.
    let plain = spec_of(&["strategy.combine={kind=\"private-mean\",noise=0.0}"]);
    assert_eq!((plain.guarantee(&parts).unwrap(), spec_of(&[]).guarantee(&parts).unwrap()), (None, None));
    // The preset by its name alone.
    assert_eq!(spec_of(&["strategy=dp-fedavg"]).guarantee(&parts).unwrap().unwrap().delta, 1e-5);
}

#[test]
fn what_would_tell_more_than_is_said_is_refused_in_words() {
    let parts = Parts::default();
    let refused = |settings: &[&str]| {
        let shared = ["prepass.epochs=3", "prepass.snapshot_every=2"];
        let all: Vec<_> = shared.iter().chain(settings).map(|setting| setting.to_string()).collect();
        let data = fedfunnel::data::DataDir::new("none");
        let checked = SimulationSpec::load_with("demo", &all, &parts)
            .and_then(|spec| fedfunnel::federation::check(&spec, &parts, &data));
        checked.expect_err("refused").to_string()
    };
    for (setting, words) in [
        ("faults={longest=3.0}", "faults.longest"),
        ("faults={min_results=2}", "faults.min_results"),
        ("faults={below=\"repeat\"}", "faults.min_results"),
        ("partition.min_size=0", "partition.min_size"),
    ] {
        let error = refused(&["strategy=dp-fedavg", setting]);
        assert!(error.starts_with(words), "{setting}: {error}");
        // Without noise nothing is promised.
        let quiet = "strategy.combine={kind=\"private-mean\",noise=0.0}";
        let all = ["prepass.epochs=3", "prepass.snapshot_every=2", quiet, setting].map(String::from);
        assert!(SimulationSpec::load_with("demo", &all, &parts).is_ok(), "{setting}");
    }
    let sgd = "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}";
    let error = refused(&[sgd, "strategy={preset=\"dp-fedavg\",local=\"scaffold\"}"]);
    assert!(error.starts_with("strategy.local") && error.contains("without noise"), "{error}");
    for (combine, words) in [
        ("clip=0.0", "a clip of 0"),
        ("noise=-1.0", "a noise of -1"),
        ("delta=1.0", "a delta of 1"),
        ("adaptive=3", "adaptive is 3"),
        ("adaptive={quantile=1.5}", "a quantile of 1.5"),
        ("adaptive={rate=0.0}", "a rate of 0"),
        ("adaptive={bits=0.5}", "use more than 0.5"),
        ("adaptive={speed=0.5}", "unknown field `speed`"),
    ] {
        let error = refused(&[&format!("strategy.combine={{kind=\"private-mean\",{combine}}}")]);
        assert!(error.contains(words) && error.starts_with("strategy.combine"), "{combine}: {error}");
    }
    let shared = "codecs=[\"raw\",\"prior+pca(floats=2,shared=true)\"]";
    let error = refused(&["strategy=dp-fedavg", shared]);
    assert!(error.contains("goes to all without noise"), "{error}");
}

#[test]
fn a_round_that_nobody_was_drawn_for_has_noise_like_any_other() {
    let parts = Parts::default();
    let settings = [
        "collaborators=20",
        "participation={per_round=1,sampling=\"poisson\"}",
        "strategy=dp-fedavg",
        "rounds=6",
        "codecs=[\"raw\"]",
    ];
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), &spec(&parts, &settings), &parts);
    let rounds = &outcome.federations[0].rounds;
    assert!(rounds.iter().any(|round| round.asked == 0));
    let losses: Vec<_> = rounds.iter().map(|round| round.tested.unwrap().test_loss).collect();
    assert!(losses.windows(2).all(|pair| pair[0] != pair[1]), "{losses:?}");
}

//! What strategies add to local training: by hand, against PyTorch, and by what it has to be equal to.

use crate::golden::Golden;
#[allow(dead_code, reason = "this golden has no losses")]
use crate::support::{gpu, run, run_on, spec, strategy_round};
use fedfunnel::codec::{Context, Kept, MessageKind, PipelineSpec, Values};
use fedfunnel::data::{DataDir, Dataset, ImageShape};
use fedfunnel::federation::{
    Arrived, Clients, Combine, Direction, Drift, Dynamic, DynamicServer, Federation, FederationState, Ledger,
    Local, LocalResult, LocalSettings, Mean, Participants, Parts, Prox, Scaffold, Server, SimulationSpec,
    StrategyRound, TestSets, check, play_round,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Optimizer, OptimizerKind};
use fedfunnel::progress::Quiet;
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::training::{Evaluator, ResidentImages};
use safetensors::Dtype;
use std::path::Path;

/// SGD at a rate of a half.
fn sgd() -> Optimizer {
    Optimizer { kind: OptimizerKind::Sgd, lr: 0.5, momentum: 0.0, ..Optimizer::default() }
}

/// What a collaborator reports that went from `global` to `weights`.
fn report(
    rule: &dyn Local,
    kept: &mut Kept,
    broadcast: Option<&[f32]>,
    [global, weights]: [&[f32]; 2],
    steps: u64,
) -> Option<Vec<f32>> {
    let done = LocalResult { who: 0, global, weights, broadcast, steps, optimizer: &sgd() };
    rule.report(&done, kept)
}

#[test]
fn prox_goes_a_part_of_the_way_back() {
    let drift = Prox::new(0.5).drift(&sgd(), None, &Kept::default());
    assert_eq!(drift, Some(Drift { gradient: 1.0, pull: 0.25, correction: None }));
}

/// Two of four collaborators take part in the first round, one of them in the second.
#[test]
fn scaffold_is_as_counted_by_hand() {
    let (mut rule, round) = (Scaffold::new(), strategy_round(&[]));
    let mut kept = [Kept::default(), Kept::default(), Kept::default()];
    assert_eq!(rule.broadcast(), None);
    let plain = Drift { gradient: 1.0, pull: 0.0, correction: None };
    assert_eq!(rule.drift(&sgd(), None, &kept[0]), Some(plain));
    // (x - y) / (steps * rate): (1, -1/2) / 1 and (-1, 2) / 2.
    let first = report(&rule, &mut kept[0], None, [&[1.0, 2.0], &[0.0, 2.5]], 2).unwrap();
    let third = report(&rule, &mut kept[2], None, [&[1.0, 2.0], &[2.0, 0.0]], 4).unwrap();
    assert_eq!((&first[..], &third[..]), (&[1.0, -0.5][..], &[-0.5, 1.0][..]));
    rule.absorb(&round, &[(0, first), (2, third)]);
    // A quarter of the sum.
    let control = rule.broadcast().unwrap();
    assert_eq!(control, [0.125, 0.125]);
    // rate * (c - c_i), with c_i = (1, -1/2), and nothing of one who was not there.
    let correction = |kept: &Kept| rule.drift(&sgd(), Some(&control), kept).unwrap().correction.unwrap();
    assert_eq!(correction(&kept[0]), [-0.4375, 0.3125]);
    assert_eq!(correction(&kept[1]), [0.0625, 0.0625]);
    // -c + (0, 1) / 1.
    let again = report(&rule, &mut kept[0], Some(&control), [&[1.0, 2.0], &[1.0, 1.0]], 2).unwrap();
    assert_eq!(again, [-0.125, 0.875]);
    assert_eq!(kept[0].get("control"), Some(&[0.875f32, 0.375][..]));
    rule.absorb(&round, &[(0, again)]);
    assert_eq!(rule.broadcast().unwrap(), [0.09375, 0.34375]);
    // One who took no step says nothing, and where nobody does nothing changes.
    assert_eq!(report(&rule, &mut kept[0], Some(&control), [&[1.0, 2.0], &[1.0, 2.0]], 0), None);
    rule.absorb(&round, &[]);
    assert_eq!(rule.broadcast().unwrap(), [0.09375, 0.34375]);
}

/// The same round, with a quarter of each step the gradient's.
#[test]
fn scaffold_with_momentum_is_as_counted_by_hand() {
    let (mut rule, round) = (Scaffold::with_momentum(0.25), strategy_round(&[]));
    let mut kept = [Kept::default(), Kept::default()];
    // Mean steps of (1, -1/2) and (-1/2, 1) are those of gradients that are four times as large.
    let first = report(&rule, &mut kept[0], None, [&[1.0, 2.0], &[0.0, 2.5]], 2).unwrap();
    let other = report(&rule, &mut kept[1], None, [&[1.0, 2.0], &[2.0, 0.0]], 4).unwrap();
    assert_eq!((&first[..], &other[..]), (&[4.0, -2.0][..], &[-2.0, 4.0][..]));
    rule.absorb(&round, &[(0, first), (2, other)]);
    // Of c = (1/2, 1/2) a quarter, and of the mean step (1/4, 1/4) three quarters.
    assert_eq!(rule.kept().get("control"), Some(&[0.5f32, 0.5][..]));
    assert_eq!(rule.kept().get("momentum"), Some(&[0.25f32, 0.25][..]));
    let sent = rule.broadcast().unwrap();
    assert_eq!(sent, [0.3125, 0.3125]);
    // rate * (sent - c_i / 4), with c_i = (4, -2).
    let due = Drift { gradient: 0.25, pull: 0.0, correction: Some(vec![-0.34375, 0.40625]) };
    assert_eq!(rule.drift(&sgd(), Some(&sent), &kept[0]), Some(due));
    // ((1, 0) - sent) * 4, and the new direction is the mean of (1, 0) alone.
    let again = report(&rule, &mut kept[0], Some(&sent), [&[1.0, 2.0], &[0.0, 2.0]], 2).unwrap();
    assert_eq!(again, [2.75, -1.25]);
    rule.absorb(&round, &[(0, again)]);
    assert_eq!(rule.kept().get("momentum"), Some(&[1.0f32, 0.0][..]));
    assert_eq!(rule.kept().get("control"), Some(&[1.1875f32, 0.1875][..]));
}

#[test]
fn dyn_is_as_counted_by_hand() {
    let (rule, mut kept) = (Dynamic::new(0.5), Kept::default());
    let drift = |kept: &Kept| rule.drift(&sgd(), None, kept).unwrap();
    assert_eq!(drift(&kept), Drift { gradient: 1.0, pull: 0.25, correction: None });
    // -(w - start) / 2, and half of that is added in each step.
    assert_eq!(report(&rule, &mut kept, None, [&[1.0, 2.0], &[0.0, 4.0]], 2), None);
    assert_eq!(kept.get("gradient"), Some(&[0.5f32, -1.0][..]));
    assert_eq!(drift(&kept).correction, Some(vec![-0.25, 0.5]));
    report(&rule, &mut kept, None, [&[2.0, 2.0], &[2.0, 4.0]], 2);
    assert_eq!(kept.get("gradient"), Some(&[0.5f32, -2.0][..]));

    let (mut server, mut global) = (DynamicServer::default(), [1.0, 2.0]);
    // Two of four: half of (2, -2) is taken off zero, and that off the mean.
    let round = StrategyRound { arrived: 2, ..strategy_round(&[]) };
    server.step(&round, &mut global, &[3.0, 0.0]);
    assert_eq!((server.kept().get("lag"), global), (Some(&[-1.0f32, 1.0][..]), [4.0, -1.0]));
    server.step(&round, &mut global, &[4.0, 1.0]);
    assert_eq!((server.kept().get("lag"), global), (Some(&[-1.0f32, 0.0][..]), [5.0, 1.0]));
}

#[test]
fn in_a_plain_mean_every_update_counts_the_same() {
    let arrived = |who, samples, update: [f32; 2]| {
        let update = Values::Host(update.to_vec());
        Arrived { who, samples, steps: 1, update, loss: None, staleness: 0 }
    };
    let all = [arrived(0, 1, [1.0, 2.0]), arrived(1, 3, [3.0, 6.0])];
    let round = strategy_round(&[0.0, 0.0]);
    assert_eq!(Mean::plain().combine(&round, &all).unwrap(), [2.0, 4.0]);
    assert_eq!(Mean::default().combine(&round, &all).unwrap(), [2.5, 5.0]);
}

#[test]
fn what_is_kept_for_another_model_is_refused() {
    let mut kept = Kept::default();
    for (rule, name) in
        [(&mut Scaffold::new() as &mut dyn Local, "control"), (&mut Dynamic::new(0.1), "gradient")]
    {
        kept.put(name, vec![0.0; 3]);
        assert!(rule.check_collaborator(3, &kept).is_ok() && rule.check_kept(3).is_ok());
        let error = rule.check_collaborator(4, &kept).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("3 values where 4 are due"), "{error}");
    }
    let (mut rule, mut server) = (Scaffold::with_momentum(0.5), DynamicServer::default());
    rule.kept().put("momentum", vec![0.0; 3]);
    server.kept().put("lag", vec![0.0; 3]);
    assert!(rule.check_kept(3).is_ok() && rule.check_kept(4).is_err());
    assert!(server.check_kept(3).is_ok() && server.check_kept(4).is_err());
}

const SGD: &str = "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}";

#[test]
fn what_is_not_exact_is_refused_in_words() {
    let refused = |settings: &[&str], names: &[&str]| {
        let all: Vec<_> = settings.iter().map(|setting| setting.to_string()).collect();
        let parts = Parts::default();
        let folder = tempfile::tempdir().unwrap();
        let result = SimulationSpec::load_with("demo", &all, &parts)
            .and_then(|spec| check(&spec, &parts, &DataDir::new(folder.path())));
        let error = result.expect_err(&settings.join(" ")).to_string();
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    };
    for strategy in ["fedprox", "scaffold", "scaffold-m", "feddyn"] {
        let strategy = format!("strategy={strategy}");
        for kind in ["adam", "adamw"] {
            let optimizer = format!("optimizer={{kind=\"{kind}\"}}");
            refused(&[&strategy, &optimizer], &["optimizer.kind", "set it to sgd"]);
        }
        refused(
            &[&strategy, "optimizer={kind=\"sgd\",momentum=0.5}"],
            &["optimizer.momentum", "0.5", "set it to 0"],
        );
        let dropout = "codecs=[\"raw\",{stage=\"dropout\",part=0.5}]";
        refused(&[&strategy, SGD, dropout], &["strategy.local", "parts of the model", "another codec"]);
    }
    let local = |text: &str| format!("strategy.local={{{text}}}");
    refused(&[&local("kind=\"prox\",mu=10.0"), SGD], &["strategy.local", "mu = 10", "use less than 10"]);
    refused(&[&local("kind=\"dyn\",alpha=12.0"), SGD], &["strategy.local", "alpha = 12", "optimizer.lr"]);
    refused(&[&local("kind=\"prox\",mu=-1.0"), SGD], &["strategy.local", "mu of -1"]);
    refused(&[&local("kind=\"dyn\",alpha=0.0"), SGD], &["strategy.local", "alpha of 0"]);
    refused(&[&local("kind=\"scaffold-m\",beta=0.0"), SGD], &["strategy.local", "beta of 0"]);
    refused(&[&local("kind=\"scaffold\",beta=0.5"), SGD], &["strategy.local", "beta"]);
}

/// The last global model of a small simulation.
fn model(settings: &[&str]) -> Vec<f32> {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let all = [&["codecs=[\"raw\"]", "rounds=3", SGD][..], settings].concat();
    run(folder.path(), &spec(&parts, &all), &parts).federations.swap_remove(0).model
}

#[test]
fn nothing_added_is_plain_training_to_the_bit() {
    let plain = model(&[]);
    assert_eq!(model(&["strategy.local={kind=\"prox\",mu=0.0}"]), plain);
    assert_ne!(model(&["strategy.local={kind=\"prox\",mu=0.5}"]), plain);
    // Alone, a collaborator's control variate is the aggregator's.
    let alone = model(&["collaborators=1"]);
    assert_eq!(model(&["collaborators=1", "strategy.local=scaffold"]), alone);
    assert_ne!(model(&["strategy.local=scaffold"]), plain);
}

#[test]
fn momentum_of_nothing_is_scaffold() {
    let scaffold = model(&["strategy=scaffold"]);
    assert_eq!(model(&["strategy={preset=\"scaffold-m\",local={beta=1.0}}"]), scaffold);
    assert_ne!(model(&["strategy={preset=\"scaffold-m\",local={beta=0.5}}"]), scaffold);
}

/// A model whose matrices are cut into shards, each of which has an arena of its own.
#[test]
fn shards_take_what_is_added_to_each() {
    let parts = Parts::default();
    for strategy in ["strategy={preset=\"feddyn\",local={kind=\"dyn\",alpha=0.5}}", "strategy=scaffold"] {
        let model = |max_binding_bytes, strategy: &str| {
            let folder = tempfile::tempdir().unwrap();
            let gpu = Gpu::open(&GpuOptions { max_binding_bytes, ..GpuOptions::default() }).unwrap();
            let spec = spec(&parts, &["codecs=[\"raw\"]", "rounds=3", "batch=8", SGD, strategy]);
            run_on(&gpu, folder.path(), &spec, &parts).federations.swap_remove(0).model
        };
        let (whole, cut) = (model(None, strategy), model(Some(64 << 10), strategy));
        let furthest =
            |other: &[f32]| whole.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(furthest(&cut) < 1e-5, "{strategy}: {}", furthest(&cut));
        assert!(furthest(&model(None, "strategy=fedavg")) > 1e-3);
    }
}

#[test]
fn control_variates_cross_the_wire_and_penalties_do_not() {
    let (collaborators, rounds, message) = (2, 2, 3 + 4 * 15_910);
    for (strategy, crosses) in
        [("fedprox", false), ("feddyn", false), ("scaffold", true), ("scaffold-m", true)]
    {
        let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
        let spec = spec(&parts, &["codecs=[\"raw\"]", SGD, &format!("strategy={strategy}")]);
        let outcome = run(folder.path(), &spec, &parts);
        let ledger = &outcome.federations[0].ledger;
        let control = |way| ledger.bytes(|t| t.kind == MessageKind::Control && t.direction == way);
        let times = |times: u64| if crosses { times * collaborators * message } else { 0 };
        // In the first round there is nothing to tell.
        assert_eq!(control(Direction::Down), times(rounds - 1), "{strategy}");
        assert_eq!(control(Direction::Up), times(rounds), "{strategy}");
    }
}

/// With two of five collaborators in each round, whoever takes part again goes on with what it has kept, and the
/// aggregator with its own; training side by side or one after the other comes to the same.
#[test]
fn parts_of_the_collaborators_agree_in_any_cohort() {
    let shared = ["collaborators=5", "participation={per_round=2}", "rounds=6"];
    for strategy in ["scaffold", "{preset=\"feddyn\",local={kind=\"dyn\",alpha=0.3}}"] {
        let strategy = format!("strategy={strategy}");
        let of = |more: &[&str]| model(&[&shared[..], &[strategy.as_str()], more].concat());
        let (together, alone) = (of(&[]), of(&["cohort=1"]));
        let furthest = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(furthest < 1e-6, "{strategy}: {furthest}");
        assert_ne!(together, model(&shared));
    }
}

/// The global models of the golden's federation after each of its rounds.
fn rounds(golden: &Golden, strategy: &str) -> Vec<Vec<f32>> {
    let (rate, decay) = (golden.f64("settings")[0], golden.f64("settings")[1]);
    let settings = [
        "collaborators=3".to_string(),
        "batch=4".into(),
        "local_epochs=2".into(),
        "rounds=3".into(),
        "seed=11".into(),
        "codecs=[\"raw\"]".into(),
        format!("optimizer={{kind=\"sgd\",lr={rate},momentum=0.0,weight_decay={decay}}}"),
        format!("strategy={strategy}"),
    ];
    let parts = Parts::default();
    let spec = SimulationSpec::load_with("demo", &settings, &parts).unwrap();
    let layers = "[[layers]]\nkind = \"dense\"\noutputs = 7\nactivation = \"relu\"\n\
                  [[layers]]\nkind = \"dense\"\noutputs = 4\n";
    let text = format!("name = \"small\"\nkind = \"classifier\"\ninput = [1, 3, 3]\n{layers}");
    let classifier = ModelSpec::parse(&text, Path::new("small.toml")).unwrap().classifier().unwrap();
    let data = Dataset {
        name: "golden".into(),
        images: golden.bytes("images", Dtype::U8),
        labels: golden.bytes("labels", Dtype::U8),
        shape: ImageShape { channels: 1, height: 3, width: 3 },
        classes: 4,
        groups: None,
    };
    let images = ResidentImages::upload(gpu(), &data).unwrap();
    let shares = vec![(0..13).collect(), (13..21).collect(), (21..26).collect()];
    let local = LocalSettings::of(&spec);
    let collaborators = Clients::new(gpu(), &classifier, &images, shares, local).unwrap();
    let tests = TestSets::plain(Evaluator::new(gpu(), &classifier, &images, 4).unwrap());
    let context = Context { layout: &classifier.layout(), seed: spec.seed, autoencoder: None };
    let pipeline = parts.stages.pipeline(&PipelineSpec::raw(), &context).unwrap();
    let strategy = spec.strategy.make(&parts.strategies).unwrap();
    let state = FederationState::new(golden.f32("initial"), Ledger::default());
    let mut federation = Federation::new(pipeline, strategy, spec.rules(), state);
    let mut participants = Participants::new(gpu(), &spec, collaborators, tests).unwrap();
    let mut play = |round| {
        let played = play_round(&mut participants, &mut Quiet, &mut federation, round, None).unwrap();
        federation.state.rounds.push(played);
        federation.state.global.clone()
    };
    (1..=3).map(&mut play).collect()
}

/// Whether these models are the golden's.
fn agree(golden: &Golden, name: &str, models: &[Vec<f32>]) -> Result<(), String> {
    let due = golden.f64(name);
    let each = models.iter().zip(due.chunks_exact(models[0].len()));
    each.zip(1..).try_for_each(|((model, due), round)| {
        compare(&format!("{name}, round {round}"), model, due, Tolerance::Balanced)
    })
}

#[test]
fn whole_federations_agree_with_pytorch() {
    let golden = Golden::open("local_rules");
    let settings = golden.f64("settings");
    let [mu, alpha, beta] = [settings[2], settings[3], settings[4]];
    let prox = |mu: f64| format!("{{preset=\"fedprox\",local={{kind=\"prox\",mu={mu}}}}}");
    let scaffold_m =
        |beta: f64| format!("{{preset=\"scaffold-m\",local={{kind=\"scaffold-m\",beta={beta}}}}}");
    let feddyn = |alpha: f64| format!("{{preset=\"feddyn\",local={{kind=\"dyn\",alpha={alpha}}}}}");
    let weighted = "{preset=\"scaffold\",combine=\"mean\"}".to_string();
    // Each with what is nearly the same and has to fail.
    let cases = [
        ("fedavg", "fedavg".to_string(), prox(0.001)),
        ("fedprox", prox(mu), prox(mu * 1.01)),
        ("scaffold", "scaffold".into(), weighted),
        ("scaffold_m", scaffold_m(beta), scaffold_m(beta * 1.01)),
        ("feddyn", feddyn(alpha), feddyn(alpha * 1.01)),
    ];
    for (name, strategy, wrong) in cases {
        agree(&golden, name, &rounds(&golden, &strategy)).unwrap_or_else(|error| panic!("{error}"));
        assert!(agree(&golden, name, &rounds(&golden, &wrong)).is_err(), "{name} agrees with {wrong}");
    }
}

//! Every preset in a simulation, and losses of the global model on their way.

use super::strategy;
use crate::support::{run, spec};
use fedfunnel::Result;
use fedfunnel::codec::{Kept, MessageKind};
use fedfunnel::federation::{
    Arrived, Combine, CombineKind, Direction, FederationOutcome, Mean, PartAbout, Parts, SimulationSpec,
    Strategies, StrategyRound,
};
use std::sync::Mutex;

/// Three collaborators with shares of different sizes, and two rounds.
fn small(parts: &Parts, more: &[&str]) -> FederationOutcome {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        "collaborators=3",
        "images=60",
        "partition={kind=\"dirichlet\",alpha=1.0}",
        "batch=8",
        "codecs=[\"raw\"]",
        "optimizer.kind=sgd",
        "optimizer.lr=0.05",
    ];
    let settings = [&settings[..], more].concat();
    run(folder.path(), &spec(parts, &settings), parts).federations.pop().expect("a federation")
}

#[test]
fn every_preset_runs_by_its_name_alone() {
    let parts = Parts::default();
    let presets: Vec<_> =
        Strategies::default().explained().into_iter().filter(|kind| kind.parts.is_some()).collect();
    assert!(presets.len() >= 15, "{}", presets.len());
    let mut models: Vec<(&str, Vec<f32>)> = Vec::new();
    for preset in presets {
        let federation = small(&parts, &[&format!("strategy={}", preset.name)]);
        assert!(federation.model.iter().all(|weight| weight.is_finite()), "{}", preset.name);
        assert_eq!(federation.rounds.len(), 2);
        // What crosses the wire beside models and updates is what it says.
        let control = |t: &fedfunnel::federation::Transfer| t.kind == MessageKind::Control;
        let sends = federation.ledger.transfers.iter().filter(|t| control(t)).count();
        assert_eq!(sends > 0, !preset.about.sends.is_empty(), "{}", preset.name);
        // Some are a mean where all is well: nobody byzantine, nobody over the bound, too few updates to leave one out.
        let group = match preset.name {
            "fedavg" | "multikrum" | "normbound" => "the weighted mean",
            "fedau" | "fedtrimmedavg" => "the plain mean",
            name => name,
        };
        let same = models.iter().find(|(other, model)| *other != group && *model == federation.model);
        assert!(same.is_none(), "{} comes to what {:?} comes to", preset.name, same.map(|(name, _)| name));
        models.push((group, federation.model));
    }
}

/// The mean, with losses, which it looks at and leaves aside.
#[derive(Default)]
struct Curious(Mean);

static LOSSES: Mutex<Vec<(u32, f64)>> = Mutex::new(Vec::new());

impl Combine for Curious {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        LOSSES.lock().unwrap().extend(arrived.iter().map(|a| (a.who, a.loss.expect("a loss"))));
        self.0.combine(round, arrived)
    }

    fn kept(&mut self) -> &mut Kept {
        self.0.kept()
    }

    fn wants_loss(&self) -> bool {
        true
    }
}

#[test]
fn measuring_losses_changes_no_bit_of_what_is_trained_and_is_counted() {
    let curious =
        CombineKind { name: "curious", about: PartAbout::NOTHING, make: |_| Ok(Box::<Curious>::default()) };
    let parts = Parts { strategies: Strategies::default().with_combine(curious), ..Parts::default() };
    // By the kernels that take a whole classifier, and layer by layer where images are changed; with momentum, and with
    // Adam's moments and counted steps. One batch has all images of a collaborator, so that the loss of its one step,
    // which is that before the step, is the loss of the global model.
    for more in [
        &["batch=64"][..],
        &["batch=64", "crop=2", "standardize=true"],
        &["batch=64", "optimizer.kind=adam", "optimizer.lr=0.001"],
        &["batch=64", "codecs=[\"raw\",[{stage=\"dropout\",part=0.5}]]"],
    ] {
        let with = |strategy: &[&str]| small(&parts, &[more, strategy].concat());
        let plain = with(&[]);
        LOSSES.lock().unwrap().clear();
        let asked = with(&["strategy.combine=curious"]);
        // Those of the last federation, where there are two.
        let all = std::mem::take(&mut *LOSSES.lock().unwrap());
        let losses = &all[all.len() - 6..];
        assert_eq!(plain.model, asked.model, "{more:?}");
        assert_eq!(losses.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        let trained = asked.rounds.iter().flat_map(|round| &round.local_epochs);
        for ((_, loss), epoch) in losses.iter().zip(trained) {
            assert!((loss - epoch.train_loss).abs() <= 1e-6 * epoch.train_loss, "{more:?}: {loss} {epoch:?}");
        }
        assert!(losses[0].1 != losses[3].1 && losses[0].1 != losses[1].1, "{losses:?}");
        // Three bytes of header and four of the loss, from each of three in two rounds.
        let up = |outcome: &FederationOutcome| outcome.ledger.bytes(|t| t.direction == Direction::Up);
        assert_eq!(up(&asked) - up(&plain), 2 * 3 * 7);
        let in_round = |outcome: &FederationOutcome| outcome.rounds[1].bytes_up;
        assert_eq!(in_round(&asked) - in_round(&plain), 3 * 7);
        assert_eq!(asked.rounds[0].local_epochs, plain.rounds[0].local_epochs);
    }
}

#[test]
fn every_name_fits_the_demo_with_what_it_says_that_it_needs() {
    for part in Strategies::default().explained() {
        let setting = format!("{}={}", part.field, part.name);
        let demo = |more: &[&str]| {
            let all: Vec<_> = [&[setting.as_str()], more].concat().into_iter().map(String::from).collect();
            SimulationSpec::load("demo", &all)
        };
        let needs: Vec<_> = [part.about.needs].into_iter().filter(|needs| !needs.is_empty()).collect();
        demo(&needs).unwrap_or_else(|error| panic!("{setting}: {error}"));
        // What is said to be needed is.
        assert_eq!(demo(&[]).is_err(), !needs.is_empty(), "{setting}");
    }
}

#[test]
fn a_table_without_a_kind_keeps_that_of_its_preset() {
    assert!(strategy("{preset=\"krum\",combine={byzantine=1}}").is_ok());
    assert!(strategy("{preset=\"krum\",combine={kind=\"median\"}}").is_ok());
    assert!(strategy("{preset=\"krum\",combine={part=0.1}}").is_err());
}

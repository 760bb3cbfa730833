//! A system from outside the crate: rounds exchange what weights are away from fixed ones, in quarters.

use crate::support::{gpu, run, run_on, spec};
use fedfunnel::Result;
use fedfunnel::codec::MessageKind;
use fedfunnel::federation::{
    Direction, LocalJob, LocallyTrained, Mean, Outcome, PartAbout, Parts, Plain, Replace, Strategy, System,
    SystemContext, SystemKind, Systems,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{Layout, Optimizer};
use fedfunnel::training::Cohort;

/// What the toy multiplies offsets by.
const FACTOR: f32 = 4.0;

struct Offsets {
    layout: Layout,
    optimizer: Optimizer,
}

impl Offsets {
    /// Weights that nobody has to send.
    fn base(&self) -> impl Iterator<Item = f32> {
        (0..self.layout.parameters()).map(|place| ((place * 37 % 101) as f32 - 50.0) / 700.0)
    }

    fn values(&self, weights: &[f32]) -> Vec<f32> {
        weights.iter().zip(self.base()).map(|(weight, base)| FACTOR * (weight - base)).collect()
    }
}

impl System for Offsets {
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn initial(&self) -> Vec<f32> {
        vec![0.0; self.layout.parameters()]
    }

    fn weights(&self, _: &Gpu, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.iter().zip(self.base()).map(|(value, base)| base + value / FACTOR).collect())
    }

    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>> {
        let (start, local) = (self.weights(job.gpu, job.start)?, job.local);
        let mut trained = Vec::new();
        for who in job.who.chunks(local.most_together) {
            let cohort =
                Cohort::new(job.gpu, local.spec, local.images, who.len(), local.batch, self.optimizer);
            let mut cohort = cohort?;
            cohort.restart_from(&start)?;
            let (mut steps, mut epochs) = (vec![0; who.len()], vec![Vec::new(); who.len()]);
            for epoch in job.first_epoch..job.first_epoch + job.epochs {
                let orders: Vec<_> = who.iter().map(|&who| (local.order)(who, epoch)).collect();
                cohort.begin_epoch(epoch, who);
                let all = cohort.steps(&orders);
                cohort.train(&orders, 0..all, &mut **local.progress.borrow_mut())?;
                let tallies = cohort.take_tallies()?;
                epochs.iter_mut().zip(tallies).for_each(|(epochs, tally)| epochs.push(tally));
                let of = orders.iter().map(|order| order.len().div_ceil(cohort.batch()) as u64);
                steps.iter_mut().zip(of).for_each(|(steps, of)| *steps += of);
            }
            let each = cohort.parameters()?.into_iter().zip(epochs).zip(steps);
            trained.extend(each.map(|((weights, epochs), steps)| {
                let own = self.values(&weights);
                LocallyTrained { sent: own.clone(), own, epochs, steps }
            }));
        }
        Ok(trained)
    }

    fn strategy(&self) -> Strategy {
        Strategy {
            combine: Box::<Mean>::default(),
            server: Box::<Replace>::default(),
            local: Box::<Plain>::default(),
        }
    }
}

const OFFSETS: SystemKind = SystemKind {
    name: "offsets",
    about: PartAbout::NOTHING,
    stages: "raw",
    make: |_, &SystemContext { classifier, optimizer, .. }| {
        Ok(Box::new(Offsets { layout: classifier.layout(), optimizer: *optimizer }))
    },
};

fn parts() -> Parts {
    Parts { systems: Systems::default().with(OFFSETS), ..Parts::default() }
}

const CODECS: &str = "codecs=[\"raw\",{system=\"offsets\",stages=\"raw\"}]";

fn simulated(settings: &[&str]) -> Outcome {
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), parts());
    run(folder.path(), &spec(&parts, &[&[CODECS][..], settings].concat()), &parts)
}

#[test]
fn a_system_of_ones_own_learns_and_its_values_cross_the_wire() {
    let outcome = simulated(&["rounds=6", "optimizer={kind=\"adam\",lr=0.01}"]);
    let [raw, own] = outcome.federations.as_slice() else { panic!("two federations") };
    assert_eq!(own.label, "offsets: raw");
    // As many values as weights, in the same messages.
    assert_eq!(own.ledger, raw.ledger);
    assert_eq!(own.ledger.message_bytes(Direction::Up, MessageKind::Update), Some(3 + 4 * 15_910));
    let accuracy = |round: usize| own.rounds[round].tested.map_or(0.0, |tested| tested.test_accuracy);
    assert!(accuracy(5) > 0.5 && accuracy(5) > accuracy(0), "{} to {}", accuracy(0), accuracy(5));
    // What is taken away are weights, and they are what was tested.
    let offsets = Offsets { layout: outcome.classifier.layout(), optimizer: Optimizer::default() };
    assert!(offsets.values(&own.model).iter().any(|value| *value != 0.0));
    let local = &own.rounds[5].local_test_accuracy;
    assert!(local.len() == 2 && local.iter().all(|accuracy| *accuracy > 0.4), "{local:?}");
}

#[test]
fn a_system_comes_to_the_same_bits_whatever_trains_side_by_side() {
    let model = |settings: &[&str]| simulated(settings).federations.swap_remove(1).model;
    let together = model(&[]);
    assert_eq!(together, model(&["cohort=1"]));
    assert_ne!(together, model(&["seed=1"]));
    // A device of its own too.
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), parts());
    let other = Gpu::open(&GpuOptions::default()).expect("a device");
    let own = run_on(&other, folder.path(), &spec(&parts, &[CODECS]), &parts);
    assert_eq!(together, own.federations[1].model);
    assert_eq!(gpu().adapter.name, other.adapter.name);
}

#[test]
fn an_attacker_turns_around_what_a_system_sends() {
    let attack = "attack={kind=\"sign-flip\",collaborators=[0,1],strength=1.0}";
    let outcome = simulated(&[attack, "rounds=1"]);
    let honest = simulated(&["rounds=1"]);
    let offsets = Offsets { layout: outcome.classifier.layout(), optimizer: Optimizer::default() };
    let of = |outcome: &Outcome| offsets.values(&outcome.federations[1].model);
    for (flipped, honest) in of(&outcome).iter().zip(of(&honest)) {
        assert!((flipped + honest).abs() <= 1e-5, "{flipped} and {honest}");
    }
}

#[test]
fn what_is_made_for_weights_is_refused_where_a_system_sends_none() {
    let refused = |settings: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let all: Vec<_> = settings.iter().map(|setting| setting.to_string()).collect();
        let loaded = fedfunnel::federation::SimulationSpec::load_with("demo", &all, &parts());
        let data_dir = fedfunnel::data::DataDir::new(folder.path().to_path_buf());
        let checked = loaded.and_then(|spec| fedfunnel::federation::check(&spec, &parts(), &data_dir));
        checked.err().map_or(String::new(), |error| error.to_string())
    };
    let codec = |inner: &str| format!("codecs=[\"raw\",{{system=\"offsets\",{inner}}}]");
    for (settings, word) in [
        (vec![codec("stages=\"raw\",downlink=\"code\"")], "combined by a rule of its own"),
        (vec![codec("stages=[\"pca\"]")], "works on weights"),
        (vec![CODECS.into(), "local_tests=epoch".into()], "local_tests"),
        (vec!["codecs=[\"raw\",{system=\"offset\",stages=\"raw\"}]".into()], "did you mean offsets?"),
        (vec!["codecs=[\"raw\",{system=\"offset\"}]".into()], "with stages of its own"),
    ] {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let said = refused(&settings);
        assert!(said.contains(word), "{settings:?}: {said}");
    }
}

//! What a strategy and its codecs keep is a part of a run's state: a run that is stopped and gone on with ends with the
//! same bits, and learns nothing twice.

use crate::support::{gpu, spec};
use fedfunnel::Error;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::progress::Observer;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use std::path::Path;

/// Asks to stop after so many pieces of work have begun, and notes which.
struct Stopper {
    left: usize,
    begun: Vec<String>,
}

impl Observer for Stopper {
    fn begin(&mut self, what: &str, _: &'static str, _: u64) {
        self.left = self.left.saturating_sub(1);
        self.begun.push(what.into());
    }

    fn advance(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
    fn end(&mut self) {}

    fn stop(&self) -> bool {
        self.left == 0
    }
}

fn start(folder: &Path, spec: &SimulationSpec, observer: &mut Stopper) -> fedfunnel::Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, observer)?, spec, &Parts::default())
}

#[test]
fn a_run_that_is_stopped_everywhere_learns_once_and_ends_with_the_same_bits() {
    let settings = [
        "rounds=3",
        "strategy.server={kind=\"momentum\",momentum=0.5}",
        "autoencoder.epochs=10",
        "autoencoder.space=small",
        "codecs=[\"raw\",\"autoencoder\",\"pca\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.02}],\
         [\"feedback\",{stage=\"pca\",floats=3},\"f16\"]]",
    ];
    let spec = spec(&Parts::default(), &settings);
    let [whole, pieced] = both_ways(&spec, |begun, never, stops| {
        assert!(stops > 20, "{stops}");
        // Axes are found in one go, once for each codec that has some; autoencoders are trained on at every start until
        // their rounds begin, and never after that.
        let times = |all: &[String], what: &str| all.iter().filter(|begun| *begun == what).count();
        let rounds = begun.iter().position(|what| what == "autoencoder(32) rounds").expect("its rounds");
        assert!(times(&begun[..rounds], "autoencoders") > 10 && times(&begun[rounds..], "autoencoders") == 0);
        assert_eq!((times(never, "principal axes"), times(begun, "principal axes")), (2, 2));
    });
    assert_eq!(whole.federations.len(), 5);
    assert_same_bits(&whole, &pieced);
    // The negative control: the codecs do not all come to the same.
    assert_ne!(whole.federations[0].model, whole.federations[3].model);
}

#[test]
fn codecs_that_keep_errors_and_momentum_end_with_the_same_bits() {
    let settings = [
        "rounds=4",
        "codecs=[\"raw\",{stage=\"stc\",count=90},[{stage=\"dgc\",part=0.01,clip=1.0},\"f16\"],\
         [\"delta\",{stage=\"feedback\",decay=0.5},{stage=\"randk\",part=0.1}],\
         [\"delta\",\"feedback\",{stage=\"threshold\",of=\"rms\",multiple=3.0}],\
         {stages={stage=\"stc\",count=90},downlink={stage=\"stc\",part=0.01}}]",
    ];
    let spec = spec(&Parts::default(), &settings);
    let [whole, pieced] = both_ways(&spec, |_, _, stops| assert!(stops >= 5, "{stops}"));
    assert_same_bits(&whole, &pieced);
    // The negative control: the codecs come to other models.
    let models: Vec<_> = whole.federations.iter().map(|federation| &federation.model).collect();
    assert!((1..models.len()).all(|place| models[place] != models[place - 1]));
}

#[test]
fn rounds_with_a_part_of_the_collaborators_and_with_faults_end_with_the_same_bits() {
    let settings = [
        "collaborators=9",
        "rounds=6",
        "participation={per_round=5}",
        "test_every=2",
        "clock={}",
        "faults={breaks_off=0.1,late=0.1,corrupt=0.1,duplicate=0.1,min_results=5,below=\"repeat\",longest=20.0}",
        "attack={kind=\"noise\",part=0.2}",
        "strategy=fedavgm",
        "codecs=[\"raw\",{stage=\"stc\",count=90}]",
    ];
    let spec = spec(&Parts::default(), &settings);
    let [whole, pieced] = both_ways(&spec, |_, _, stops| assert!(stops >= 2, "{stops}"));
    assert_same_bits(&whole, &pieced);
    assert!(whole.federations[0].rounds.iter().any(|round| round.attempts > 1));
}

#[test]
fn federations_that_do_not_wait_for_all_end_with_the_same_bits() {
    for rules in [
        "asynchrony={kind=\"buffered\",concurrency=4,buffer=2}",
        "asynchrony={kind=\"mixed\"}",
        "asynchrony={kind=\"anarchic\",buffer=3,pause=1.0,most_steps=7}",
        "asynchrony={kind=\"compass\",least_steps=2,most_steps=9}",
    ] {
        let settings = [
            "collaborators=5",
            "rounds=7",
            "batch=16",
            "test_every=3",
            "clock={seconds_per_step={median=0.1,sigma=1.0}}",
            rules,
            "strategy=fedavgm",
            "codecs=[\"raw\",{stage=\"stc\",count=90}]",
        ];
        let spec = spec(&Parts::default(), &settings);
        let [whole, pieced] = both_ways(&spec, |_, _, stops| assert!(stops >= 2, "{stops}"));
        assert_same_bits(&whole, &pieced);
        let rounds = &whole.federations[0].rounds;
        assert!(rounds.iter().any(|round| round.clock != rounds[0].clock), "{rules}");
    }
}

#[test]
fn strategies_that_add_to_steps_end_with_the_same_bits() {
    let of = |strategy: &str| {
        let settings = [
            "rounds=4",
            "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}",
            "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.1}]]",
            strategy,
        ];
        let spec = spec(&Parts::default(), &settings);
        let [whole, pieced] =
            both_ways(&spec, |_, _, stops| assert_eq!(stops, 2, "once inside of the rounds of each codec"));
        assert_same_bits(&whole, &pieced);
        whole.federations.into_iter().map(|federation| federation.model).collect::<Vec<_>>()
    };
    let strategies = ["scaffold-m", "{preset=\"feddyn\",local={kind=\"dyn\",alpha=0.3}}"];
    let [scaffold, feddyn] = strategies.map(|strategy| of(&format!("strategy={strategy}")));
    // The negative control: the strategies come to other models.
    assert!(scaffold.iter().zip(&feddyn).all(|(scaffold, feddyn)| scaffold != feddyn));
}

#[test]
fn strategies_that_keep_moments_and_histories_end_with_the_same_bits() {
    let settings = [
        "rounds=4",
        "codecs=[\"raw\",\"f16\",[\"delta\"]]",
        "strategy={preset=\"fedau\",server={kind=\"yogi\",rate=0.1}}",
    ];
    let spec = spec(&Parts::default(), &settings);
    let [whole, pieced] = both_ways(&spec, |_, _, stops| assert!(stops >= 2, "{stops}"));
    assert_same_bits(&whole, &pieced);
    // The negative control: the codecs come to other models.
    assert_ne!(whole.federations[0].model, whole.federations[1].model);
}

pub fn assert_same_bits(whole: &Outcome, pieced: &Outcome) {
    for (whole, pieced) in whole.federations.iter().zip(&pieced.federations) {
        let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&whole.model), bits(&pieced.model), "{}", whole.label);
        assert_eq!((&whole.rounds, &whole.ledger), (&pieced.rounds, &pieced.ledger), "{}", whole.label);
    }
}

/// What a simulation comes to in one go, and stopped wherever it can be. `check` is given what was begun when it was
/// stopped, what was begun in one go, and how often it was stopped.
pub fn both_ways(spec: &SimulationSpec, check: impl Fn(&[String], &[String], usize)) -> [Outcome; 2] {
    let whole = tempfile::tempdir().unwrap();
    let mut never = Stopper { left: usize::MAX, begun: Vec::new() };
    let whole = start(whole.path(), spec, &mut never).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut begun: Vec<String> = Vec::new();
    let mut stops = 0;
    // Each start is asked to stop at the first place where it begins anything that is left to do.
    let pieced = loop {
        let mut observer = Stopper { left: 1 + stops % 3, begun: Vec::new() };
        let result = start(folder.path(), spec, &mut observer);
        begun.extend(observer.begun);
        match result {
            Ok(outcome) => break outcome,
            Err(Error::Stopped { .. }) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 200, "it never ends");
    };
    check(&begun, &never.begun, stops);
    [whole, pieced]
}

//! The state of a run is input like any other: a damaged one is refused in one sentence that names it and says how to
//! start over, whatever was damaged and however well it hides.

use crate::support::{gpu, spec};
use fedfunnel::Error;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SavedStage, SimulationSpec, StateCheck, simulate};
use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use fedfunnel::progress::Observer;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const MEND: &str = "start over with --overwrite, or in another folder";

/// Asks to stop once a piece of work with a name like `work` says something that begins with `note`.
struct StopAt {
    work: &'static str,
    note: &'static str,
    is_in: bool,
    is_there: bool,
}

impl StopAt {
    fn new(work: &'static str, note: &'static str) -> Self {
        Self { work, note, is_in: false, is_there: false }
    }

    fn never() -> Self {
        Self::new("no work of that name", "")
    }
}

impl Observer for StopAt {
    fn begin(&mut self, what: &str, _: &'static str, _: u64) {
        self.is_in = what.starts_with(self.work);
    }

    fn advance(&mut self, _: u64) {}

    fn note(&mut self, text: &str) {
        self.is_there |= self.is_in && text.starts_with(self.note);
    }

    fn end(&mut self) {}

    fn stop(&self) -> bool {
        self.is_there
    }
}

/// A simulation and a folder to run it in.
struct Simulation {
    spec: SimulationSpec,
    folder: tempfile::TempDir,
}

impl Simulation {
    /// With every stage that keeps something, and a strategy that does.
    fn new(more: &[&str]) -> Self {
        let settings = [
            "rounds=3",
            "strategy.server={kind=\"momentum\",momentum=0.5}",
            "autoencoder.epochs=10",
            "autoencoder.space=small",
            "codecs=[\"raw\",\"autoencoder\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.02}],\
             [\"feedback\",{stage=\"pca\",floats=3},\"f16\"]]",
        ];
        let spec = spec(&Parts::default(), &[&settings[..], more].concat());
        Self { spec, folder: tempfile::tempdir().unwrap() }
    }

    /// The same, stopped there.
    fn stopped(more: &[&str], work: &'static str, note: &'static str) -> Self {
        let own = Self::new(more);
        match own.start(&mut StopAt::new(work, note)) {
            Err(Error::Stopped { .. }) => own,
            other => panic!("{other:?}"),
        }
    }

    /// Stopped in the middle of the last federation, so that it has a state of every stage.
    fn nearly_over() -> Self {
        Self::stopped(&[], "feedback+pca(3)+f16 rounds", "round 2/")
    }

    fn start(&self, observer: &mut StopAt) -> fedfunnel::Result<Outcome> {
        let data_dir = DataDir::new(self.folder.path().join("data"));
        let identity = Identity::new("simulate", &self.spec.to_toml()?);
        let folder = RunFolder::open(&self.folder.path().join("run"), identity, Start::Resume)?;
        let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
        simulate(&mut Run::open(place, observer)?, &self.spec, &Parts::default())
    }

    fn state(&self, stage: &str) -> PathBuf {
        self.folder.path().join("run/state").join(format!("{stage}.safetensors"))
    }

    /// The names of its stages that have a state.
    fn stages(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("run/state")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut stages: Vec<_> =
            names.filter_map(|name| Some(name.strip_suffix(".safetensors")?.to_string())).collect();
        stages.sort();
        stages
    }

    /// Goes on with it where it is refused; gives why.
    fn refused(&self, stage: &str) -> String {
        let shown = self.state(stage).display().to_string();
        match self.start(&mut StopAt::never()) {
            Err(error @ Error::File { .. }) => {
                let text = error.to_string();
                assert!(text.starts_with(&shown) && text.ends_with(MEND), "{text}");
                assert!(!text.contains('\n'), "{text}");
                text
            }
            Err(error) => panic!("{stage}: {error}"),
            Ok(_) => panic!("{stage}: it is gone on with"),
        }
    }
}

/// A state taken apart.
#[derive(Clone)]
struct Parted {
    notes: Value,
    metadata: HashMap<String, String>,
    floats: Vec<(TensorShape, Vec<f32>)>,
    bytes: Vec<(String, Vec<u8>)>,
}

impl Parted {
    fn read(path: &Path) -> Self {
        let file = StateFile::open(path).unwrap();
        let metadata = file.metadata().unwrap();
        let notes = serde_json::from_str(&metadata["notes"]).unwrap();
        let (mut floats, mut bytes) = (Vec::new(), Vec::new());
        for name in file.names().unwrap() {
            match file.bytes(&name).unwrap() {
                Some(found) => bytes.push((name, found.to_vec())),
                None => {
                    let tensor = file.tensor(&name).unwrap();
                    let values = tensor.values().unwrap();
                    floats.push((TensorShape::new(&name, &tensor.shape), values));
                }
            }
        }
        Self { notes, metadata, floats, bytes }
    }

    /// Puts it together again, with a checksum that is right.
    fn write(&self, path: &Path) {
        let mut metadata = self.metadata.clone();
        metadata.insert("notes".into(), self.notes.to_string());
        let all: Vec<_> = self.floats.iter().map(|(shape, _)| shape.clone()).collect();
        let bytes = self.bytes.iter().map(|(name, bytes)| TensorShape::bytes_of(name, bytes.len()));
        let mut file =
            StateWriter::sealed(path, &all.into_iter().chain(bytes).collect::<Vec<_>>(), &metadata).unwrap();
        self.floats.iter().for_each(|(shape, values)| file.put(&shape.name, 0, values).unwrap());
        self.bytes.iter().for_each(|(name, bytes)| file.put_bytes(name, bytes).unwrap());
        file.finish().unwrap();
    }

    /// Cuts or lengthens a tensor of values.
    fn resize(&mut self, part: &str, change: isize) {
        let found = self.floats.iter_mut().find(|(shape, _)| shape.name.contains(part));
        let (shape, values) = found.unwrap_or_else(|| panic!("no {part}"));
        let length = values.len().checked_add_signed(change).unwrap();
        values.resize(length, 0.5);
        *shape = TensorShape::new(&shape.name, &[length]);
    }

    /// Cuts or lengthens a tensor of bytes.
    fn resize_bytes(&mut self, part: &str, change: isize) {
        let found = self.bytes.iter_mut().find(|(name, _)| name.contains(part));
        let (_, bytes) = found.unwrap_or_else(|| panic!("no {part}"));
        let length = bytes.len().checked_add_signed(change).unwrap();
        bytes.resize(length, 0);
    }

    fn at(&mut self, pointer: &str) -> &mut Value {
        self.notes.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"))
    }

    fn drop_last(&mut self, pointer: &str) {
        self.at(pointer).as_array_mut().unwrap().pop().unwrap();
    }
}

/// A stage, what is changed of its state, and a word of the answer.
type Case = (&'static str, fn(&mut Parted), &'static str);

fn check_cases(simulation: &Simulation, cases: &[Case]) {
    for (number, (stage, change, word)) in cases.iter().enumerate() {
        let path = simulation.state(stage);
        let whole = std::fs::read(&path).unwrap();
        let mut parted = Parted::read(&path);
        change(&mut parted);
        parted.write(&path);
        let text = simulation.refused(stage);
        assert!(text.contains(word), "case {number} of {stage}: {text}");
        std::fs::write(&path, whole).unwrap();
    }
}

fn bits(outcome: &Outcome) -> Vec<Vec<u32>> {
    let models = outcome.federations.iter().map(|federation| &federation.model);
    models.map(|model| model.iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn damaged_states_of_federations_are_refused_and_whole_ones_are_gone_on_with() {
    let whole = bits(&Simulation::new(&[]).start(&mut StopAt::never()).unwrap());
    let simulation = Simulation::nearly_over();
    let (raw, autoencoder, topk) = ("0-raw", "1-autoencoder-32", "2-delta-feedback-topk-0-02");
    let pca = "3-feedback-pca-3-f16";
    let stages = simulation.stages();
    for stage in [raw, autoencoder, topk, pca] {
        assert!(stages.iter().any(|found| found == stage), "{stage} of {stages:?}");
    }
    let seconds = |seconds: &str| {
        let path = simulation.state("prepass");
        let whole = std::fs::read(&path).unwrap();
        let mut parted = Parted::read(&path);
        parted.metadata.insert("seconds".into(), seconds.into());
        parted.write(&path);
        let text = simulation.refused("prepass");
        assert!(text.contains(&format!("{seconds:?} is no number of seconds")), "{text}");
        std::fs::write(&path, whole).unwrap();
    };
    ["1e20", "inf", "nan", "-1", "", "soon"].into_iter().for_each(seconds);
    let cases: &[Case] = &[
        ("prepass", |s| *s.at("/cohort") = json!(7), "cohort 7"),
        ("prepass", |s| *s.at("/cohort") = json!(0), "cohort 0"),
        ("prepass", |s| *s.at("/epochs") = json!(3), "epoch 3"),
        ("prepass", |s| s.drop_last("/taken"), "steps"),
        ("prepass", |s| s.drop_last("/taken_at"), "logs of 1 collaborators of 2"),
        ("prepass", |s| s.drop_last("/taken_at/1"), "snapshots of collaborator 1"),
        ("prepass", |s| *s.at("/taken_at/0/0/0") = json!(5), "snapshots of collaborator 0"),
        ("prepass", |s| s.resize("snapshots.1", -1), "shape"),
        ("prepass", |s| s.notes = json!({}), "notes"),
        ("prepass", |s| *s.at("/steps") = json!(1.5), "notes"),
        (raw, |s| s.drop_last("/state/rounds/0/local_test_accuracy"), "round 1"),
        (raw, |s| s.drop_last("/state/rounds/0/local_epochs"), "round 1"),
        (raw, |s| *s.at("/state/rounds/0/test_accuracy") = json!(1e300), "no accuracy"),
        (raw, |s| *s.at("/state/rounds/2/local_epochs/0/train_accuracy") = json!(-1), "no accuracy"),
        (raw, |s| *s.at("/state/rounds/1/round") = json!(3), "round 3 stands"),
        (raw, |s| *s.at("/state/rounds/1/bytes_up") = json!(3), "bytes in round 2"),
        (raw, |s| *s.at("/state/ledger/transfers/0/bytes") = json!(u64::MAX), "ledger"),
        (raw, |s| *s.at("/state/ledger/transfers/0/collaborator") = json!(2), "collaborator 2"),
        (raw, |s| *s.at("/state/ledger/checksum") = json!(true), "checksum"),
        (raw, |s| *s.at("/state/is_set_up") = json!(false), "not set up"),
        (raw, |s| *s.at("/state/seconds") = json!(-1.0), "seconds"),
        (raw, |s| *s.at("/state/rounds/0/test_loss") = Value::Null, "results of round 1"),
        (raw, |s| *s.at("/taken_at") = json!([[[1, 1]]]), "logs of 1 collaborators of 0"),
        (
            raw,
            |s| {
                let again = s.at("/state/rounds/2").clone();
                s.at("/state/rounds").as_array_mut().unwrap().push(again);
            },
            "4 rounds",
        ),
        (raw, |s| s.resize("global", -1), "shape"),
        (raw, |s| s.floats.retain(|(shape, _)| shape.name != "global"), "global"),
        (raw, |s| s.resize("server/velocity", -1), "velocity"),
        (autoencoder, |s| s.floats.clear(), "global"),
        ("1-autoencoder-32-setup", |s| s.resize("collaborators/1/codec/0/rows", -1), "rows"),
        ("1-autoencoder-32-setup", |s| s.resize("collaborators/0/codec/0/means", 1), "means"),
        ("1-autoencoder-32-setup", |s| s.resize("collaborators/0/codec/0/scale", -1), "scale"),
        ("1-autoencoder-32-setup", |s| s.resize_bytes("codec/0/coefficients", -8), "coefficients"),
        ("1-autoencoder-32-setup", |s| s.resize_bytes("aggregator/1/codec/0/decoder", -1), "decoder"),
        ("1-autoencoder-32-setup", |s| s.resize_bytes("aggregator/0/codec/0/decoder", 9), "decoder"),
        ("1-autoencoder-32-setup", |s| s.bytes.retain(|(name, _)| !name.contains("decoder")), "decoder"),
        ("1-autoencoder-32-setup", |s| s.drop_last("/state/learned/curves"), "curves"),
        (topk, |s| s.resize("error", 1), "error"),
        (pca, |s| s.resize("error", -2), "error"),
        ("3-feedback-pca-3-f16-setup", |s| s.resize_bytes("mirror", -4), "PCA decoder"),
        ("3-feedback-pca-3-f16-setup", |s| s.resize_bytes("aggregator", 4), "PCA decoder"),
    ];
    check_cases(&simulation, cases);
    // A state without what was set up before it.
    let setup = simulation.state("1-autoencoder-32-setup");
    let kept = std::fs::read(&setup).unwrap();
    std::fs::remove_file(&setup).unwrap();
    simulation.refused(autoencoder);
    std::fs::write(&setup, kept).unwrap();
    // The negative control: nothing of that is left, and it ends as one that was not stopped.
    assert!(bits(&simulation.start(&mut StopAt::never()).unwrap()) == whole);
}

#[test]
fn damaged_states_of_prepasses_in_the_middle_are_refused() {
    let simulation = Simulation::stopped(&[], "pre-pass", "epoch 2/");
    check_cases(
        &simulation,
        &[
            ("prepass", |s| *s.at("/epochs") = json!(3), "epoch 3"),
            ("prepass", |s| *s.at("/epochs") = json!(u64::MAX), "epoch 18446744073709551615"),
            ("prepass", |s| *s.at("/epochs") = json!(1), "steps"),
            ("prepass", |s| *s.at("/steps") = json!(1), "1 steps"),
            ("prepass", |s| *s.at("/taken/0") = json!(1), "steps"),
            ("prepass", |s| s.resize("buffer.0", -1), "laid out"),
        ],
    );
    let settings = ["prepass.kind=federated", "prepass.epochs=1", "prepass.rounds=2"];
    let simulation = Simulation::stopped(&settings, "uncompressed", "round 1/");
    check_cases(
        &simulation,
        &[
            ("prepass", |s| s.drop_last("/taken_at/0"), "snapshots of collaborator 0"),
            ("prepass", |s| s.resize("snapshots.0", -1), "shape"),
            ("prepass", |s| *s.at("/state/is_set_up") = json!(true), "set up"),
            ("prepass", |s| s.drop_last("/state/rounds"), "round"),
        ],
    );
    simulation.start(&mut StopAt::never()).unwrap();
}

#[test]
fn what_collaborators_keep_for_a_strategy_is_refused_where_it_is_damaged() {
    let settings =
        ["codecs=[\"raw\"]", "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}", "strategy.local=scaffold"];
    let simulation = Simulation::stopped(&settings, "raw rounds", "round 2/");
    let cases: &[Case] = &[
        ("0-raw", |s| s.resize("collaborators/1/local/control", -1), "control"),
        ("0-raw", |s| s.resize("collaborators/0/local/control", 3), "control"),
    ];
    check_cases(&simulation, cases);
    simulation.start(&mut StopAt::never()).unwrap();
}

#[test]
fn damaged_states_of_autoencoders_in_the_middle_are_refused() {
    let simulation = Simulation::stopped(&["autoencoder.space=wide"], "autoencoders", "loss");
    let stage = "1-autoencoder-32-learning-0";
    check_cases(
        &simulation,
        &[
            (stage, |s| s.drop_last("/curves"), "curves of 1 collaborators of 2"),
            (stage, |s| s.drop_last("/curves/1"), "curve is empty"),
            (stage, |s| *s.at("/curves/0/0/epoch") = json!(11), "its curve has epoch 11"),
            (stage, |s| *s.at("/curves/0/0/epoch") = json!(u64::MAX), "its curve has epoch"),
            (stage, |s| s.drop_last("/state/taken"), "steps are not those"),
            (stage, |s| *s.at("/state/taken/1") = json!(5_000), "steps are not those"),
            (stage, |s| s.resize("buffer.0", 1), "laid out"),
            (stage, |s| s.floats.truncate(1), "buffer"),
        ],
    );
    simulation.start(&mut StopAt::never()).unwrap();
}

#[test]
fn damaged_states_of_codes_are_refused() {
    let pca = "{stage=\"pca\",floats=3,shared=true}";
    let residual = "{stage=\"residual\",stages=[{stage=\"ternary\",count=90}]}";
    let codecs = format!(
        "codecs=[\"raw\",[\"prior\",{pca},\"f16\",{residual},\"tune\"],{{stages=[\"prior\",{pca}],downlink=\"code\"}}]"
    );
    let simulation = Simulation::stopped(
        &["strategy=fedavg", &codecs],
        "prior+pca(3,shared), codes down rounds",
        "round 2/",
    );
    let coded = "1-prior-pca-3-shared-f16-residual-feedback-ternary-90-tune";
    let setup = "1-prior-pca-3-shared-f16-residual-feedback-ternary-90-tune-setup";
    let down = "2-prior-pca-3-shared-codes-down";
    check_cases(
        &simulation,
        &[
            (setup, |s| s.resize_bytes("shared/collaborator/0/learned/axes", -4), "PCA decoder"),
            (setup, |s| s.resize_bytes("shared/collaborator/0/mirror/learned/axes", 4), "PCA decoder"),
            (setup, |s| s.resize_bytes("shared/aggregator/0/learned/axes", -1), "PCA decoder"),
            (setup, |s| s.resize_bytes("shared/payload", -1), "PCA decoder"),
            (setup, |s| s.bytes.retain(|(name, _)| !name.contains("payload")), "the decoder that is for all"),
            (setup, |s| s.bytes.retain(|(name, _)| !name.contains("mirror")), "axes"),
            (setup, |s| *s.at("/state/code") = json!([1, 2, 3]), "a code where none is due"),
            (coded, |s| s.resize("collaborators/0/codec/0/residual/0/error", 1), "error"),
            (coded, |s| *s.at("/state/code") = json!([1, 2, 3]), "a code where none is due"),
            (down, |s| *s.at("/state/code") = Value::Null, "no code where one is due"),
            (down, |s| *s.at("/state/code") = json!([256]), "notes"),
        ],
    );
    simulation.start(&mut StopAt::never()).unwrap();
}

#[test]
fn damaged_states_of_what_stages_owe_are_refused_both_ways() {
    let codecs = "codecs=[\"raw\",{stages={stage=\"dgc\",part=0.01},downlink={stage=\"stc\",part=0.01}}]";
    let simulation = Simulation::stopped(&[codecs], "dgc(0.01), stc(0.01) down rounds", "round 2/");
    let stage = "1-dgc-0-01-stc-0-01-down";
    check_cases(
        &simulation,
        &[
            (stage, |s| s.resize("collaborators/0/codec/1/velocity", 1), "velocity"),
            (stage, |s| s.resize("collaborators/1/codec/1/error", -1), "error"),
            (stage, |s| s.resize("downlink/1/error", 1), "error"),
            (stage, |s| *s.at("/state/code") = Value::Null, "no code where one is due"),
            (stage, |s| *s.at("/state/holders") = json!([-1]), "notes"),
        ],
    );
    simulation.start(&mut StopAt::never()).unwrap();
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// The places of all values of notes.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.into());
    match value {
        Value::Array(all) => {
            all.iter()
                .enumerate()
                .for_each(|(place, value)| pointers(value, &format!("{at}/{place}"), found));
        }
        Value::Object(all) => {
            all.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), found));
        }
        _ => {}
    }
}

/// Changes something of a state.
fn mutate(dice: &mut Dice, parted: &mut Parted) {
    match dice.below(5) {
        0 if !parted.floats.is_empty() => {
            let place = dice.below(parted.floats.len());
            let name = parted.floats[place].0.name.clone();
            let change = [-1, 1, 7, -(parted.floats[place].1.len() as isize)][dice.below(4)];
            parted.resize(&name, change.max(-(parted.floats[place].1.len() as isize)));
        }
        1 if !parted.bytes.is_empty() => {
            let place = dice.below(parted.bytes.len());
            let bytes = &mut parted.bytes[place].1;
            if dice.below(2) == 0 || bytes.is_empty() {
                bytes.truncate(dice.below(bytes.len() + 1));
            } else {
                let place = dice.below(bytes.len().min(64));
                bytes[place] = dice.below(256) as u8;
            }
        }
        2 if parted.floats.len() > 1 => {
            let place = dice.below(parted.floats.len());
            parted.floats.remove(place);
        }
        _ => {
            let mut all = Vec::new();
            pointers(&parted.notes, "", &mut all);
            // Half of them high up, where there are few.
            if dice.below(2) == 0 {
                all.retain(|pointer| pointer.matches('/').count() < 4);
            }
            let value = parted.notes.pointer_mut(&all[dice.below(all.len())]).unwrap();
            match (value, dice.below(8)) {
                (Value::Array(all), 0..4) => {
                    all.pop();
                }
                (Value::Array(all), 4..6) => {
                    if let Some(last) = all.last().cloned() {
                        all.push(last);
                    }
                }
                (value, 0) => *value = Value::Null,
                (value, 1) => *value = json!(0),
                (value, 2) => *value = json!(u64::MAX),
                (value, 3) => *value = json!(-1),
                (value, 4) => *value = json!(1e300),
                (value, 5) => *value = json!([]),
                (value, 6) => *value = json!("words"),
                (value, _) => *value = json!(4_294_967_296u64),
            }
        }
    }
}

fn stage_of(name: &str) -> SavedStage {
    let place = || name.split('-').next().unwrap().parse().unwrap();
    match name {
        "prepass" => SavedStage::Prepass,
        name if name.ends_with("-setup") => SavedStage::Setup(place()),
        _ => SavedStage::Rounds(place()),
    }
}

#[test]
fn whatever_is_changed_of_a_state_it_is_refused_in_words_or_gone_on_with() {
    let simulation = Simulation::nearly_over();
    let data_dir = DataDir::new(simulation.folder.path().join("data"));
    let check = StateCheck::new(&simulation.spec, &Parts::default(), &data_dir).unwrap();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let target = simulation.folder.path().join("changed.safetensors");
    let (mut refused, mut passed) = (0, 0);
    for stage in simulation.stages() {
        let whole = std::fs::read(simulation.state(&stage)).unwrap();
        check.check(&target, stage_of(&stage), whole).unwrap_or_else(|error| panic!("{stage}: {error}"));
        let parted = Parted::read(&simulation.state(&stage));
        for _ in 0..25 {
            let mut changed = parted.clone();
            mutate(&mut dice, &mut changed);
            changed.write(&target);
            match check.check(&target, stage_of(&stage), std::fs::read(&target).unwrap()) {
                Ok(()) => passed += 1,
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("changed.safetensors: ") && text.ends_with(MEND), "{text}");
                    refused += 1;
                }
            }
        }
    }
    // Losses and accuracies may be any: only the checksum knows what they were.
    assert!(refused > passed && passed > 0, "{refused} refused, {passed} passed");
    // With the device: the state that the last federation goes on from.
    let last = simulation.stages().into_iter().find(|stage| stage.ends_with("f16")).unwrap();
    let path = simulation.state(&last);
    let whole = std::fs::read(&path).unwrap();
    let parted = Parted::read(&path);
    for _ in 0..10 {
        let mut changed = parted.clone();
        mutate(&mut dice, &mut changed);
        changed.write(&path);
        match simulation.start(&mut StopAt::never()) {
            Ok(outcome) => assert_eq!(outcome.federations.len(), 4),
            Err(error @ Error::File { .. }) => assert!(error.to_string().ends_with(MEND), "{error}"),
            Err(error) => panic!("{error}"),
        }
        // What it has come to meanwhile is put back.
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn whatever_is_changed_of_what_is_under_way_it_is_refused_in_words_or_gone_on_with() {
    for rules in [
        "asynchrony={kind=\"buffered\",buffer=2,concurrency=3}",
        "asynchrony={kind=\"compass\",least_steps=2,most_steps=9}",
    ] {
        let own = [
            "collaborators=4",
            "batch=16",
            "rounds=9",
            "clock={}",
            rules,
            "codecs=[\"raw\",{stage=\"stc\",count=90}]",
        ];
        let simulation = Simulation::stopped(&own, "stc(90) rounds", "round 7/");
        let data_dir = DataDir::new(simulation.folder.path().join("data"));
        let check = StateCheck::new(&simulation.spec, &Parts::default(), &data_dir).unwrap();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let target = simulation.folder.path().join("changed.safetensors");
        let stage = simulation.stages().into_iter().find(|stage| stage.starts_with("1-")).unwrap();
        let path = simulation.state(&stage);
        let whole = std::fs::read(&path).unwrap();
        check.check(&target, stage_of(&stage), whole.clone()).unwrap();
        let parted = Parted::read(&path);
        let (mut refused, mut passed) = (0, 0);
        for _ in 0..200 {
            let mut changed = parted.clone();
            mutate(&mut dice, &mut changed);
            changed.write(&target);
            match check.check(&target, stage_of(&stage), std::fs::read(&target).unwrap()) {
                Ok(()) => passed += 1,
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("changed.safetensors: ") && text.ends_with(MEND), "{text}");
                    refused += 1;
                }
            }
        }
        assert!(refused > passed && passed > 0, "{refused} refused, {passed} passed");
        // Of a group that has arrived nobody is under way.
        if rules.contains("buffered") {
            check_cases(
                &simulation,
                &[
                    ("1-stc-90", |s| *s.at("/state/flow") = Value::Null, "under way"),
                    (
                        "1-stc-90",
                        |s| *s.at("/state/flow/tasks/0/who") = json!(4),
                        "collaborators are under way",
                    ),
                    ("1-stc-90", |s| *s.at("/state/flow/tasks/0/version") = json!(8), "under way"),
                    (
                        "1-stc-90",
                        |s| s.floats.retain(|(shape, _)| !shape.name.contains("flow/model")),
                        "flow/model",
                    ),
                ],
            );
        }
        simulation.start(&mut StopAt::never()).unwrap();
    }
}

#[test]
fn any_bit_of_a_state_that_is_not_what_it_was_is_seen() {
    let simulation = Simulation::stopped(&[], "pre-pass", "epoch 2/");
    let path = simulation.state("prepass");
    let whole = std::fs::read(&path).unwrap();
    let mut dice = Dice(7);
    let places = [0, 9, 30, whole.len() / 2, whole.len() - 1];
    for (number, place) in places.into_iter().chain((0..10).map(|_| dice.below(whole.len()))).enumerate() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (number % 8);
        std::fs::write(&path, bytes).unwrap();
        simulation.refused("prepass");
    }
    for length in [0, 7, 100, whole.len() - 4] {
        std::fs::write(&path, &whole[..length]).unwrap();
        simulation.refused("prepass");
    }
    // Without a checksum it may be anything.
    let mut parted = Parted::read(&path_of(&whole, &path));
    parted.metadata.insert("notes".into(), parted.notes.to_string());
    parted.metadata.remove("crc32c");
    let shapes: Vec<_> = parted.floats.iter().map(|(shape, _)| shape.clone()).collect();
    let mut file = StateWriter::create(&path, &shapes, &parted.metadata).unwrap();
    parted.floats.iter().for_each(|(shape, values)| file.put(&shape.name, 0, values).unwrap());
    file.finish().unwrap();
    assert!(simulation.refused("prepass").contains("checksum"));
    std::fs::write(&path, whole).unwrap();
    simulation.start(&mut StopAt::never()).unwrap();
}

/// Puts a file back as it was.
fn path_of(whole: &[u8], path: &Path) -> PathBuf {
    std::fs::write(path, whole).unwrap();
    path.into()
}

//! Every stage that there is, in one table: alone and beside a code, of one collaborator and in a cohort of fifty, stopped
//! and gone on with to the same bits, and in a comparison.

use crate::coded::support::{Sides, made_up_logs, made_up_weights};
use crate::support::{gpu, pipeline_with};
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Kept, PipelineSpec, Round, Stages, Values};
use fedfunnel::data::DataDir;
use fedfunnel::experiment::Experiment;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::progress::{Observer, Quiet};
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::{Error, Result};
use std::path::Path;

/// P of a network of 4 inputs, 6 units and 2 classes.
const P: usize = 44;
const ROUNDS: u32 = 3;
/// A cohort.
const COHORT: usize = 50;
/// Codecs of one simulation: those that were stopped before are read again with each start.
const TOGETHER: usize = 4;

/// A stage or a preset.
struct Row {
    name: &'static str,
    /// A codec with it.
    alone: &'static str,
    beside: Beside,
}

/// What becomes of a stage in the `stages` of `residual`.
enum Beside {
    /// It works in these.
    In(&'static str),
    /// These are refused, in words that have this in them.
    Refused(&'static str, &'static str),
}
use Beside::{In, Refused};

const fn row(name: &'static str, alone: &'static str, beside: Beside) -> Row {
    Row { name, alone, beside }
}

const ROWS: &[Row] = &[
    row("raw", "raw", In("raw")),
    row("autoencoder", "prior+autoencoder+f16+tune", Refused("autoencoder", "learns from logged weights")),
    row("pca", "prior+pca(floats=2)+f16+tune", Refused("pca(floats=2)", "learns from logged weights")),
    row("prior", "prior+pca(floats=2)", Refused("prior+pca(floats=2)", "learns from logged weights")),
    row(
        "residual",
        "pca(floats=2)+residual(stages=ternary(count=9))",
        Refused("residual(stages=ternary(count=9))", "residual is about the code of a learned stage"),
    ),
    row(
        "filters",
        "prior+pca(floats=2)+f16+filters+tune",
        Refused("filters", "filters is about the code of a learned stage"),
    ),
    row("tune", "pca(floats=2)+tune", Refused("tune", "tune is about the code of a learned stage")),
    row(
        "refresh",
        "prior+pca(floats=3)+tune+refresh(every=2)",
        Refused("refresh(every=2)", "refresh is about the code of a learned stage"),
    ),
    row("delta", "delta", Refused("delta+topk(count=9)", "what a code misses is a difference")),
    row("f16", "delta+f16", In("f16")),
    row("bf16", "delta+bf16", In("bf16")),
    row("f8", "delta+f8", In("f8")),
    row("byte", "byte", Refused("byte", "for what a system sends")),
    row("quantize", "delta+quantize(bits=3)", In("quantize(bits=3)")),
    row("sign", "delta+feedback+sign", In("sign")),
    row("mask", "mask", Refused("mask", "for what a system sends")),
    row("ranking", "ranking", Refused("ranking", "for what a system sends")),
    row("kmeans", "delta+kmeans(clusters=4)", In("topk(count=12)+kmeans(clusters=3)")),
    row("topk", "delta+topk(part=0.1)", In("topk(part=0.1)")),
    row("randk", "delta+randk(part=0.1)", In("randk(part=0.1)")),
    row("threshold", "delta+threshold(of=\"rms\",multiple=1.0)", In("threshold(of=\"rms\",multiple=1.0)")),
    row("ternary", "delta+feedback+ternary(count=9)", In("ternary(count=8)")),
    row("lowrank", "delta+feedback+lowrank(rank=1)", In("lowrank(rank=1)")),
    row("rotate", "delta+rotate+quantize(bits=2)", In("rotate+quantize(bits=2)")),
    row("drive", "delta+drive", In("drive(unbiased=false)")),
    row("subspace", "delta+subspace(floats=20)", In("subspace(floats=20)")),
    row("sketch", "delta+feedback+sketch(columns=6)", In("sketch(columns=6)")),
    row("fetchsgd", "delta+fetchsgd(columns=7)", Refused("fetchsgd(columns=6)", "fetchsgd")),
    row("feedback", "delta+feedback(decay=0.5)+topk(count=9)", In("feedback(decay=0.5)+topk(count=9)")),
    row("dropout", "dropout(part=0.25)", Refused("dropout(part=0.25)", "dropout")),
    row("lbgm", "delta+lbgm(threshold=0.9)", In("lbgm(threshold=0.9)+topk(count=9)")),
    row(
        "relevance",
        "delta+relevance(threshold=0.6)",
        Refused("relevance(threshold=0.6)", "it leaves whole updates out"),
    ),
    row("control", "delta+control+topk(part=0.1)", In("control+topk(part=0.1)")),
    row("scallion", "delta+scallion+quantize(bits=3)", In("scallion+quantize(bits=3)")),
    row("scafcom", "delta+scafcom+topk(part=0.1)", In("scafcom+topk(part=0.1)")),
    row("synthetic", "delta+feedback+synthetic(steps=2)", In("synthetic(steps=2)")),
    row("entropy", "delta+quantize(bits=4)+entropy", In("quantize(bits=4)+entropy")),
    row("stc", "stc(count=7)", In("stc(count=7)")),
    row("dgc", "dgc(count=5,warmup=2)", In("dgc(count=5,warmup=2)")),
    row("fedzip", "fedzip(part=0.25,clusters=3)", In("fedzip(part=0.25,clusters=3)")),
    row("powersgd", "powersgd(rank=2)", In("powersgd(rank=2)")),
];

/// A codec of which these stages are behind `residual`.
fn behind_residual(stages: &str) -> String {
    format!("prior+pca(floats=2)+residual(stages={stages})")
}

/// Stages that a system alone sends by, and the system.
const OF_SYSTEMS: &[(&str, &str)] = &[("mask", "fedpm"), ("ranking", "frl"), ("byte", "onebyte")];

/// A row's codec, or the system that it is for.
fn alone(row: &Row) -> String {
    let system = OF_SYSTEMS.iter().find(|(stage, _)| *stage == row.name);
    system.map_or(row.alone, |(_, system)| *system).into()
}

/// All codecs but raw: each row alone, and behind `residual` where it works there.
fn codecs() -> Vec<String> {
    let alone = ROWS.iter().map(alone).filter(|text| text != "raw");
    let beside = ROWS.iter().filter_map(|row| match row.beside {
        In(stages) => Some(behind_residual(stages)),
        Refused(..) => None,
    });
    alone.chain(beside).collect()
}

/// A codec as TOML writes it in a list.
fn listed(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// The network, its autoencoder and a few images of two classes.
fn write_fixtures(folder: &Path) {
    let dense = |outputs: usize| format!("[[layers]]\nkind = \"dense\"\noutputs = {outputs}\n");
    let model = format!(
        "name = \"tiny\"\nkind = \"classifier\"\ninput = [1, 2, 2]\n{}activation = \"relu\"\n{}",
        dense(6),
        dense(2)
    );
    let autoencoder = format!("name = \"tiny-ae\"\nkind = \"autoencoder\"\nwidths = [{P}, 2, {P}]\n");
    std::fs::write(folder.join("tiny.toml"), model).unwrap();
    std::fs::write(folder.join("tiny-ae.toml"), autoencoder).unwrap();
    let images = folder.join("images");
    std::fs::create_dir_all(&images).unwrap();
    for (prefix, count) in [("train", 4 * COHORT as u32), ("t10k", 20)] {
        let labels: Vec<u8> = (0..count).map(|n| (n * 7 % 5 % 2) as u8).collect();
        let pixel =
            |n: u32, at: u32| (n * 37 + at * 91) % 120 + if at % 2 == n * 7 % 5 % 2 { 120 } else { 0 };
        let pixels: Vec<u8> = (0..count).flat_map(|n| (0..4).map(move |at| pixel(n, at) as u8)).collect();
        let idx = |axes: &[u32], payload: &[u8]| {
            let mut bytes = vec![0, 0, 8, axes.len() as u8];
            axes.iter().for_each(|length| bytes.extend(length.to_be_bytes()));
            [bytes, payload.to_vec()].concat()
        };
        std::fs::write(images.join(format!("{prefix}-images-idx3-ubyte")), idx(&[count, 2, 2], &pixels))
            .unwrap();
        std::fs::write(images.join(format!("{prefix}-labels-idx1-ubyte")), idx(&[count], &labels)).unwrap();
    }
}

/// The settings of a simulation on the fixtures.
fn settings(folder: &Path, collaborators: usize, codecs: &[String]) -> Vec<String> {
    let path = |name: &str| listed(&folder.join(name).display().to_string());
    let codecs: Vec<_> =
        std::iter::once("raw").chain(codecs.iter().map(String::as_str)).map(listed).collect();
    vec![
        format!("data={}", path("images")),
        format!("model={}", path("tiny.toml")),
        format!("collaborators={collaborators}"),
        format!("rounds={ROUNDS}"),
        format!("images={}", 4 * collaborators),
        "batch=2".into(),
        "optimizer.lr=0.02".into(),
        "prepass.epochs=4".into(),
        "prepass.snapshot_every=\"epoch\"".into(),
        format!("autoencoder.model={}", path("tiny-ae.toml")),
        "autoencoder.space=\"small\"".into(),
        "autoencoder.epochs=5".into(),
        format!("codecs=[{}]", codecs.join(",")),
    ]
}

/// How the autoencoder of the fixtures is trained on logs.
fn autoencoder(folder: &Path) -> AutoencoderSettings {
    let model = folder.join("tiny-ae.toml").display().to_string();
    AutoencoderSettings { model, epochs: 5, ..AutoencoderSettings::default() }
}

/// Asks to stop after the round that it waits for.
struct StopAfter {
    round: u32,
    stops: bool,
}

impl Observer for StopAfter {
    fn begin(&mut self, _: &str, _: &'static str, _: u64) {}
    fn advance(&mut self, _: u64) {}

    fn note(&mut self, text: &str) {
        self.stops |= text.starts_with(&format!("round {}/", self.round));
    }

    fn end(&mut self) {}

    fn stop(&self) -> bool {
        self.stops
    }
}

fn start(folder: &Path, spec: &SimulationSpec, observer: &mut dyn Observer) -> Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, observer)?, spec, &Parts::default())
}

/// Plays all codecs to their end, and again with a stop after this round in each; both come to the same bits.
fn plays_to_the_same_bits(collaborators: usize, round: u32) {
    let fixtures = tempfile::tempdir().unwrap();
    write_fixtures(fixtures.path());
    let all = codecs();
    let mut models = Vec::new();
    for codecs in all.chunks(TOGETHER) {
        let settings = settings(fixtures.path(), collaborators, codecs);
        let spec = SimulationSpec::load("demo", &settings).unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().unwrap();
        let whole = start(folder.path(), &spec, &mut Quiet);
        let whole = whole.unwrap_or_else(|error| panic!("{codecs:?}: {error}"));
        assert_eq!(whole.federations.len(), codecs.len() + 1);
        let folder = tempfile::tempdir().unwrap();
        let mut stops = 0;
        let pieced = loop {
            match start(folder.path(), &spec, &mut StopAfter { round, stops: false }) {
                Ok(outcome) => break outcome,
                Err(Error::Stopped { .. }) => stops += 1,
                Err(error) => panic!("{codecs:?}: {error}"),
            }
        };
        assert_eq!(stops, codecs.len() + 1, "once in each federation");
        for (whole, pieced) in whole.federations.iter().zip(&pieced.federations) {
            let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole.model), bits(&pieced.model), "{}", whole.label);
            assert_eq!((&whole.rounds, &whole.ledger), (&pieced.rounds, &pieced.ledger), "{}", whole.label);
            assert!(whole.model.iter().all(|value| value.is_finite()), "{}", whole.label);
        }
        let others = whole.federations.into_iter().skip(usize::from(!models.is_empty()));
        models.extend(others.map(|federation| (federation.label, federation.model)));
    }
    // The negative control: other codecs come to other models.
    assert_eq!(models.len(), all.len() + 1);
    let is_exact = |label: &str| ["raw", "delta"].contains(&label);
    for (place, (label, model)) in models.iter().enumerate() {
        for (other, same) in &models[..place] {
            assert!(same != model || is_exact(label) || is_exact(other), "{label} is as {other}");
        }
    }
}

#[test]
fn every_stage_has_a_row() {
    let rows: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    let there: Vec<_> = Stages::default().explained().iter().map(|kind| kind.name).collect();
    for name in &there {
        assert!(rows.contains(name), "{name} has no row: add one with a codec that is fast on {P} weights");
    }
    assert_eq!(rows.len(), there.len(), "a row is of no stage, or twice");
    for row in ROWS {
        let has = |text: &str| {
            let spec = PipelineSpec::from_text("codec", text).unwrap();
            assert!(spec.names().any(|name| name == row.name), "{}: {text}", row.name);
        };
        has(row.alone);
        match row.beside {
            In(stages) | Refused(stages, _) => has(stages),
        }
    }
}

#[test]
fn what_cannot_stand_behind_residual_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    write_fixtures(folder.path());
    let autoencoder = autoencoder(folder.path());
    for row in ROWS {
        let Refused(stages, words) = row.beside else { continue };
        let spec: toml::Value = PipelineSpec::from_text("codec", &behind_residual(stages)).unwrap().into();
        let error = pipeline_with(&Parts::default(), &spec.to_string(), P, Some(&autoencoder)).err();
        let error = error.unwrap_or_else(|| panic!("{} is taken", row.name));
        assert!(error.is_usage() && error.to_string().contains(words), "{}: {error}", row.name);
    }
}

#[test]
fn every_stage_of_one_collaborator_is_gone_on_with_to_the_same_bits() {
    plays_to_the_same_bits(1, 1);
}

#[test]
fn every_stage_of_a_cohort_of_fifty_is_gone_on_with_to_the_same_bits() {
    plays_to_the_same_bits(COHORT, 2);
}

/// What is made of an update, in bits, and what the aggregator keeps.
type Made = (Vec<u8>, Vec<u32>, Kept);

#[test]
fn what_becomes_of_an_update_does_not_depend_on_who_else_is_in_the_cohort() {
    let folder = tempfile::tempdir().unwrap();
    write_fixtures(folder.path());
    let autoencoder = autoencoder(folder.path());
    let logs = made_up_logs(COHORT as u32, 4, P);
    for text in codecs() {
        // Codes are tuned on images, which there are none of here.
        let of_system = OF_SYSTEMS.iter().find(|(_, system)| *system == text);
        let stages = of_system.map_or(text.as_str(), |(stage, _)| *stage);
        let mut spec = PipelineSpec::from_text("codec", stages).unwrap();
        spec.0.retain(|part| !matches!(part.name.as_deref(), Some("tune" | "filters")));
        let spec: toml::Value = spec.into();
        let Sides { codec, mut senders, mut receivers, .. } =
            Sides::with_autoencoder(&spec.to_string(), &logs, Some(&autoencoder));
        for number in 1..=ROUNDS {
            let global = made_up_weights(1, P, 50 + number).remove(0);
            let weights = made_up_weights(COHORT as u32, P, number);
            let round = Round { number, seed: 3, global: &global, gpu: gpu(), local: None };
            let make = |who: &[usize], senders: &mut [Kept]| -> Vec<Made> {
                let updates = who
                    .iter()
                    .zip(senders)
                    .map(|(&who, kept)| (who as u32, kept, Values::Host(weights[who].clone())));
                let sent = codec.send(&round, updates.collect()).unwrap_or_else(|e| panic!("{text}: {e}"));
                let payloads = who
                    .iter()
                    .zip(&sent)
                    .map(|(&who, bytes)| (who as u32, &receivers[who], bytes.as_slice()));
                let received = codec.take_in(&round, payloads.collect());
                let received = received.unwrap_or_else(|e| panic!("{text}: {e}"));
                let made = received.into_iter().zip(sent).map(|(mut received, bytes)| {
                    let values = received.values.take(gpu()).unwrap();
                    (bytes, values.iter().map(|value| value.to_bits()).collect(), received.news)
                });
                made.collect()
            };
            let all: Vec<_> = (0..COHORT).collect();
            let mut before = senders.clone();
            let together = make(&all, &mut senders);
            for who in [0, 1, 17, COHORT - 1] {
                let alone = make(&[who], &mut before[who..=who]);
                assert!(alone[0] == together[who], "{text}: collaborator {who} in round {number}");
                assert!(
                    before[who] == senders[who],
                    "{text}: what collaborator {who} keeps in round {number}"
                );
            }
            for (kept, (_, _, news)) in receivers.iter_mut().zip(together) {
                kept.merge(news);
            }
        }
    }
}

#[test]
fn every_stage_can_be_compared() {
    let fixtures = tempfile::tempdir().unwrap();
    write_fixtures(fixtures.path());
    let own = settings(fixtures.path(), 2, &codecs());
    let own =
        own.into_iter().filter(|setting| !setting.starts_with("rounds")).map(|s| format!("federation.{s}"));
    let others = ["seeds=1", "ratio=1.0", "federation.rounds=1"].map(String::from);
    let spec = Experiment::load("compare-mnist", Some("smoke"), &own.chain(others).collect::<Vec<_>>());
    let spec = spec.unwrap_or_else(|error| panic!("{error}"));
    let data_dir = DataDir::new(fixtures.path().join("data"));
    let identity = Identity::new("compare", &spec.to_toml().unwrap());
    let folder = RunFolder::open(&fixtures.path().join("run"), identity, Start::New).unwrap();
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    let mut observer = Quiet;
    let mut run = Run::open(place, &mut observer).unwrap();
    spec.kind().run(&mut run).unwrap_or_else(|error| panic!("{error}"));
    let written = std::fs::read(fixtures.path().join("run").join("compare.json")).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    // Beside raw updates with one epoch, some with as many as codecs have that tune.
    assert_eq!(written["codecs"].as_array().unwrap().len(), codecs().len() + 2);
}

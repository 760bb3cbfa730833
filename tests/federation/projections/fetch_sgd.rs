//! Sketches that the aggregator adds up, against the paper's algorithm with tables that `sketch` makes and reads.

use super::support::{distance, energy, layout, once, pipeline, refused, round, values};
use crate::support::{pipeline as flat, spec};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, Pipeline, Values};
use fedfunnel::data::DataDir;
use fedfunnel::federation::{CombineKind, Mean, PartAbout, Parts, check};

const P: usize = 600;

fn codec(options: &str) -> Pipeline {
    flat(&Parts::default(), &format!("[\"delta\",{{stage=\"fetchsgd\",columns=60,k=15{options}}}]"), P)
        .unwrap()
}

/// The payloads of collaborators that moved so far from the global model.
fn sent(codec: &Pipeline, number: u32, global: &[f32], moved: &[Vec<f32>]) -> Vec<Vec<u8>> {
    let mut kept = vec![Kept::default(); moved.len()];
    let updates = kept.iter_mut().zip(moved).zip(3..).map(|((kept, moved), who)| {
        (who, kept, Values::Host(moved.iter().zip(global).map(|(moved, global)| moved + global).collect()))
    });
    codec.send(&round(2, number, global), updates.collect()).unwrap()
}

fn joined(
    codec: &Pipeline,
    number: u32,
    global: &[f32],
    payloads: &[Vec<u8>],
    weights: &[f64],
    kept: &mut Kept,
) -> fedfunnel::Result<Vec<f32>> {
    let nothing = Kept::default();
    let payloads = payloads.iter().zip(3..).map(|(bytes, who)| (who, &nothing, bytes.as_slice()));
    codec.join(&round(2, number, global), payloads.collect(), weights, kept)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn rounds_are_those_of_the_papers_algorithm() {
    let sketch = flat(&Parts::default(), "[{stage=\"sketch\",columns=60,k=15}]", P).unwrap();
    for momentum in [0.0f32, 0.9] {
        let codec = codec(&format!(",momentum={momentum:?}"));
        let (mut kept, mut global) = (Kept::default(), vec![0.25; P]);
        let (mut velocity, mut error) = (vec![0f64; 300], vec![0f64; 300]);
        for number in 1..=4 {
            let moved: Vec<_> = (0..3).map(|tensor| values(P, 10 * number + tensor)).collect();
            let payloads = sent(&codec, number, &global, &moved);
            let weights = [1.0, 2.0, 5.0];
            let got = joined(&codec, number, &global, &payloads, &weights, &mut kept).unwrap();
            // Algorithm 1, cell by cell, of tables that are in the payloads as they are.
            for (payload, weight) in payloads.iter().zip(weights) {
                assert_eq!(payload.len(), 1_200);
                let table = floats(payload);
                velocity
                    .iter_mut()
                    .for_each(|cell| *cell *= if weight == 1.0 { f64::from(momentum) } else { 1.0 });
                velocity.iter_mut().zip(table).for_each(|(cell, own)| *cell += f64::from(own) * weight / 8.0);
            }
            error.iter_mut().zip(&velocity).for_each(|(error, velocity)| *error += velocity);
            let bytes: Vec<u8> = error.iter().flat_map(|cell| (*cell as f32).to_le_bytes()).collect();
            let told = sketch.receive(&round(2, number, &global), vec![(3, &Kept::default(), &bytes)]);
            let Values::Host(told) = told.unwrap().remove(0) else { panic!("values on the device") };
            let (table, _) = once(&sketch, &round(2, number, &global), &told);
            error.iter_mut().zip(floats(&table)).for_each(|(error, told)| *error -= f64::from(told));
            let due: Vec<f32> = told.iter().zip(&global).map(|(told, global)| told + global).collect();
            assert!(told.iter().filter(|value| **value != 0.0).count() == 15);
            assert!(distance(&got, &due) < 1e-8 * energy(&told), "{momentum}, round {number}");
            global = got;
        }
        let error: Vec<_> = error.into_iter().map(|cell| cell as f32).collect();
        assert!(distance(kept.get("error").unwrap(), &error) < 1e-8 * energy(&error));
        assert_eq!(kept.get("momentum").is_some(), momentum > 0.0);
    }
}

#[test]
fn what_was_told_and_what_is_owed_is_all_that_was_sent() {
    let (codec, moved) = (codec(""), [values(P, 1), values(P, 2)]);
    let (global, mut kept) = (vec![0.0; P], Kept::default());
    let payloads = sent(&codec, 1, &global, &moved);
    let mut told = vec![0f32; P];
    for number in 1..=20 {
        let got = joined(&codec, number, &global, &payloads, &[1.0, 1.0], &mut kept).unwrap();
        told.iter_mut().zip(got).for_each(|(told, value)| *told += value);
    }
    let table = floats(&sent(&codec, 1, &global, &[told])[0]);
    let owed = kept.get("error").unwrap();
    let all: Vec<_> = table.iter().zip(owed).map(|(told, owed)| told + owed).collect();
    let mean = floats(&payloads[0]).into_iter().zip(floats(&payloads[1])).map(|(a, b)| 10.0 * (a + b));
    let mean: Vec<f32> = mean.collect();
    assert!(distance(&all, &mean) < 1e-8 * energy(&mean));
    // The negative control: a good part of it is owed.
    assert!(energy(owed) > 0.01 * energy(&mean));
}

#[test]
fn what_is_refused_changes_nothing() {
    let (codec, global) = (codec(",momentum=0.5"), vec![0.0; P]);
    let payloads = sent(&codec, 1, &global, &[values(P, 1), values(P, 2)]);
    let mut kept = Kept::default();
    joined(&codec, 1, &global, &payloads, &[1.0, 1.0], &mut kept).unwrap();
    let before = kept.clone();
    for bytes in [&payloads[1][..700], &[&payloads[1][..], &[0]].concat()] {
        let damaged = [payloads[0].clone(), bytes.to_vec()];
        joined(&codec, 2, &global, &damaged, &[1.0, 1.0], &mut kept).unwrap_err();
        assert!(kept == before);
    }
    let mut wild = payloads.clone();
    wild[0][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = joined(&codec, 2, &global, &wild, &[1.0, 1.0], &mut kept).unwrap_err();
    assert!(matches!(error, Error::Message { .. }) && kept == before, "{error}");
    // A collaborator does not send such a sketch.
    let round = round(0, 2, &global);
    let mut own = Kept::default();
    let diverged = vec![(0, &mut own, Values::Host(vec![f32::NAN; P]))];
    let error = codec.send(&round, diverged).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("smaller optimizer.lr"), "{error}");
    kept.put("error", vec![0.0; 7]);
    let error = codec.check_joint(&kept).unwrap_err();
    assert!(codec.check_joint(&before).is_ok() && error.to_string().contains("error"), "{error}");
}

#[test]
fn what_cannot_be_added_up_is_refused_in_words() {
    let labels = [
        ("[{stage=\"fetchsgd\",columns=30}]", "fetchsgd(5x30,8)"),
        (
            "[\"delta\",{stage=\"fetchsgd\",columns=30,momentum=0.9},\"f16\"]",
            "delta+fetchsgd(5x30,8,momentum=0.9)+f16",
        ),
    ];
    for (text, label) in labels {
        let codec = pipeline(text, &layout()).unwrap();
        assert!(codec.is_joint() && codec.label() == label, "{}", codec.label());
    }
    assert!(!pipeline("[{stage=\"sketch\",columns=30}]", &layout()).unwrap().is_joint());
    let own = "{stage=\"fetchsgd\",columns=30}";
    for (text, words) in [
        (format!("[\"feedback\",{own}]"), ["added up by the aggregator", "feedback of its own"]),
        (format!("[\"delta\",\"feedback\",{own}]"), ["added up by the aggregator", "list it first"]),
        (format!("[{{stage=\"topk\",part=0.5}},{own}]"), ["only delta", "list it first"]),
        (format!("[{own},{own}]"), ["around it", "list it first"]),
        (format!("[{own},{{stage=\"pca\",floats=2}}]"), ["pca", "list it first"]),
        (format!("[{{stage=\"pca\",floats=2}},{own},\"tune\"]"), ["around it", "list it first"]),
        ("[{stage=\"fetchsgd\",columns=30,momentum=1.0}]".into(), ["momentum of 1", "below 1"]),
        ("[{stage=\"fetchsgd\",columns=99}]".into(), ["5 rows of 99", "up to 98"]),
        ("[{stage=\"fetchsgd\"}]".into(), ["columns", "correct it"]),
    ] {
        let error = refused(&text, &layout());
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
}

#[test]
fn a_strategy_that_takes_no_mean_is_refused() {
    let mut parts = Parts::default();
    // Which rule it is makes no difference, but for its name.
    let make = |_: &_| Ok(Box::new(Mean::default()) as Box<_>);
    parts.strategies =
        parts.strategies.with_combine(CombineKind { name: "middle", about: PartAbout::NOTHING, make });
    let codecs = "codecs=[\"raw\",[\"delta\",{stage=\"fetchsgd\",columns=100}]]";
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::new(folder.path());
    check(&spec(&parts, &[codecs]), &parts, &data_dir).unwrap();
    let other = spec(&parts, &[codecs, "strategy.combine=\"middle\""]);
    let error = check(&other, &parts, &data_dir).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("not middle"), "{error}");
}

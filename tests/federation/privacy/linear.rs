//! Which codecs' messages can be added up before they are decoded, and for each other one that they cannot.

use crate::coded::support::{Sides, floats_of, made_up_logs, made_up_weights};
use crate::support::gpu;
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Kept, Linear, PipelineSpec, Round, Stages, Values};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::random::uniform_tensor;

/// P of a network of 4 inputs, 6 units and 2 classes.
const P: usize = 44;
const COLLABORATORS: usize = 3;
const ROUNDS: u32 = 2;

/// Codecs whose messages add up; of those that train on images, how many floats, and halves behind
/// them, a message has.
const LINEAR: &[(&str, Option<(usize, usize)>)] = &[
    ("raw", None),
    ("delta", None),
    ("delta+raw", None),
    ("delta+subspace(floats=9)", None),
    ("delta+subspace(floats=9,unbiased=true)", None),
    ("delta+feedback+subspace(floats=9)", None),
    ("delta+feedback(momentum=0.5,clip=1.0)+subspace(floats=9)", None),
    ("delta+randk(part=0.25,shared=true)", None),
    ("delta+randk(count=7,shared=true,unbiased=true)", None),
    ("delta+fetchsgd(columns=7)", None),
    ("delta+fetchsgd(columns=8,momentum=0.5)", None),
    ("pca(floats=3,shared=true)", None),
    ("prior+pca(floats=3,shared=true)", None),
    ("prior+pca(floats=3,shared=true)+tune", Some((3, 0))),
    ("autoencoder(shared=true)", None),
    ("prior+autoencoder(shared=true)", None),
];

/// Codecs whose messages do not.
const OTHERS: &[(&str, Option<(usize, usize)>)] = &[
    ("autoencoder", None),
    ("pca(floats=3)", None),
    ("prior+pca(floats=3)", None),
    ("pca(floats=2,shared=true)+residual(stages=ternary(count=9))", None),
    // A scale and a bias for each of 8 units, in two bytes each.
    ("prior+pca(floats=2,shared=true)+filters+tune", Some((2, 16))),
    ("prior+pca(floats=3)+tune+refresh(every=2)", Some((3, 0))),
    ("delta+f16", None),
    ("delta+bf16", None),
    ("delta+f8", None),
    ("delta+quantize(bits=3)", None),
    ("delta+sign", None),
    ("mask", None),
    ("byte", None),
    ("ranking", None),
    ("delta+kmeans(clusters=4)", None),
    ("delta+topk(part=0.1)", None),
    ("delta+feedback+topk(part=0.1)", None),
    ("delta+randk(part=0.25)", None),
    ("delta+threshold(of=\"rms\",multiple=1.0)", None),
    ("delta+ternary(count=9)", None),
    ("delta+lowrank(rank=1)", None),
    ("delta+rotate", None),
    ("delta+drive", None),
    ("delta+sketch(columns=6)", None),
    ("dropout(part=0.25)", None),
    ("delta+lbgm(threshold=0.9)", None),
    ("delta+relevance(threshold=0.6)", None),
    ("delta+control+raw", None),
    ("delta+scallion+raw", None),
    ("delta+scafcom+raw", None),
    ("delta+synthetic(steps=2)", None),
    ("raw+entropy", None),
    ("stc(count=7)", None),
    ("dgc(count=5,warmup=2)", None),
    ("fedzip(part=0.25,clusters=3)", None),
    ("powersgd(rank=2)", None),
];

fn settings(folder: &std::path::Path) -> AutoencoderSettings {
    let model = folder.join("ae.toml");
    let text = format!("name = \"ae\"\nkind = \"autoencoder\"\nwidths = [{P}, 3, {P}]\n");
    std::fs::write(&model, text).unwrap();
    let optimizer = "[optimizer]\nkind = \"adam\"\nlr = 1e-2\n";
    toml::from_str(&format!("model = {model:?}\nepochs = 50\n{optimizer}")).unwrap()
}

fn is_said_to_be_linear(text: &str) -> bool {
    Stages::default().is_linear(&PipelineSpec::from_text("codec", text).unwrap()).unwrap()
}

/// What is wrong with adding up the messages of a few rounds; nothing where their mean decodes to the mean of what they
/// decode to, whoever is said to have sent it.
fn problem_of(text: &str, made_up: Option<(usize, usize)>) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let autoencoder = settings(folder.path());
    let logs = made_up_logs(COLLABORATORS as u32, 7, P);
    let codec = toml::Value::String(text.into()).to_string();
    let mut sides = Sides::with_autoencoder(&codec, &logs, Some(&autoencoder));
    let mut joint = Kept::default();
    for number in 1..=ROUNDS {
        let global = uniform_tensor(P, number, 3_000, 14, 0.5);
        let weights = made_up_weights(COLLABORATORS as u32, P, number);
        let payloads = match made_up {
            None => sides.send(number, &global, &weights, None),
            Some(of) => (0..COLLABORATORS as u32).map(|who| made_up_message(who, number, of)).collect(),
        };
        let problem = problem_in_round(&sides, number, &global, &payloads, &mut joint);
        if problem.is_some() {
            return problem;
        }
        if !sides.codec.is_joint() {
            sides.keep(number, &global, &payloads);
        }
    }
    None
}

/// What a collaborator could have come to send by training on images.
fn made_up_message(who: u32, number: u32, (floats, halves): (usize, usize)) -> Vec<u8> {
    let values = uniform_tensor(floats + halves, who, 4_000 + number, 15, 1.0);
    let halves = values[floats..].iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes());
    bytes_of(&values[..floats]).into_iter().chain(halves).collect()
}

fn problem_in_round(
    sides: &Sides,
    number: u32,
    global: &[f32],
    payloads: &[Vec<u8>],
    joint: &mut Kept,
) -> Option<String> {
    let length = payloads[0].len();
    if payloads.iter().any(|payload| payload.len() != length) {
        return Some("messages are not of one length".into());
    }
    if !length.is_multiple_of(4) {
        return Some("messages are more than values".into());
    }
    let round = Round { number, seed: 0, global, gpu: gpu(), local: None };
    let added = bytes_of(&mean(&payloads.iter().map(|payload| floats_of(payload)).collect::<Vec<_>>()));
    if sides.codec.is_joint() {
        let each =
            (0..).zip(&sides.receivers).zip(payloads).map(|((who, kept), bytes)| (who, kept, &bytes[..]));
        let mut after = joint.clone();
        let due = sides.codec.join(&round, each.collect(), &[1.0; COLLABORATORS], &mut after).unwrap();
        let one = vec![(0, &sides.receivers[0], &added[..])];
        let found = match sides.codec.join(&round, one, &[1.0], joint) {
            Ok(found) => found,
            Err(error) => return Some(error.to_string()),
        };
        *joint = after;
        let due: Vec<_> = due.into_iter().map(f64::from).collect();
        return compare("their sum", &found, &due, Tolerance::Strict).err();
    }
    let alone = sides.receive(number, global, payloads);
    let alone: Vec<Vec<f64>> =
        alone.into_iter().map(|values| values.into_iter().map(f64::from).collect()).collect();
    let due: Vec<_> = mean(&alone).into_iter().map(f64::from).collect();
    for (who, kept) in (0..).zip(&sides.receivers) {
        let found = match sides.codec.receive(&round, vec![(who, kept, &added)]) {
            Ok(mut found) => Values::take_all(gpu(), found.iter_mut().collect()).unwrap().remove(0),
            Err(error) => return Some(error.to_string()),
        };
        if let Err(problem) = compare("their mean", &found, &due, Tolerance::Strict) {
            return Some(problem);
        }
    }
    None
}

fn mean(all: &[Vec<f64>]) -> Vec<f32> {
    let sum = |place: usize| all.iter().map(|values| values[place]).sum::<f64>();
    (0..all[0].len()).map(|place| (sum(place) / all.len() as f64) as f32).collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn messages_of_linear_codecs_add_up_before_they_are_decoded() {
    for &(text, made_up) in LINEAR {
        assert!(is_said_to_be_linear(text), "{text}");
        assert_eq!(problem_of(text, made_up), None, "{text}");
    }
}

#[test]
fn messages_of_no_other_codec_do() {
    for &(text, made_up) in OTHERS {
        assert!(!is_said_to_be_linear(text), "{text}");
        assert!(problem_of(text, made_up).is_some(), "{text} adds up");
    }
}

#[test]
fn every_stage_has_a_codec_for_what_it_says() {
    let is_in = |all: &[(&str, Option<(usize, usize)>)], name: &str| {
        all.iter().any(|(text, _)| {
            PipelineSpec::from_text("codec", text).unwrap().names().any(|known| known == name)
        })
    };
    for kind in Stages::default().explained() {
        assert_eq!(is_in(LINEAR, kind.name), kind.linear != Linear::No, "{}", kind.name);
        if kind.linear != Linear::Yes {
            assert!(is_in(OTHERS, kind.name), "{}", kind.name);
        }
    }
}

/// Two bytes a value are no f32, so that the test above could only add up their bits: with numbers of their own kind it is
/// no better.
#[test]
fn a_sum_of_halves_is_no_half() {
    let both = [2048.0f32, 1.0].map(half::f16::from_f32);
    let sum = both[0] + both[1];
    assert_eq!(both.map(f32::from), [2048.0, 1.0]);
    assert_ne!(f32::from(sum), 2049.0);
}

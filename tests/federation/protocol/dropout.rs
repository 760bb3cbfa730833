//! Sub-models: which weights they have, that they train as models of their own would, and what crosses.

use super::support::{Sides, numbers, refused};
use crate::support::{gpu, run, spec};
use fedfunnel::codec::{Context, MessageKind, Pipeline, PipelineSpec};
use fedfunnel::data::{Dataset, ImageShape, epoch_order};
use fedfunnel::federation::{Direction, Parts, check};
use fedfunnel::model::{ClassifierSpec, Layout, ModelSpec, Optimizer, OptimizerKind};
use fedfunnel::ops::random;
use fedfunnel::training::{Cohort, ResidentImages};
use fedfunnel::{Error, Result};
use std::path::Path;

fn layout(tensors: &[(&str, &[usize])]) -> Layout {
    Layout::new(tensors.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())))
}

/// Three inputs, four units and two classes.
fn small() -> Layout {
    layout(&[("0.weight", &[4, 3]), ("0.bias", &[4]), ("2.weight", &[2, 4]), ("2.bias", &[2])])
}

fn pipeline(text: &str, layout: &Layout) -> Result<Pipeline> {
    let table: toml::Table = format!("codec = {text}").parse().expect("TOML");
    let spec = PipelineSpec::try_from(table["codec"].clone()).expect("a pipeline");
    Parts::default().stages.pipeline(&spec, &Context { layout, seed: 0, autoencoder: None })
}

fn sides(text: &str, layout: &Layout, collaborators: usize) -> Sides {
    Sides::of(pipeline(text, layout).unwrap_or_else(|error| panic!("{error}")), collaborators)
}

const HALF: &str = "{ stage = \"dropout\", part = 0.5 }";

/// The places of the weights that a collaborator has in a round.
fn places(codec: &Pipeline, parameters: usize, number: u32, who: u32) -> Vec<usize> {
    let all: Vec<f32> = (0..parameters).map(|place| place as f32).collect();
    let part = codec.sub_model(number, 5, who).expect("a part");
    let places: Vec<_> = part.take(&all).into_iter().map(|place| place as usize).collect();
    assert_eq!((part.len(), part.is_empty()), (places.len(), false));
    places
}

#[test]
fn rows_and_the_columns_that_take_their_outputs_go_together() {
    let codec = pipeline(&format!("[{HALF}]"), &small()).unwrap();
    assert_eq!(codec.label(), "dropout(0.5)");
    for who in 0..20 {
        let places = places(&codec, 26, 1, who);
        let units: Vec<_> =
            places.iter().filter(|place| (12..16).contains(*place)).map(|place| place - 12).collect();
        assert_eq!(units.len(), 2);
        let rows = units.iter().flat_map(|unit| 3 * unit..3 * unit + 3);
        let biases = units.iter().map(|unit| 12 + unit);
        let columns = (0..2).flat_map(|class| units.iter().map(move |unit| 16 + 4 * class + unit));
        let due: Vec<_> = rows.chain(biases).chain(columns).chain([24, 25]).collect();
        assert_eq!(places, due);
    }
}

#[test]
fn a_filter_that_is_left_out_takes_its_plane_with_it() {
    // Two layers of three and two filters of 2x2, whose planes of 2x1 pixels go into a dense layer of three classes.
    let layout = layout(&[
        ("0.weight", &[3, 1, 2, 2]),
        ("0.bias", &[3]),
        ("2.weight", &[2, 3, 2, 2]),
        ("2.bias", &[2]),
        ("5.weight", &[3, 4]),
        ("5.bias", &[3]),
    ]);
    let codec = pipeline(&format!("[{HALF}]"), &layout).unwrap();
    for who in 0..20 {
        let places = places(&codec, layout.parameters(), 3, who);
        let units = |start: usize, count: usize| {
            let own = places.iter().filter(move |place| (start..start + count).contains(*place));
            own.map(move |place| place - start).collect::<Vec<_>>()
        };
        let (first, second) = (units(12, 3), units(39, 2));
        assert_eq!((first.len(), second.len()), (2, 1));
        let own =
            first.iter().flat_map(|unit| 4 * unit..4 * unit + 4).chain(first.iter().map(|unit| 12 + unit));
        let next = second.iter().flat_map(|unit| {
            first.iter().flat_map(move |input| (0..4).map(move |tap| 15 + 12 * unit + 4 * input + tap))
        });
        let next = next.chain(second.iter().map(|unit| 39 + unit));
        let pixels = second.iter().flat_map(|unit| [2 * unit, 2 * unit + 1]).collect::<Vec<_>>();
        let last =
            (0..3).flat_map(|class| pixels.iter().map(move |pixel| 41 + 4 * class + pixel)).chain(53..56);
        assert_eq!(places, own.chain(next).chain(last).collect::<Vec<_>>());
    }
}

#[test]
fn each_unit_is_left_out_about_as_often_as_asked_and_both_sides_know_when() {
    let layout =
        layout(&[("0.weight", &[20, 1]), ("0.bias", &[20]), ("2.weight", &[2, 20]), ("2.bias", &[2])]);
    let codec = pipeline("[{ stage = \"dropout\", part = 0.25 }]", &layout).unwrap();
    let mut times = [0; 20];
    let mut seen = std::collections::BTreeSet::new();
    for (round, who) in (1..=40).flat_map(|round| (0..10).map(move |who| (round, who))) {
        let places = places(&codec, 82, round, who);
        assert_eq!(places, self::places(&codec, 82, round, who));
        let units: Vec<_> = places.into_iter().filter(|place| *place < 20).collect();
        assert_eq!(units.len(), 15);
        units.iter().for_each(|unit| times[*unit] += 1);
        seen.insert(units);
    }
    // 300 of 400 within four deviations of sqrt(400 x 0.25 x 0.75).
    assert!(times.iter().all(|times| (265..=335).contains(times)), "{times:?}");
    assert!(seen.len() > 390, "{}", seen.len());
}

#[test]
fn what_is_not_in_a_sub_model_is_the_global_models() {
    let (layout, global) = (small(), numbers(26, 9, 9));
    for text in [format!("[{HALF}]"), format!("[\"delta\", {HALF}]")] {
        let mut sides = sides(&text, &layout, 50);
        let weights: Vec<_> = (0..50).map(|who| numbers(26, who, 0)).collect();
        for (crossed, (weights, who)) in sides.round(&global, &weights).iter().zip(weights.iter().zip(0..)) {
            let places = places(&sides.codec, 26, 1, who);
            assert_eq!(crossed.bytes.len(), 4 * places.len());
            for (place, value) in crossed.values.iter().enumerate() {
                let due = if places.contains(&place) { weights[place] } else { global[place] };
                assert!((value - due).abs() <= 2.0 * f32::EPSILON * (due.abs() + global[place].abs()));
                assert!(places.contains(&place) || *value == global[place]);
            }
        }
    }
    // Other stages work on what is sent of it: the largest of 14 values, and none that is not among them.
    let mut sides = sides(&format!("[\"delta\", {HALF}, {{ stage = \"topk\", part = 0.25 }}]"), &layout, 1);
    let values = sides.one(&[0.0; 26], &numbers(26, 0, 0)).values;
    let places = places(&sides.codec, 26, 1, 0);
    let sent: Vec<_> = (0..26).filter(|place| values[*place] != 0.0).collect();
    assert!(sent.len() == 4 && sent.iter().all(|place| places.contains(place)), "{sent:?}");
}

#[test]
fn feedback_owes_what_a_sub_model_lacks_until_it_has_it() {
    let mut sides = sides(&format!("[\"delta\", \"feedback\", {HALF}]"), &small(), 1);
    let mut arrived = vec![0f64; 26];
    for _ in 0..30 {
        let crossed = sides.one(&[0.0; 26], &[1.0; 26]);
        arrived.iter_mut().zip(crossed.values).for_each(|(sum, value)| *sum += f64::from(value));
    }
    let owed = sides.senders[0].scope("1").get("error").unwrap();
    let whole = arrived.iter().zip(owed).map(|(arrived, owed)| arrived + f64::from(*owed));
    assert!(whole.into_iter().all(|sum| sum == 30.0));
    assert!(owed.iter().all(|owed| *owed < 20.0));
}

fn classifier(units: [usize; 2], activation: &str) -> ClassifierSpec {
    let [filters, hidden] = units;
    let text = format!(
        "name = \"m\"\nkind = \"classifier\"\ninput = [1, 6, 6]\n\
         [[layers]]\nkind = \"conv\"\noutputs = {filters}\nkernel = 3\nactivation = \"{activation}\"\n\
         [[layers]]\nkind = \"maxpool\"\nwindow = 2\n[[layers]]\nkind = \"flatten\"\n\
         [[layers]]\nkind = \"dense\"\noutputs = {hidden}\nactivation = \"{activation}\"\n\
         [[layers]]\nkind = \"dense\"\noutputs = 4\n"
    );
    ModelSpec::parse(&text, Path::new("m")).unwrap().classifier().unwrap()
}

/// The weights after two epochs from these.
fn trained(spec: &ClassifierSpec, optimizer: Optimizer, start: &[f32]) -> Vec<f32> {
    let images = (0..40 * 36u32).map(|place| random::bits(place, 0, 9, 3) as u8).collect();
    let labels = (0..40).map(|number| number % 4).collect();
    let shape = ImageShape { channels: 1, height: 6, width: 6 };
    let data = Dataset { name: "d".into(), images, labels, shape, classes: 4, groups: None };
    let images = ResidentImages::upload(gpu(), &data).unwrap();
    let mut cohort = Cohort::new(gpu(), spec, &images, 1, 8, optimizer).unwrap();
    cohort.restart_each(&[start.to_vec()]).unwrap();
    for epoch in 0..2 {
        let orders = [epoch_order(40, 1, epoch, true)];
        cohort.train(&orders, 0..cohort.steps(&orders), &mut |_| ()).unwrap();
    }
    cohort.parameters().unwrap().remove(0)
}

#[test]
fn a_sub_model_trains_as_a_model_of_its_size_does() {
    let sgd = Optimizer { kind: OptimizerKind::Sgd, lr: 0.05, momentum: 0.9, ..Optimizer::default() };
    let adamw =
        Optimizer { kind: OptimizerKind::AdamW, lr: 0.01, weight_decay: 0.01, ..Optimizer::default() };
    for (activation, optimizer) in [("relu", sgd), ("relu", adamw), ("tanh", sgd), ("linear", adamw)] {
        let (whole, part) = (classifier([6, 10], activation), classifier([3, 5], activation));
        let codec = pipeline(&format!("[{HALF}]"), &whole.layout()).unwrap();
        let sub_model = codec.sub_model(1, 5, 2).unwrap();
        assert_eq!(sub_model.len(), part.parameters());
        let global: Vec<f32> = numbers(whole.parameters(), 0, 0).iter().map(|value| 0.3 * value).collect();
        let mut start = vec![0.0; global.len()];
        sub_model.put(&sub_model.take(&global), &mut start);
        let after = trained(&whole, optimizer, &start);
        let alone = trained(&part, optimizer, &sub_model.take(&global));
        let mut moved = 0f32;
        for ((own, alone), before) in sub_model.take(&after).iter().zip(&alone).zip(sub_model.take(&global)) {
            assert!((own - alone).abs() < 2e-4, "{activation}: {own} {alone}");
            moved = moved.max((alone - before).abs());
        }
        assert!(moved > 0.02, "{moved}");
        // What it lacks has stayed zero, to the bit.
        let mut rest = after.clone();
        sub_model.put(&vec![0.0; sub_model.len()], &mut rest);
        assert!(rest.iter().all(|value| *value == 0.0), "{activation}");
        // The negative control: with all of its weights it comes to something else.
        let other = sub_model.take(&trained(&whole, optimizer, &global));
        assert!(other.iter().zip(&alone).any(|(other, alone)| (other - alone).abs() > 0.01));
    }
}

#[test]
fn sub_models_cross_both_ways_and_are_counted() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = format!("codecs=[\"raw\",[{HALF}],[\"delta\",{HALF},\"f16\"]]").replace(" = ", "=");
    let outcome = run(folder.path(), &spec(&parts, &[&codecs, "local_tests=epoch"]), &parts);
    // Ten of twenty units: 784 x 10 weights and 10 biases, and 10 x 10 and 10 more.
    let count = 784 * 10 + 10 + 10 * 10 + 10;
    for (federation, bytes) in outcome.federations[1..].iter().zip([4, 2]) {
        let of = |kind, way| federation.ledger.message_bytes(way, kind);
        assert_eq!(of(MessageKind::Update, Direction::Up), Some(3 + bytes * count));
        assert_eq!(of(MessageKind::Model, Direction::Down), Some(3 + 4 * count));
        assert!(federation.rounds.iter().all(|round| round.bytes_down == 2 * (3 + 4 * count)));
        assert!(federation.rounds[1].tested.unwrap().test_accuracy > outcome.initial.plain.accuracy);
    }
    assert_eq!(outcome.federations[1].floats, Some(count as usize));
}

#[test]
fn what_dropout_cannot_be_is_refused_in_words() {
    let (small, flat) = (small(), Layout::flat(40));
    let odd = layout(&[("0.weight", &[4, 3]), ("2.weight", &[2, 6])]);
    let topk = "{ stage = \"topk\", part = 0.5 }";
    for (text, layout, words) in [
        ("[{ stage = \"dropout\", part = 0.0 }]".to_string(), &small, "above 0 and below 1"),
        ("[{ stage = \"dropout\", part = 1.0 }]".into(), &small, "above 0 and below 1"),
        ("[{ stage = \"dropout\", part = 0.2 }]".into(), &small, "leaves no unit out"),
        ("[\"dropout\"]".into(), &small, "part"),
        (format!("[{HALF}]"), &flat, "no layer"),
        (format!("[{HALF}]"), &odd, "2.weight takes 6 values of a layer of 4 units"),
        (format!("[{topk}, {HALF}]"), &small, "before the stages that leave fewer"),
        (format!("[{HALF}, {HALF}]"), &small, "before the stages that leave fewer"),
        (format!("[{HALF}, \"delta\"]"), &small, "codecs: delta"),
        (format!("[{HALF}, \"feedback\", {topk}]"), &small, "codecs: feedback"),
        (format!("[{HALF}, \"control\", {topk}]"), &small, "codecs: control"),
        (
            format!("[\"delta\", {{ stage = \"lbgm\", threshold = 0.2 }}, {HALF}]"),
            &small,
            "leave one of them out",
        ),
        (
            format!("[\"delta\", {{ stage = \"relevance\", threshold = 0.2 }}, {HALF}]"),
            &small,
            "leave one of them",
        ),
        (
            format!(
                "[\"prior\", {{ stage = \"pca\", floats = 2 }}, {{ stage = \"residual\", stages = [{HALF}] }}]"
            ),
            &small,
            "leave one of them out",
        ),
    ] {
        let error = pipeline(&text, layout).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
    assert!(refused(&format!("[{HALF}]")).contains("leave dropout out"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.toml");
    std::fs::write(
        &path,
        "name = \"m\"\nkind = \"classifier\"\ninput = [1, 28, 28]\n[[layers]]\nkind = \"dense\"\noutputs = 8\n\
         activation = \"sigmoid\"\n[[layers]]\nkind = \"dense\"\noutputs = 10\n",
    )
    .unwrap();
    let model = format!("model={}", path.display());
    let codecs = format!("codecs=[\"raw\",[{HALF}]]").replace(" = ", "=");
    let sigmoid = spec(&Parts::default(), &[&model, &codecs]);
    let data = fedfunnel::data::DataDir::new(folder.path().join("data"));
    let error = check(&sigmoid, &Parts::default(), &data).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("use relu or tanh"), "{error}");
}

#[test]
fn damaged_sub_models_are_refused_and_never_panic() {
    let mut sides = sides(&format!("[\"delta\", {HALF}, {{ stage = \"topk\", part = 0.3 }}]"), &small(), 1);
    let global = numbers(26, 9, 9);
    let whole = sides.one(&global, &numbers(26, 0, 0)).bytes;
    for place in 0..whole.len() {
        for byte in 0..=255 {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            match sides.receive(&global, &[bytes]) {
                Ok(received) => assert_eq!(received[0].values.len(), 26),
                Err(error) => assert!(matches!(error, Error::Message { .. }), "{error}"),
            }
        }
        assert!(sides.receive(&global, &[whole[..place].to_vec()]).is_err());
    }
    assert!(sides.receive(&global, &[[&whole[..], &[0]].concat()]).is_err());
    // A message for another model.
    assert!(matches!(sides.receive(&global[1..], &[whole]), Err(Error::Message { .. })));
}

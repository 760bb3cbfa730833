//! Made-up images whose gradient is an update.

use super::support::{Sides, numbers};
use crate::support::gpu;
use fedfunnel::codec::{Context, Kept, PipelineSpec, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::model::{ClassifierSpec, Layout, ModelSpec};
use fedfunnel::{Error, Result};
use std::path::Path;

fn classifier(input: &str, layers: &str) -> ClassifierSpec {
    let text = format!("name = \"m\"\nkind = \"classifier\"\ninput = {input}\n{layers}");
    ModelSpec::parse(&text, Path::new("m")).unwrap().classifier().unwrap()
}

/// Three inputs and two classes.
fn linear() -> ClassifierSpec {
    classifier("[1, 1, 3]", "[[layers]]\nkind = \"dense\"\noutputs = 2\n")
}

fn dense() -> ClassifierSpec {
    let hidden = "[[layers]]\nkind = \"dense\"\noutputs = 12\nactivation = \"tanh\"\n";
    classifier("[1, 4, 4]", &format!("{hidden}[[layers]]\nkind = \"dense\"\noutputs = 5\n"))
}

fn conv() -> ClassifierSpec {
    let layers = "[[layers]]\nkind = \"conv\"\noutputs = 4\nkernel = 3\nactivation = \"relu\"\n\
                  [[layers]]\nkind = \"maxpool\"\nwindow = 2\n[[layers]]\nkind = \"flatten\"\n\
                  [[layers]]\nkind = \"dense\"\noutputs = 6\nactivation = \"relu\"\n\
                  [[layers]]\nkind = \"dense\"\noutputs = 4\n";
    classifier("[1, 6, 6]", layers)
}

fn codec(text: &str, layout: &Layout) -> Result<fedfunnel::codec::Pipeline> {
    let table: toml::Table = format!("codec = {text}").parse().expect("TOML");
    let spec = PipelineSpec::try_from(table["codec"].clone()).expect("a pipeline");
    Parts::default().stages.pipeline(&spec, &Context { layout, seed: 0, autoencoder: None })
}

fn sides(text: &str, spec: &ClassifierSpec, collaborators: usize) -> Sides {
    Sides::of(codec(text, &spec.layout()).unwrap_or_else(|error| panic!("{error}")), collaborators)
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The change that arrives by a message, for a global model.
fn change(sides: &Sides, global: &[f32], message: &[f32]) -> Vec<f32> {
    let mut received = sides.receive(global, &[bytes(message)]).expect("decoded");
    let values = received.remove(0).values.take(gpu()).expect("values");
    values.iter().zip(global).map(|(value, global)| value - global).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn start(spec: &ClassifierSpec) -> Vec<f32> {
    numbers(spec.parameters(), 0, 50).iter().map(|value| 0.5 * value).collect()
}

/// What arrives of a change.
fn arrives(sides: &mut Sides, global: &[f32], update: &[f32]) -> Vec<f32> {
    let weights: Vec<f32> = global.iter().zip(update).map(|(global, update)| global + update).collect();
    let crossed = sides.one(global, &weights);
    crossed.values.iter().zip(global).map(|(value, global)| value - global).collect()
}

#[test]
fn the_gradient_of_an_image_is_as_counted_by_hand() {
    let sides = sides("[\"delta\", { stage = \"synthetic\", images = 1 }]", &linear(), 1);
    assert_eq!(sides.codec.label(), "delta+synthetic(1, 50, 0.1)");
    let global = [0.5, -0.25, 1.0, 0.0, 0.75, -0.5, 0.1, -0.2];
    let (image, label, scale) = ([2.0, -1.0, 0.5], [0.25, 0.75], -3.0);
    // z = W x + b, and the gradient of the cross entropy is (p - y) x for W and p - y for b.
    let logits = [0.5 * 2.0 + 0.25 + 0.5 + 0.1, -0.75 - 0.25 - 0.2f64];
    let powers = logits.map(f64::exp);
    let errors = [0, 1].map(|class| powers[class] / (powers[0] + powers[1]) - label[class]);
    let weights = errors.iter().flat_map(|error| image.map(|pixel| error * pixel));
    let due: Vec<_> = weights.chain(errors).map(|value| -3.0 * value).collect();
    let message: Vec<f32> =
        image.iter().map(|&v| v as f32).chain(label.map(|v| v as f32)).chain([scale]).collect();
    for (got, due) in change(&sides, &global, &message).iter().zip(due) {
        assert!((f64::from(*got) - due).abs() < 1e-5, "{got} {due}");
    }
}

#[test]
fn a_gradient_of_an_image_is_found_again() {
    for (spec, images) in [(dense(), 1), (dense(), 2), (conv(), 1)] {
        let global = start(&spec);
        let (width, classes) = (spec.input.iter().product::<usize>(), spec.classes());
        let text = |steps: usize| {
            format!("[\"delta\", {{ stage = \"synthetic\", images = {images}, steps = {steps}, lr = 0.05 }}]")
        };
        // An update that images of this number can say.
        let mut message = numbers(images * width, 3, 3);
        for image in 0..images {
            message.extend(
                (0..classes).map(|class| if class == 1 + image { 0.9 } else { 0.1 / (classes - 1) as f32 }),
            );
        }
        message.push(-0.7);
        let update = change(&sides(&text(1), &spec, 1), &global, &message);
        let of =
            |steps: usize| cosine(&arrives(&mut sides(&text(steps), &spec, 1), &global, &update), &update);
        let [few, many] = [1, 300].map(of);
        assert!(many > 0.95 && many > few + 0.05, "{images}: {few} {many}");
    }
}

#[test]
fn what_arrives_is_the_update_as_far_as_it_goes_that_way() {
    for spec in [dense(), conv()] {
        let global = start(&spec);
        let update: Vec<f32> = numbers(spec.parameters(), 0, 1).iter().map(|value| 0.01 * value).collect();
        let mut sides = sides("[\"delta\", { stage = \"synthetic\", images = 2, steps = 40 }]", &spec, 1);
        let arrived = arrives(&mut sides, &global, &update);
        // A projection on the gradient: what is missed stands at right angles to it.
        let missed: Vec<f32> =
            update.iter().zip(&arrived).map(|(update, arrived)| update - arrived).collect();
        let part = dot(&arrived, &arrived) / dot(&update, &update);
        assert!(cosine(&missed, &arrived).abs() < 1e-3, "{}", cosine(&missed, &arrived));
        // Of a change that goes nowhere in particular, more than as many random directions would say.
        assert!(part > 0.1 && part < 1.0, "{part}");
        // Nothing stays nothing.
        assert_eq!(arrives(&mut sides, &global, &vec![0.0; global.len()]), vec![0.0; global.len()]);
    }
}

#[test]
fn a_cohort_larger_than_what_fits_together_is_as_each_of_it_alone() {
    let text = "[\"delta\", \"feedback\", { stage = \"synthetic\", steps = 3 }, \"f16\"]";
    for (spec, values) in [(dense(), 16 + 5 + 1), (conv(), 36 + 4 + 1)] {
        let mut together = sides(text, &spec, 20);
        let global = start(&spec);
        let weights: Vec<_> = (0..20).map(|who| numbers(spec.parameters(), who, 0)).collect();
        let all = together.round(&global, &weights);
        let view = Round { number: 1, seed: 5, global: &global, gpu: gpu(), local: None };
        for ((who, weights), crossed) in (0..).zip(&weights).zip(all) {
            let mut kept = Kept::default();
            let alone =
                together.codec.send(&view, vec![(who, &mut kept, Values::Host(weights.clone()))]).unwrap();
            assert_eq!(crossed.bytes.len(), 2 * values);
            assert_eq!(alone[0], crossed.bytes, "{who}");
        }
    }
}

#[test]
fn what_synthetic_cannot_be_is_refused_in_words() {
    let layout = dense().layout();
    for (text, layout, words) in [
        ("[\"synthetic\"]", &layout, "list delta before it"),
        (
            "[\"delta\", { stage = \"synthetic\", images = 0 }]",
            &layout,
            "set images to 1 or more and up to 12",
        ),
        (
            "[\"delta\", { stage = \"synthetic\", images = 13 }]",
            &layout,
            "13 images for an update of 269 values",
        ),
        ("[\"delta\", { stage = \"synthetic\", steps = 0 }]", &layout, "steps"),
        ("[\"delta\", { stage = \"synthetic\", lr = -1.0 }]", &layout, "lr above 0"),
        ("[\"delta\", { stage = \"synthetic\", rate = 1.0 }]", &layout, "`rate`"),
        ("[\"delta\", { stage = \"topk\", part = 0.5 }, \"synthetic\"]", &layout, "behind delta or feedback"),
        ("[\"delta\", \"synthetic\"]", &Layout::flat(269), "leave synthetic out"),
    ] {
        let error = codec(text, layout).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn damaged_images_are_refused_and_never_panic() {
    let spec = linear();
    let mut sides = sides("[\"delta\", { stage = \"synthetic\", steps = 2 }]", &spec, 1);
    let global = [0.5, -0.25, 1.0, 0.0, 0.75, -0.5, 0.1, -0.2];
    let whole = sides.one(&global, &numbers(8, 0, 0)).bytes;
    assert_eq!(whole.len(), 4 * 6);
    let is_decent = |bytes: Vec<u8>| match sides.receive(&global, &[bytes]) {
        Ok(received) => received[0].values.len() == 8,
        Err(error) => matches!(error, Error::Message { .. }),
    };
    for place in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, whole[place] ^ 1, whole[place] ^ 0x40] {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            assert!(is_decent(bytes));
        }
        assert!(sides.receive(&global, &[whole[..place].to_vec()]).is_err());
    }
    assert!(sides.receive(&global, &[[&whole[..], &[0]].concat()]).is_err());
    for value in [f32::NAN, f32::INFINITY, f32::MAX] {
        let bytes = [&value.to_le_bytes()[..], &whole[4..]].concat();
        assert!(is_decent(bytes.clone()));
        assert!(value == f32::MAX || sides.receive(&global, &[bytes]).is_err());
    }
}

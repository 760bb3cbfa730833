//! Options that are found for a budget, against trying all of them.

use crate::support::{gpu, pipeline, through};
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Context, Kept, PipelineSpec, Sizing, Stages};
use fedfunnel::federation::Parts;
use fedfunnel::model::Layout;
use fedfunnel::reference::random::uniform_tensor;

const P: usize = 400;

/// Does something with what measures messages of two updates, of snapshots with so many axes.
fn with_sizing<T>(
    axes: usize,
    autoencoder: Option<&AutoencoderSettings>,
    work: impl FnOnce(&Sizing<'_>) -> T,
) -> T {
    let (stages, layout) = (Stages::default(), Layout::flat(P));
    let global = uniform_tensor(P, 0, 0, 1, 1.0);
    let weights = [1, 2].map(|tensor| uniform_tensor(P, 0, tensor, 1, 1.0)).to_vec();
    let context = Context { layout: &layout, seed: 0, autoencoder };
    let sizing =
        Sizing { stages: &stages, context, axes, round: 1, gpu: gpu(), global: &global, weights: &weights };
    work(&sizing)
}

fn spec(text: &str) -> PipelineSpec {
    PipelineSpec::from_text("codecs", text).unwrap()
}

/// Bytes of the longer message of the two updates.
fn longest(text: &str) -> u64 {
    let codec: toml::Value = spec(text).into();
    let codec = pipeline(&Parts::default(), &codec.to_string(), P).unwrap();
    let global = uniform_tensor(P, 0, 0, 1, 1.0);
    let bytes = |tensor| {
        through(&codec, &mut Kept::default(), &global, &uniform_tensor(P, 0, tensor, 1, 1.0)).0.len() as u64
    };
    bytes(1).max(bytes(2))
}

#[test]
fn the_count_is_the_largest_whose_message_is_within_the_budget() {
    for budget in [6, 20, 57, 100] {
        let fitted =
            with_sizing(0, None, |sizing| sizing.fit(&spec("delta+feedback+ternary"), Some(budget))).unwrap();
        let all =
            (1..=P).filter(|count| longest(&format!("delta+feedback+ternary(count={count})")) <= budget);
        let most = all.max().unwrap();
        assert_eq!(fitted.spec, spec(&format!("delta+feedback+ternary(count={most})")), "{budget}");
        let found = fitted.found.unwrap();
        assert_eq!(
            (found.stage.as_str(), found.option.as_str(), found.value),
            ("ternary", "count", most.to_string())
        );
    }
    // As much as there is.
    let all = with_sizing(0, None, |sizing| sizing.fit(&spec("ternary"), Some(1 << 20))).unwrap();
    assert_eq!(all.spec, spec(&format!("ternary(count={P})")));
}

#[test]
fn what_topk_sends_is_found_with_its_places() {
    for budget in [6, 57, 300] {
        let fitted = with_sizing(0, None, |sizing| sizing.fit(&spec("delta+topk"), Some(budget))).unwrap();
        // A value has four bytes, and a place takes two at most.
        let text = fitted.spec.to_text();
        assert!(longest(&text) <= budget && longest(&text) + 6 > budget, "{text}: {}", longest(&text));
    }
}

#[test]
fn codes_are_as_long_as_the_budget_or_as_there_are_axes() {
    for (text, budget, axes, due) in [
        ("pca", 40, 50, "pca(floats=10)"),
        ("prior+pca+f16+tune", 40, 50, "prior+pca(floats=20)+f16+tune"),
        ("prior+pca+f16+tune", 40, 7, "prior+pca(floats=7)+f16+tune"),
        ("feedback+pca", 40, 50, "feedback+pca(floats=10)"),
    ] {
        let fitted = with_sizing(axes, None, |sizing| sizing.fit(&spec(text), Some(budget))).unwrap();
        assert_eq!(fitted.spec, spec(due), "{text}");
    }
    // What a code misses has its own bytes.
    let text = "prior+pca(floats=3)+f16+residual(stages=ternary)+tune";
    let fitted = with_sizing(9, None, |sizing| sizing.fit(&spec(text), Some(60))).unwrap();
    let bytes = with_sizing(9, None, |sizing| sizing.payload_bytes(&fitted.spec)).unwrap();
    let most = fitted.found.unwrap().value.parse::<usize>().unwrap();
    let more = format!("prior+pca(floats=3)+f16+residual(stages=ternary(count={}))+tune", most + 1);
    assert_eq!(fitted.spec.to_text(), more.replace(&(most + 1).to_string(), &most.to_string()));
    assert!(bytes <= 60 && with_sizing(9, None, |sizing| sizing.payload_bytes(&spec(&more))).unwrap() > 60);
}

#[test]
fn what_leaves_nothing_open_stays_as_it_is_and_what_cannot_be_found_is_said() {
    for text in ["raw", "delta+f16", "delta+topk(part=0.5)", "ternary(part=0.25)", "pca(floats=3)+f16"] {
        let fitted = with_sizing(9, None, |sizing| sizing.fit(&spec(text), Some(1))).unwrap();
        assert_eq!((fitted.spec, fitted.found), (spec(text), None));
    }
    let same = with_sizing(9, None, |sizing| sizing.fit(&spec("ternary"), None)).unwrap();
    assert_eq!(same.found, None);
    for (text, words) in [
        ("delta+ternary", ["smallest count of ternary", "allow more bytes"]),
        ("topk+ternary", ["count of topk and count of ternary", "all of them but one"]),
    ] {
        let error = with_sizing(9, None, |sizing| sizing.fit(&spec(text), Some(3))).unwrap_err();
        assert!(error.is_usage(), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
}

//! Orders of stages that make no sense, with one that does.

use super::support::{Sides, numbers, refused};
use crate::support::gpu;
use fedfunnel::codec::{Kept, Round, Values};

#[test]
fn feedback_stands_before_what_leaves_fewer_values() {
    let error = refused("[\"delta\", { stage = \"topk\", part = 0.1 }, \"feedback\", \"f16\"]");
    assert!(error.contains("codecs: feedback") && error.contains("before the stages"), "{error}");
    Sides::new("[\"delta\", \"feedback\", { stage = \"topk\", part = 0.1 }, \"f16\"]", 40, 1);
}

#[test]
fn nothing_that_is_kept_learns_from_weights_behind_other_stages() {
    for stage in ["\"control\"", "{ stage = \"lbgm\", threshold = 0.1 }"] {
        let error = refused(&format!("[\"delta\", {stage}, {{ stage = \"pca\", floats = 2 }}]"));
        assert!(error.contains("learns from logged weights"), "{error}");
    }
}

#[test]
fn values_that_are_not_finite_are_refused_before_anything_is_kept() {
    for stage in ["\"control\"", "{ stage = \"lbgm\", threshold = 0.1 }"] {
        let mut sides = Sides::new(&format!("[\"delta\", {stage}]"), 10, 1);
        sides.one(&[0.0; 10], &numbers(10, 0, 0));
        let before = sides.senders[0].clone();
        let mut weights = numbers(10, 0, 1);
        weights[3] = f32::INFINITY;
        let round = Round { number: 2, seed: 5, global: &[0.0; 10], gpu: gpu(), local: None };
        let updates = vec![(0, &mut sides.senders[0], Values::Host(weights))];
        let error = sides.codec.send(&round, updates).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("collaborator 0"), "{error}");
        assert_eq!(sides.senders[0], before);
    }
}

#[test]
fn what_is_kept_of_another_model_is_refused() {
    for (text, names) in [
        ("[\"delta\", { stage = \"lbgm\", threshold = 0.1 }]", &["look-back"][..]),
        ("[\"delta\", \"scafcom\"]", &["control", "average"]),
        ("[\"delta\", { stage = \"relevance\", threshold = 0.1 }]", &["before"]),
        ("[\"delta\", \"control\", { stage = \"lbgm\", threshold = 0.1 }]", &["control"]),
    ] {
        let mut sides = Sides::new(text, 10, 1);
        sides.one(&[0.0; 10], &numbers(10, 0, 0));
        let (sender, receiver) = (&sides.senders[0], &sides.receivers[0]);
        sides.codec.check_kept(10, &[sender], &[receiver]).expect("its own");
        for name in names {
            let mut other = sender.clone();
            other.scope_mut("1").put(name, vec![0.0; 9]);
            let error = sides.codec.check_kept(10, &[&other], &[receiver]).unwrap_err().to_string();
            assert!(error.contains("9 values where 10 are due"), "{error}");
        }
        // What the stages behind it keep is looked at too, on both sides.
        let mut nested = Kept::default();
        nested
            .scope_mut("1")
            .scope_mut("mirror")
            .scope_mut("tail")
            .scope_mut("0")
            .put("look-back", vec![0.0; 9]);
        let is_nested = text.contains("lbgm") && text.contains("control");
        assert_eq!(sides.codec.check_kept(10, &[&nested], &[receiver]).is_err(), is_nested);
    }
}

//! Lists of stages that no code can be made of.

use crate::support::pipeline;
use fedfunnel::federation::Parts;

#[test]
fn what_cannot_stand_around_a_code_is_refused_in_words() {
    let pca = "{ stage = \"pca\", floats = 3 }";
    let residual = "{ stage = \"residual\", stages = [\"f16\"] }";
    let refresh = "{ stage = \"refresh\", every = 1 }";
    let refresh_by = |options: &str| {
        let comma = if options.is_empty() { "" } else { ", " };
        format!("[\"prior\", {pca}, {{ stage = \"refresh\"{comma}{options} }}]")
    };
    let filters = |options: &str| format!("[{pca}, {{ stage = \"filters\", {options} }}, \"tune\"]");
    let tune = |options: &str| format!("[{pca}, {{ stage = \"tune\", {options} }}]");
    for (text, words) in [
        // Nothing is learned that they could be about.
        ("[\"prior\"]".to_string(), vec!["codecs: prior", "there is none", "prior before it"]),
        ("[\"prior\", \"f16\"]".into(), vec!["codecs: prior", "there is none"]),
        ("[\"tune\"]".into(), vec!["codecs: tune", "there is none", "behind pca"]),
        ("[\"raw\", \"tune\"]".into(), vec!["codecs: tune", "there is none"]),
        ("[\"delta\", \"tune\"]".into(), vec!["codecs: tune", "there is none"]),
        (format!("[{residual}]"), vec!["codecs: residual", "there is none"]),
        (format!("[\"tune\", {pca}]"), vec!["codecs: tune", "behind pca"]),
        (format!("[{residual}, {pca}]"), vec!["codecs: residual", "behind pca"]),
        // Out of their order, or twice.
        (format!("[{pca}, \"prior\"]"), vec!["codecs: prior", "prior before it"]),
        (format!("[{pca}, \"f16\", \"prior\", \"tune\"]"), vec!["codecs: prior", "prior before it"]),
        (format!("[\"prior\", \"prior\", {pca}]"), vec!["codecs: prior", "behind prior", "each once"]),
        (format!("[{pca}, \"tune\", \"tune\"]"), vec!["codecs: tune", "behind tune", "each once"]),
        (
            format!("[{pca}, {residual}, {residual}]"),
            vec!["codecs: residual", "behind residual", "each once"],
        ),
        (
            format!("[{pca}, \"tune\", {residual}]"),
            vec!["codecs: residual", "behind tune", "residual, filters, tune and refresh"],
        ),
        (
            format!("[{pca}, {residual}, \"f16\"]"),
            vec!["codecs: f16", "list it before residual, filters and tune"],
        ),
        (
            format!("[{pca}, \"tune\", \"f16\"]"),
            vec!["codecs: f16", "list it before residual, filters and tune"],
        ),
        (format!("[\"f16\", \"prior\", {pca}]"), vec!["something else", "list it first"]),
        (format!("[\"delta\", {pca}, \"tune\"]"), vec!["something else", "list it first"]),
        (format!("[\"prior\", {pca}, {refresh}, \"tune\"]"), vec!["codecs: tune", "behind refresh"]),
        // Filters that nothing trains, or that are not there.
        (format!("[\"filters\", {pca}]"), vec!["codecs: filters", "behind pca"]),
        (format!("[{pca}, \"filters\"]"), vec!["codecs: filters", "nothing trains it", "list tune behind"]),
        (
            format!("[{pca}, \"filters\", \"tune\"]"),
            vec!["codecs: filters", "one vector", "leave filters out"],
        ),
        (format!("[{pca}, \"filters\", {residual}, \"tune\"]"), vec!["codecs: residual", "behind filters"]),
        (filters("lr = 0.0"), vec!["codecs: filters", "a rate of 0", "set lr above 0"]),
        (filters("rate = 1.0"), vec!["codecs: filters", "`rate`", "`lr`"]),
        (filters(&format!("stages = [{pca}]")), vec!["pca(3) learns", "values of filters", "leave it out"]),
        // Axes that are nobody's own, or too few of them.
        (format!("[{pca}, {refresh}]"), vec!["codecs: refresh", "list prior first"]),
        (
            format!("[\"prior\", {{ stage = \"pca\", floats = 3, shared = true }}, {refresh}]"),
            vec!["codecs: refresh", "pca that is not shared"],
        ),
        (
            format!("[\"prior\", {{ stage = \"pca\", floats = 1 }}, {refresh}]"),
            vec!["codecs: refresh", "1 of the 1 axes", "fewer axes"],
        ),
        (refresh_by(""), vec!["codecs: refresh", "set every", "or threshold"]),
        (refresh_by("every = 0"), vec!["codecs: refresh", "0 rounds", "1 or more"]),
        (refresh_by("threshold = 1.0"), vec!["codecs: refresh", "below 1"]),
        (refresh_by("every = 1, threshold = 0.5"), vec!["codecs: refresh", "leave one of them out"]),
        (refresh_by("every = 1, axes = 0"), vec!["codecs: refresh", "0 axes"]),
        (refresh_by("every = 1, axes = 9"), vec!["codecs: refresh", "1 to 8"]),
        // Options.
        (tune("epochs = 0"), vec!["codecs: tune", "0 epochs", "1 or more"]),
        (tune("batch = 0"), vec!["codecs: tune", "0 images", "1 or more"]),
        (tune("lr = 0.0"), vec!["codecs: tune", "lr"]),
        (tune("lr = -1.0"), vec!["codecs: tune", "lr"]),
        (tune("lr = nan"), vec!["codecs: tune", "lr"]),
        (tune("decay = -1.0"), vec!["codecs: tune", "decay"]),
        (tune("lr = \"fast\""), vec!["codecs: tune", "fast"]),
        (tune("epochs = -1"), vec!["codecs: tune", "-1"]),
        (tune("rate = 1.0"), vec!["codecs: tune", "`rate`", "`lr`"]),
        (tune("optimizer = \"newton\""), vec!["codecs: tune", "newton", "adam"]),
        (format!("[{{ stage = \"prior\", part = 1 }}, {pca}]"), vec!["codecs: prior", "`part`"]),
        (format!("[{pca}, \"residual\"]"), vec!["codecs: residual", "stages"]),
        (
            format!("[{pca}, {{ stage = \"residual\", stages = [] }}]"),
            vec!["codecs: residual", "without stages"],
        ),
        (
            format!("[{pca}, {{ stage = \"residual\", stages = [\"f17\"] }}]"),
            vec!["f17", "did you mean f16?"],
        ),
        (
            format!("[{pca}, {{ stage = \"residual\", stages = [{pca}] }}]"),
            vec!["feedback+pca(3) learns", "what a code misses", "leave it out"],
        ),
        (format!("[{pca}, {pca}, \"tune\"]"), vec!["pca(3) learns", "given a code", "list it first"]),
        (format!("[{pca}, \"feedback\", {pca}, \"tune\"]"), vec!["pca(3) learns", "given a code"]),
        ("[{ stage = \"pca\", floats = 3, shared = 1 }]".into(), vec!["codecs: pca", "boolean"]),
    ] {
        let error = pipeline(&Parts::default(), &text, 50).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage(), "{text}: {error}");
        let error = error.to_string();
        assert!(!error.contains('\n'), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "{text}: {word}: {error}"));
    }
}

#[test]
fn whatever_stands_around_a_code_is_named_in_its_label() {
    for (text, label) in [
        ("[\"prior\", { stage = \"pca\", floats = 3 }]", "prior+pca(3)"),
        ("[{ stage = \"pca\", floats = 3 }, \"tune\"]", "pca(3)+tune"),
        (
            "[\"prior\", { stage = \"pca\", floats = 10 }, \"f16\", \
             { stage = \"residual\", stages = [{ stage = \"ternary\", count = 9 }] }, { stage = \"tune\", epochs = 2 }]",
            "prior+pca(10)+f16+residual(feedback+ternary(9))+tune(epochs=2)",
        ),
        ("[{ stage = \"pca\", floats = 3, ship = \"int8\", shared = true }]", "pca(3,shared,int8)"),
        ("[\"feedback\", \"prior\", { stage = \"pca\", floats = 3 }]", "feedback+prior+pca(3)"),
    ] {
        let codec = pipeline(&Parts::default(), text, 50).unwrap();
        assert_eq!(codec.label(), label);
        assert!(codec.learns(), "{label}");
    }
}

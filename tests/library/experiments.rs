//! Specs of experiments at every scale, and their mistakes.

use fedfunnel::experiment::{Experiment, SCALES, list};

#[test]
fn every_experiment_is_whole_at_every_scale_and_reads_back() {
    let names: Vec<_> = list().unwrap().into_iter().map(|header| header.name).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in &names {
        for scale in SCALES {
            let spec = Experiment::load(name, Some(scale), &[]).unwrap();
            assert_eq!(spec.header().name, *name);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("printed.toml");
            std::fs::write(&path, spec.to_toml().unwrap()).unwrap();
            assert_eq!(Experiment::load(path.to_str().unwrap(), None, &[]).unwrap(), spec);
        }
    }
}

#[test]
fn wrong_names_scales_and_keys_are_answered_with_the_nearest() {
    let load = |name: &str, scale: Option<&str>, set: &[&str]| {
        Experiment::load(name, scale, &set.iter().map(|s| s.to_string()).collect::<Vec<_>>())
            .unwrap_err()
            .to_string()
    };
    assert!(load("fig4-mnist", None, &[]).contains("did you mean fig4-mnist-ae?"));
    assert!(load("fig4-mnist-ae", Some("huge"), &[]).contains("use smoke, laptop, paper"));
    let said = load("fig4-mnist-ae", None, &["autoencoder.epoch=3"]);
    assert!(
        said.contains("did you mean `epochs`?") && said.starts_with("--set autoencoder.epoch=3"),
        "{said}"
    );
    assert!(load("fig4-mnist-ae", None, &["sede=3"]).contains("did you mean `seed`?"));
}

//! A collaborator's result depends on its id, its data, the seed and the round, and on no group that it trains in.

use crate::support::{run_on, spec};
use fedfunnel::federation::{Outcome, Parts};
use fedfunnel::gpu::{Gpu, GpuOptions};

/// The limits of bindings that let one, two and all of five collaborators train together.
const LIMITS: [Option<u64>; 3] = [Some(100_400), Some(220_000), None];

/// The same where codes are tuned: four of a decoder's vectors have to fit a binding.
const LIMITS_OF_CODES: [Option<u64>; 3] = [Some(260_000), Some(520_000), None];

fn outcomes(limits: [Option<u64>; 3], settings: &[&str]) -> Vec<Outcome> {
    let parts = Parts::default();
    let shared = [
        "collaborators=5",
        // Shares of very different sizes.
        "partition={kind=\"dirichlet\",alpha=0.3}",
        "images=700",
        "seed=3",
        "codecs=[\"raw\",[\"delta\",{stage=\"topk\",part=0.1}]]",
    ];
    let spec = spec(&parts, &[&shared[..], settings].concat());
    let one = |max_binding_bytes| {
        let folder = tempfile::tempdir().unwrap();
        let gpu = Gpu::open(&GpuOptions { max_binding_bytes, ..GpuOptions::default() }).unwrap();
        run_on(&gpu, folder.path(), &spec, &parts)
    };
    limits.map(one).into()
}

fn check(settings: &[&str]) {
    check_within(LIMITS, settings);
}

fn check_within(limits: [Option<u64>; 3], settings: &[&str]) {
    let outcomes = outcomes(limits, settings);
    let [whole, groups @ ..] = outcomes.as_slice() else { panic!("three runs") };
    let least = whole.samples.iter().min().unwrap();
    assert!(whole.samples.iter().max().unwrap() > &(3 * least), "{:?}", whole.samples);
    // The negative control: models of another codec are further apart.
    let [raw, coded] = whole.federations.as_slice() else { panic!("two federations") };
    assert!(raw.model.iter().zip(&coded.model).any(|(a, b)| (a - b).abs() > 1e-3));
    for group in groups {
        assert_eq!((&group.samples, &group.snapshots), (&whole.samples, &whole.snapshots));
        for (own, other) in group.federations.iter().zip(&whole.federations) {
            // Tensors that are cut in other places are summed in another order, and no more than that.
            let furthest =
                own.model.iter().zip(&other.model).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(furthest < 1e-6, "{}: {furthest}", own.label);
            assert_eq!(own.ledger, other.ledger, "{}", own.label);
            for (own, other) in own.rounds.iter().zip(&other.rounds) {
                // Test images are looked at as many at a time as fit, and their losses summed in f32.
                assert!(
                    (own.tested.unwrap().test_loss - other.tested.unwrap().test_loss).abs()
                        < 1e-6 * other.tested.unwrap().test_loss
                );
                assert!(
                    (own.train_loss.unwrap() - other.train_loss.unwrap()).abs()
                        < 1e-6 * other.train_loss.unwrap()
                );
                assert_eq!(own.tested.unwrap().test_accuracy, other.tested.unwrap().test_accuracy);
            }
        }
    }
}

#[test]
fn training_does_not_depend_on_the_group() {
    check(&[]);
}

#[test]
fn changed_images_do_not_depend_on_the_group() {
    check(&["flip=true", "crop=2", "standardize=true"]);
}

#[test]
fn what_strategies_add_to_steps_does_not_depend_on_the_group() {
    let sgd = "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}";
    check(&[sgd, "strategy={preset=\"scaffold-m\",local={beta=0.6}}"]);
    check(&[sgd, "strategy={preset=\"feddyn\",local={kind=\"dyn\",alpha=0.3}}"]);
}

#[test]
fn logs_do_not_depend_on_the_group() {
    let settings = [
        "prepass={kind=\"federated\",rounds=1,snapshot_every=2}",
        "local_epochs=3",
        "codecs=[\"raw\",{stage=\"pca\",floats=1}]",
    ];
    check(&settings);
}

#[test]
fn tuned_codes_do_not_depend_on_the_group() {
    let settings = [
        "prepass={kind=\"isolated\",epochs=6,snapshot_every=2}",
        "codecs=[\"raw\",[\"prior\",{stage=\"pca\",floats=2},{stage=\"tune\",batch=20}]]",
    ];
    check_within(LIMITS_OF_CODES, &settings);
}

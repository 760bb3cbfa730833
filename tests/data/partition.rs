//! Every partitioner: each sample once, nobody empty, the same parts for the same seed.

use fedfunnel::data::{ClassAssignment, Partitioner, Shards, partition};
use proptest::prelude::*;

fn mixed(samples: usize, classes: usize) -> Vec<u8> {
    (0..samples).map(|i| ((i * 7 + i / classes) % classes) as u8).collect()
}

fn classes_of(part: &[usize], labels: &[u8]) -> usize {
    part.iter().map(|&sample| labels[sample]).collect::<std::collections::BTreeSet<_>>().len()
}

fn dirichlet(alpha: f64) -> Partitioner {
    Partitioner::Dirichlet { alpha, self_balancing: false }
}

fn shard(shards_per_collaborator: usize) -> Partitioner {
    Partitioner::Shard(Shards::each(shards_per_collaborator))
}

fn pathological(classes_per_collaborator: usize) -> Partitioner {
    let class_assignment_mode = ClassAssignment::Balanced;
    Partitioner::Pathological { classes_per_collaborator, class_assignment_mode }
}

fn any_partitioner() -> impl Strategy<Value = Partitioner> {
    prop_oneof![
        Just(Partitioner::Iid),
        (-6.0..9.0f64).prop_map(|e| dirichlet(10f64.powf(e).clamp(1e-6, 1e9))),
        (0usize..6).prop_map(shard),
        (0usize..12).prop_map(pathological),
    ]
}

proptest! {
    #[test]
    fn every_sample_once_and_nobody_empty(
        labels in prop::collection::vec(0u8..10, 0..300),
        collaborators in 0usize..40,
        partitioner in any_partitioner(),
        seed: u64,
    ) {
        let first = partition(&labels, collaborators, &partitioner, seed);
        let second = partition(&labels, collaborators, &partitioner, seed);
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(&first, &second);
                prop_assert_eq!(first.len(), collaborators);
                prop_assert!(first.iter().all(|part| !part.is_empty() && part.is_sorted()));
                let mut all = first.concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
                let sizes = first.iter().map(Vec::len);
                if partitioner == Partitioner::Iid {
                    prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
                }
                if let Partitioner::Pathological { classes_per_collaborator, .. } = partitioner {
                    prop_assert!(first.iter().all(|part| classes_of(part, &labels) == classes_per_collaborator));
                }
            }
            (Err(first), Err(second)) => {
                prop_assert!(first.is_usage());
                prop_assert_eq!(first.to_string(), second.to_string());
                // Where everybody can get a sample, these two never refuse.
                let always = matches!(partitioner, Partitioner::Iid | Partitioner::Dirichlet { .. });
                prop_assert!(!always || collaborators == 0 || labels.len() < collaborators);
            }
            _ => prop_assert!(false, "two runs disagree"),
        }
    }

    #[test]
    fn a_partitioner_survives_toml(partitioner in any_partitioner()) {
        let toml = toml::to_string(&partitioner).unwrap();
        prop_assert_eq!(toml::from_str::<Partitioner>(&toml).unwrap(), partitioner);
    }
}

#[test]
fn seeds_matter() {
    let labels = mixed(200, 10);
    for partitioner in [Partitioner::Iid, dirichlet(0.5), shard(2), pathological(2)] {
        let one = partition(&labels, 10, &partitioner, 1).unwrap();
        assert_ne!(one, partition(&labels, 10, &partitioner, 2).unwrap(), "{partitioner:?}");
    }
}

#[test]
fn a_small_alpha_skews_and_a_large_one_does_not() {
    let labels = mixed(10_000, 10);
    let classes_held = |alpha| {
        let parts = partition(&labels, 10, &dirichlet(alpha), 3).unwrap();
        // Classes of which a collaborator holds at least a tenth of an even share.
        let held: usize = parts
            .iter()
            .map(|part| {
                let mut counts = [0; 10];
                part.iter().for_each(|&sample| counts[usize::from(labels[sample])] += 1);
                counts.iter().filter(|&&count| count >= 10).count()
            })
            .sum();
        held as f64 / 10.0
    };
    assert!(classes_held(0.05) < 4.0, "{}", classes_held(0.05));
    assert_eq!(classes_held(1000.0), 10.0);
}

#[test]
fn shards_hold_few_classes() {
    let labels = mixed(1000, 10);
    let parts = partition(&labels, 10, &shard(2), 5).unwrap();
    assert!(parts.iter().all(|part| part.len() == 100 && classes_of(part, &labels) <= 2));
}

#[test]
fn what_cannot_be_dealt_out_says_why() {
    let error = |labels: &[u8], collaborators, partitioner: Partitioner| {
        partition(labels, collaborators, &partitioner, 0).unwrap_err().to_string()
    };
    let iid = Partitioner::Iid;
    assert_eq!(error(&[0], 0, iid.clone()), "collaborators: there are none; set it to 1 or more");
    assert_eq!(
        error(&[0, 1], 3, iid),
        "collaborators: 2 samples cannot give 3 collaborators one each; set it to 2 or less"
    );
    assert!(error(&[0; 9], 3, shard(4)).contains("set it to 3 or less"));
    assert!(error(&[0, 1, 2, 3], 2, pathological(1)).contains("set it to 2 or more"));
    assert!(error(&[0, 1, 0, 1], 2, pathological(3)).contains("set it between 1 and 2"));
    assert!(
        error(&[0, 0, 0, 1], 3, pathological(2)).contains("class 1 has 1 sample for the 3 collaborators")
    );
    for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(error(&[0; 9], 3, dirichlet(alpha)).starts_with("partition.alpha: "));
    }
}

#[test]
fn toml_that_is_no_partitioner() {
    for kind in ["random", "dirichlet", "shard"] {
        assert!(toml::from_str::<Partitioner>(&format!("kind = \"{kind}\"")).is_err(), "{kind}");
    }
    let parsed: Partitioner = toml::from_str("kind = \"dirichlet\"\nalpha = 0.5").unwrap();
    assert_eq!(parsed, dirichlet(0.5));
    assert!(toml::from_str::<Partitioner>("kind = \"dirichlet\"\nalhpa = 0.5").is_err());
}

/// A digest of who gets which sample.
fn digest(parts: &[Vec<usize>]) -> u64 {
    let places = parts.iter().enumerate().flat_map(|(who, part)| part.iter().map(move |s| who * 2000 + s));
    places.fold(0xcbf2_9ce4_8422_2325, |hash, place| (hash ^ place as u64).wrapping_mul(0x0100_0000_01b3))
}

/// Recorded experiments are repeated with the parts that they had.
#[test]
fn a_seed_gives_the_same_parts_in_every_release() {
    let labels = mixed(2000, 10);
    for (partitioner, of_7, of_150) in [
        (Partitioner::Iid, 0xd1ff_8f70_746a_c251, 0xd97c_a3ab_a31d_a20b),
        (dirichlet(0.3), 0x4c10_bceb_eeea_d077, 0xf1f3_ffd9_2aae_377d),
        (dirichlet(0.01), 0xfc04_a53a_e670_cf1b, 0x0f3a_9696_31a6_c71d),
        (shard(3), 0x7765_1912_92a1_e047, 0xc61a_94b3_d0b2_8873),
        (pathological(2), 0x5a2b_80c0_1f41_f3a5, 0x9d62_17b4_30a7_1cbd),
    ] {
        for (collaborators, due) in [(7, of_7), (150, of_150)] {
            let parts = partition(&labels, collaborators, &partitioner, 5).unwrap();
            assert_eq!(digest(&parts), due, "{partitioner:?} of {collaborators}");
        }
    }
}

//! Every kind of population through what users write: options, sizes, refusals, and flwr-datasets' own numbers.

use fedfunnel::data::{Dataset, Groups, ImageShape, LabelCounts, Partition, Spread};
use proptest::prelude::*;
use serde_json::Value;

/// Images of one pixel.
fn data(labels: Vec<u8>, pixels: Vec<u8>) -> Dataset {
    let shape = ImageShape { channels: 1, height: 1, width: 1 };
    Dataset { name: "dots".into(), images: pixels, labels, shape, classes: 10, groups: None }
}

/// The data of the goldens.
fn golden_data(samples: usize) -> Dataset {
    let labels = (0..samples).map(|i| ((i * 7 + i / 10) % 10) as u8).collect();
    data(labels, (0..samples).map(|i| (i * 37 % 256) as u8).collect())
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../goldens/partition.json")).unwrap()
}

fn parse(text: &str) -> Partition {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn deal(text: &str, data: &Dataset, collaborators: usize, seed: u64) -> Vec<Vec<usize>> {
    parse(text).deal(data, collaborators, seed).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str, data: &Dataset, collaborators: usize) -> String {
    let error = parse(text).deal(data, collaborators, 0).unwrap_err();
    assert!(error.is_usage());
    error.to_string()
}

fn sizes(parts: &[Vec<usize>]) -> Vec<usize> {
    parts.iter().map(Vec::len).collect()
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

fn counts(data: &Dataset, parts: &[Vec<usize>]) -> LabelCounts {
    LabelCounts::of(&data.labels, data.classes, parts)
}

/// Every kind with sensible options, and whether it uses all samples.
const KINDS: [(&str, bool); 17] = [
    ("kind = \"iid\"", true),
    ("kind = \"dirichlet\"\nalpha = 0.3", true),
    ("kind = \"dirichlet\"\nalpha = 0.05\nself_balancing = true", true),
    ("kind = \"dirichlet\"\nalpha = 0.05\nmin_size = 7", true),
    ("kind = \"inner-dirichlet\"\nalpha = 0.2", true),
    ("kind = \"inner-dirichlet\"\nalpha = 0.2\npartition_sizes = [5, 9, 1, 80, 3]", false),
    ("kind = \"shard\"\nshards_per_collaborator = 2", true),
    ("kind = \"shard\"\nshard_size = 7", false),
    ("kind = \"shard\"\nshard_size = 7\nkeep_incomplete_shard = true", true),
    ("kind = \"pathological\"\nclasses_per_collaborator = 2", true),
    ("kind = \"pathological\"\nclasses_per_collaborator = 2\nclass_assignment_mode = \"random\"", false),
    (
        "kind = \"pathological\"\nnum_classes_per_partition = 2\nclass_assignment_mode = \"first-deterministic\"",
        false,
    ),
    ("kind = \"size\"\npartition_sizes = [5, 9, 1, 80, 3]", false),
    ("kind = \"linear\"", true),
    ("kind = \"square\"", true),
    ("kind = \"exponential\"", true),
    ("kind = \"continuous\"\nstrictness = 0.4", true),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_sample_goes_to_two_and_all_are_used_by_kinds_that_say_so(
        samples in 220usize..400, kind in 0..KINDS.len(), seed: u64
    ) {
        let (text, uses_all) = KINDS[kind];
        let data = golden_data(samples);
        let parts = deal(text, &data, 5, seed);
        prop_assert_eq!(&parts, &deal(text, &data, 5, seed));
        prop_assert!(parts.len() == 5 && parts.iter().all(|part| !part.is_empty() && part.is_sorted()));
        let mut all = parts.concat();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        prop_assert_eq!(all.len(), count);
        prop_assert!(all.iter().all(|&sample| sample < samples));
        prop_assert!(!uses_all || count == samples);
        prop_assert!(parts.iter().all(|part| part.len() >= parse(text).min_size));
    }
}

#[test]
fn every_kind_survives_toml_and_says_nothing_of_defaults() {
    for (text, _) in KINDS {
        let partition = parse(text);
        let written = toml::to_string(&partition).unwrap();
        assert_eq!(parse(&written), partition, "{written}");
    }
    assert_eq!(
        toml::to_string(&parse("kind = \"dirichlet\"\nalpha = 0.5")).unwrap(),
        "kind = \"dirichlet\"\nalpha = 0.5\n"
    );
    assert_eq!(toml::to_string(&Partition::default()).unwrap(), "kind = \"iid\"\n");
    assert_eq!(parse("kind = \"natural\""), parse("kind = \"natural-id\""));
    assert_eq!(parse("kind = \"iid\"\nmin_partition_size = 3").min_size, 3);
}

#[test]
fn growing_sizes_are_those_of_flwr() {
    for case in golden()["growing"].as_array().unwrap() {
        let (samples, due) = (case["samples"].as_u64().unwrap() as usize, numbers(&case["sizes"]));
        let text = format!("kind = {}", case["kind"]);
        let parts = deal(&text, &golden_data(samples), due.len(), 4);
        assert_eq!(sizes(&parts), due, "{text} {samples}");
        let other = deal(&text, &golden_data(samples), due.len(), 5);
        assert!(due.len() == 1 || parts != other, "{text}: the seed says who gets which");
    }
}

#[test]
fn what_is_drawn_is_like_flwrs_in_the_mean() {
    let golden = golden();
    let data = golden_data(golden["samples"].as_u64().unwrap() as usize);
    for case in golden["drawn"].as_array().unwrap() {
        let text = case["toml"].as_str().unwrap();
        let all: Vec<_> = (0..60).map(|seed| deal(text, &data, 10, seed)).collect();
        let mean = |of: &dyn Fn(&[Vec<usize>]) -> f64| {
            all.iter().map(|parts| of(parts)).sum::<f64>() / all.len() as f64
        };
        let near = |found: f64, due: &Value, tolerance: f64| {
            let due = due.as_f64().unwrap();
            assert!((found / due - 1.0).abs() < tolerance, "{text}: {found} and not {due}");
        };
        if case["explained"].is_number() {
            let found = mean(&|parts| explained(&data, parts));
            assert!((found - case["explained"].as_f64().unwrap()).abs() < 0.01, "{text}: {found}");
            continue;
        }
        // The means of 60 draws lie within 5 % of each other; without balancing the largest is 12 % larger.
        near(mean(&|parts| concentration(&data, parts)), &case["concentration"], 0.05);
        near(mean(&|parts| *sizes(parts).iter().max().unwrap() as f64), &case["largest"], 0.08);
    }
}

/// The mean of the sums of squares of collaborators' class proportions.
fn concentration(data: &Dataset, parts: &[Vec<usize>]) -> f64 {
    let held: Vec<_> =
        counts(data, parts).0.into_iter().filter(|counts| counts.iter().sum::<usize>() > 0).collect();
    let squares = held.iter().map(|counts| {
        let sum = counts.iter().sum::<usize>() as f64;
        counts.iter().map(|&count| (count as f64 / sum).powi(2)).sum::<f64>()
    });
    squares.sum::<f64>() / held.len() as f64
}

/// How much of the variance of the brightness lies between collaborators.
fn explained(data: &Dataset, parts: &[Vec<usize>]) -> f64 {
    let values: Vec<f64> = data.brightness().collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let all: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let between = parts.iter().map(|part| {
        let own = part.iter().map(|&sample| values[sample]).sum::<f64>() / part.len() as f64;
        part.len() as f64 * (own - mean).powi(2)
    });
    between.sum::<f64>() / all
}

#[test]
fn classes_and_shards_are_assigned_as_flwr_does() {
    let golden = golden();
    let data = golden_data(2000);
    let text =
        "kind = \"pathological\"\nclasses_per_collaborator = 3\nclass_assignment_mode = \"deterministic\"";
    let due: Vec<_> = golden["deterministic"].as_array().unwrap().iter().map(numbers).collect();
    assert_eq!(counts(&data, &deal(text, &data, 13, 1)).0, due);
    let text = text.replace("deterministic", "first-deterministic");
    for (who, counts) in counts(&data, &deal(&text, &data, 13, 1)).0.iter().enumerate() {
        assert!(counts[who % 10] > 0 && counts.iter().filter(|count| **count > 0).count() == 3, "{counts:?}");
    }
    for case in golden["shards"].as_array().unwrap() {
        let parts = deal(case["toml"].as_str().unwrap(), &data, 9, 3);
        let mut found = sizes(&parts);
        found.sort_unstable();
        assert_eq!(found.iter().sum::<usize>() as u64, case["sum"].as_u64().unwrap(), "{case}");
        // Where the smaller shard falls is drawn.
        if case["toml"].as_str().unwrap().contains("incomplete") {
            assert!(counts(&data, &parts).classes_held().max() <= Some(8));
        } else {
            assert_eq!(found, numbers(&case["sizes"]), "{case}");
        }
    }
}

#[test]
fn strictness_goes_from_chance_to_the_order_of_brightness() {
    let data = golden_data(1000);
    let brightest = |part: &Vec<usize>| part.iter().map(|&sample| data.images[sample]).max().unwrap();
    let darkest = |part: &Vec<usize>| part.iter().map(|&sample| data.images[sample]).min().unwrap();
    let strict = deal("kind = \"continuous\"\nstrictness = 1.0", &data, 4, 8);
    assert!(strict.windows(2).all(|pair| brightest(&pair[0]) <= darkest(&pair[1])));
    assert_eq!(strict, deal("kind = \"continuous\"\nstrictness = 1.0", &data, 4, 9));
    let loose = deal("kind = \"continuous\"\nstrictness = 0.0", &data, 4, 8);
    assert!(explained(&data, &loose) < 0.02 && explained(&data, &strict) > 0.9);
    assert_eq!(sizes(&deal("kind = \"continuous\"\nstrictness = 0.5", &data, 3, 0)), [334, 333, 333]);
    // At random, brightness may be what it is.
    let black = Dataset { images: vec![0; 1000], ..data.clone() };
    assert_eq!(deal("kind = \"continuous\"\nstrictness = 0.0", &black, 4, 8), loose);
    let error = refusal("kind = \"continuous\"\nstrictness = 0.5", &black, 4);
    assert_eq!(
        error,
        "partition.strictness: all images of dots are equally bright; set it to 0, or use another kind"
    );
}

#[test]
fn natural_groups_are_collaborators() {
    let names = ["b", "a", "b", "c", "a", "b"];
    let mut data = data(vec![0, 1, 0, 1, 0, 1], vec![0; 6]);
    let error = refusal("kind = \"natural\"", &data, 3);
    assert!(error.starts_with("partition.kind: dots has no groups; put a file train-groups.txt"), "{error}");
    data.groups = Some(Groups::new(&names));
    assert_eq!(deal("kind = \"natural\"", &data, 3, 0), [vec![1, 4], vec![0, 2, 5], vec![3]]);
    assert_eq!(deal("kind = \"natural-id\"\ngroup_size = 2", &data, 2, 0), [vec![0, 1, 2, 4, 5], vec![3]]);
    let error = refusal("kind = \"natural\"", &data, 2);
    assert_eq!(error, "collaborators: the images are of 3 groups; set it to 3, or partition.group_size to 2");
    assert_eq!(
        refusal("kind = \"natural\"", &data, 5),
        "collaborators: the images are of 3 groups; set it to 3"
    );
    assert!(refusal("kind = \"natural\"\ngroup_size = 0", &data, 3).starts_with("partition.group_size: "));
    let error = refusal("kind = \"natural\"\nmin_size = 2", &data, 3);
    assert!(error.contains("1 of 3 collaborators would get fewer than 2 samples"), "{error}");
    // Of the first images, the groups that they are of.
    let first = data.limit(3).unwrap();
    assert_eq!(deal("kind = \"natural\"", &first, 2, 0), [vec![1], vec![0, 2]]);
}

#[test]
fn groups_are_in_the_order_of_numbers_where_they_are_numbers() {
    let names = |each: &[&str]| Groups::new(each).names;
    assert_eq!(names(&["10", "9", "-1", "10"]), ["-1", "9", "10"]);
    assert_eq!(names(&["10", "9", "x"]), ["10", "9", "x"]);
    assert_eq!(Groups::new(&["9", "10", "9"]).of, [0, 1, 0]);
}

#[test]
fn nobody_is_empty_unless_it_is_asked_for() {
    let data = golden_data(60);
    let error = refusal("kind = \"square\"", &data, 20);
    assert!(error.starts_with("partition.min_size: "), "{error}");
    assert!(error.ends_with("take fewer collaborators or more images, or set it to 0"), "{error}");
    let empty = |text: &str, collaborators| {
        let parts = deal(&format!("{text}\nmin_size = 0"), &data, collaborators, 3);
        assert_eq!(parts.len(), collaborators);
        parts.iter().filter(|part| part.is_empty()).count()
    };
    assert!(empty("kind = \"square\"", 20) > 0);
    assert!(empty("kind = \"exponential\"", 1000) > 900);
    assert!(empty("kind = \"dirichlet\"\nalpha = 0.01", 30) > 0);
    assert!(empty("kind = \"continuous\"\nstrictness = 1.0", 70) == 10);
    assert!(empty("kind = \"inner-dirichlet\"\nalpha = 1.0", 70) == 10);
    assert!(empty("kind = \"iid\"", 70) == 10);
    let sparse = deal("kind = \"size\"\npartition_sizes = [0, 3]\nmin_size = 0", &data, 2, 0);
    assert_eq!(sizes(&sparse), [0, 3]);
    assert!(
        refusal("kind = \"size\"\npartition_sizes = [0, 3]", &data, 2)
            .starts_with("partition.min_size: 1 of 2")
    );
    // Dirichlet's small ones are fed, with no more than they lack.
    let parts = deal("kind = \"dirichlet\"\nalpha = 0.01\nmin_size = 2", &data, 30, 3);
    assert_eq!(sizes(&parts), [2; 30]);
    let error = refusal("kind = \"dirichlet\"\nalpha = 0.01\nmin_size = 3", &data, 30);
    assert_eq!(
        error,
        "partition.min_size: 60 samples cannot give 30 collaborators 3 each; set it to 2 or less"
    );
}

#[test]
fn options_that_cannot_work_are_named() {
    let data = golden_data(100);
    for (text, collaborators, said) in [
        (
            "kind = \"size\"\npartition_sizes = [5, 5]",
            3,
            "partition.partition_sizes: 2 sizes for 3 collaborators; ",
        ),
        (
            "kind = \"size\"\npartition_sizes = [60, 50]",
            2,
            "partition.partition_sizes: they sum to 110 samples, ",
        ),
        (
            "kind = \"inner-dirichlet\"\nalpha = 1.0\npartition_sizes = [5]",
            3,
            "partition.partition_sizes: 1 size ",
        ),
        ("kind = \"inner-dirichlet\"\nalpha = 0.0", 3, "partition.alpha: 0 is not a concentration; "),
        ("kind = \"continuous\"\nstrictness = 1.5", 3, "partition.strictness: 1.5 is no share; "),
        ("kind = \"continuous\"\nstrictness = nan", 3, "partition.strictness: NaN is no share; "),
        ("kind = \"shard\"\nshard_size = 0", 3, "partition.shard_size: nobody would get a sample; "),
        (
            "kind = \"shard\"\nshard_size = 40",
            3,
            "partition.shard_size: 100 samples make 2 shards of 40, not 1 shard ",
        ),
        ("kind = \"shard\"\nshards_per_collaborator = 90", 2, "partition.shards_per_collaborator: "),
        (
            "kind = \"shard\"\nshards_per_collaborator = 2\nshard_size = 5\nkeep_incomplete_shard = true",
            2,
            "partition.keep_incomplete_shard: ",
        ),
        (
            "kind = \"pathological\"\nclasses_per_collaborator = 11\nclass_assignment_mode = \"random\"",
            3,
            "partition.classes_per_collaborator: nobody can hold 11 of the 10 classes",
        ),
        ("kind = \"natural-id\"", 3, "partition.kind: dots has no groups; "),
    ] {
        let error = refusal(text, &data, collaborators);
        assert!(error.starts_with(said), "{text}: {error}");
    }
    for (text, said) in [
        ("kind = \"iid\"\nalpha = 1", "unknown field `alpha`, expected `kind` or `min_size`"),
        ("kind = \"linear\"\nmin_size = -1", "invalid value -1 for `min_size`, expected 0 or more"),
        ("kind = \"linear\"\nmin_size = 1\nmin_partition_size = 1", "duplicate field"),
        ("kind = \"shard\"", "missing field `shards_per_collaborator`"),
        ("kind = \"continuous\"", "missing field `strictness`"),
        ("kind = \"inner-dirichlet\"", "missing field `alpha`"),
        ("kind = \"size\"", "missing field `partition_sizes`"),
        ("kind = \"dirichlet\"\nalpha = 1\nmin_sise = 2", "unknown field `min_sise`"),
        ("kind = \"pathological\"\nclasses_per_collaborator = 2\nclass_assignment_mode = \"fair\"", "`fair`"),
        ("alpha = 1", "missing field `kind`"),
    ] {
        let error = toml::from_str::<Partition>(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn labels_are_counted_and_sizes_summed_up() {
    let data = golden_data(20);
    let counts = counts(&data, &[vec![0, 1, 2], vec![], vec![10, 0]]);
    assert_eq!(counts.sizes().collect::<Vec<_>>(), [3, 0, 2]);
    assert_eq!(counts.classes_held().collect::<Vec<_>>(), [3, 0, 2]);
    assert_eq!(Spread::of(counts.sizes()), Spread { least: 0, median: 2.0, most: 3 });
    assert_eq!(Spread::of([4, 1].into_iter()).median, 2.5);
}

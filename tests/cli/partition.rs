//! `data partition`: the table, the files, what cannot be dealt out; and simulations of every kind of population.

use crate::support::{fixtures, run_in, succeed_in, temporary, write_data};
use serde_json::Value;
use std::path::Path;

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let all: Vec<_> = [&["data", "partition"], arguments, &["--json"]].concat();
    serde_json::from_str(&succeed_in(folder, &all).stdout).expect("JSON")
}

#[test]
fn the_table_has_sizes_and_labels() {
    let folder = temporary();
    let data = fixtures().data().display().to_string();
    let few = ["data", "partition", "--data", &data, "--collaborators", "4", "--partition", "linear"];
    let text = succeed_in(folder.path(), &few).stdout;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "4 collaborators share 320 training images: 32 to 128 each, 80 in the median. Of 10 classes they hold 9 to 10 each, 10 in the median."
    );
    assert_eq!(lines[2], "Training images: all, and of each class from 0 on");
    let cells = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    assert_eq!(cells(lines[3]).join(" "), "collaborator images classes 0 1 2 3 4 5 6 7 8 9");
    let sizes: Vec<_> = lines[5..].iter().map(|line| cells(line)[1].clone()).collect();
    assert_eq!(sizes, ["32", "64", "96", "128"]);
    let sum: usize = cells(lines[5])[3..].iter().map(|cell| cell.parse::<usize>().unwrap()).sum();
    assert_eq!(sum, 32);

    let many = ["data", "partition", "--data", &data, "--collaborators", "100", "--images", "200"];
    let text = succeed_in(folder.path(), &many).stdout;
    assert!(
        text.starts_with("100 collaborators share 200 training images: 2 each. Of 10 classes they hold "),
        "{text}"
    );
    assert!(text.ends_with("and 80 more: --csv FILE writes all, --json prints them\n"), "{text}");
    let empty = ["--collaborators", "321", "--partition", "kind=\"iid\",min_size=0"];
    let text =
        succeed_in(folder.path(), &[&["data", "partition", "--data", &data], &empty[..]].concat()).stdout;
    assert!(
        text.contains("0 to 1 each, 1 in the median.") && text.contains(" 1 of them has none."),
        "{text}"
    );
}

#[test]
fn files_have_all_collaborators_and_pictures_are_drawn() {
    let folder = temporary();
    let data = fixtures().data().display().to_string();
    let shards = "{ kind = \"shard\", shards_per_collaborator = 2 }";
    let base = ["data", "partition", "--data", &data, "--collaborators", "50", "--partition", shards];
    let run = |more: &[&str]| succeed_in(folder.path(), &[&base[..], more].concat()).stdout;
    let said = run(&["--csv", "all.csv", "--out", "bars.svg"]);
    assert!(said.ends_with("\nall.csv\nbars.svg\n"), "{said}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let csv = read("all.csv");
    assert_eq!(csv.lines().count(), 51);
    assert!(csv.starts_with("collaborator,images,class 0,class 1,"), "{csv}");
    let sizes = csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse::<usize>().unwrap());
    assert_eq!(sizes.sum::<usize>(), 320);
    assert_eq!(run(&["--csv", "-"]), csv);
    let svg = read("bars.svg");
    assert!(
        svg.starts_with("<svg xmlns=")
            && svg.contains("class 9")
            && svg.contains("What each collaborator holds")
    );
    run(&["--out", "page.html", "--seed", "3"]);
    let page = read("page.html");
    assert!(page.contains("that 40 of 50 collaborators hold"));
    assert!(page.contains("fedfunnel data partition --data ") && page.contains("--seed 3 --out page.html"));
}

#[test]
fn a_spec_is_dealt_out_as_it_is_simulated() {
    let folder = temporary();
    let data = format!("data={:?}", fixtures().data().display().to_string());
    let skewed = "partition={kind=\"dirichlet\",alpha=0.3,min_size=20}";
    let settings = ["--set", &data, "--set", skewed, "--set", "collaborators=5", "--set", "seed=4"];
    let dealt = json(folder.path(), &[&["demo"], &settings[..]].concat());
    assert_eq!(
        (&dealt["images"], &dealt["dealt"], &dealt["classes"]),
        (&320.into(), &320.into(), &10.into())
    );
    assert_eq!((&dealt["seed"], &dealt["partition"]["min_size"]), (&4.into(), &20.into()));
    assert!(dealt["sizes"]["least"].as_u64() >= Some(20));
    let quick = ["--set", "codecs=[\"raw\"]", "--set", "rounds=1", "--out", "sim", "-q"];
    succeed_in(folder.path(), &[&["simulate", "demo"], &settings[..], &quick[..]].concat());
    let report = std::fs::read(folder.path().join("sim/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let plots = report["plots"].as_array().unwrap();
    let bars = plots.iter().find(|plot| plot["id"] == "labels").expect("label bars");
    assert_eq!(bars["bars"].as_array().unwrap().len(), 5);
    for (who, share) in dealt["collaborators"].as_array().unwrap().iter().enumerate() {
        for class in 0..10 {
            let drawn = bars["series"][class]["points"][who][1].as_f64().unwrap();
            assert_eq!(drawn, share["labels"][class].as_f64().unwrap(), "collaborator {who}, class {class}");
        }
    }
    let csv = std::fs::read_to_string(folder.path().join("sim/plots/labels.csv")).unwrap();
    assert!(csv.starts_with("Collaborator,class 0,") && csv.lines().count() == 6, "{csv}");
}

#[test]
fn every_kind_of_population_is_simulated() {
    let folder = temporary();
    write_data(&folder.path().join("own"), 60, 20);
    let writers: String = (0..60).map(|n| format!("writer {}\n", n % 3)).collect();
    std::fs::write(folder.path().join("own/train-groups.txt"), writers).unwrap();
    for (place, kind) in [
        "kind=\"linear\"",
        "kind=\"square\"",
        "kind=\"exponential\"",
        "kind=\"size\",partition_sizes=[5,40,9]",
        "kind=\"continuous\",strictness=0.5",
        "kind=\"inner-dirichlet\",alpha=0.5",
        "kind=\"shard\",shard_size=7",
        "kind=\"pathological\",classes_per_collaborator=2,class_assignment_mode=\"random\"",
        "kind=\"natural\"",
    ]
    .into_iter()
    .enumerate()
    {
        let (partition, out) = (format!("partition={{{kind}}}"), format!("sim-{place}"));
        let mut all = vec!["simulate", "demo", "--out", &out, "-q", "--set", &partition];
        for setting in ["data=./own", "codecs=[\"raw\"]", "rounds=1", "collaborators=3"] {
            all.extend(["--set", setting]);
        }
        succeed_in(folder.path(), &all);
    }
    let groups = json(folder.path(), &["--data", "./own", "--collaborators", "3", "--partition", "natural"]);
    let named: Vec<_> =
        groups["collaborators"].as_array().unwrap().iter().map(|one| one["group"].clone()).collect();
    assert_eq!(named, ["writer 0", "writer 1", "writer 2"]);
}

#[test]
fn what_cannot_be_dealt_out_is_said_in_a_line() {
    let folder = temporary();
    let data = fixtures().data().display().to_string();
    for (arguments, words) in [
        (
            &["--partition", "dirichlet"][..],
            &["--partition dirichlet: missing field `alpha`; add `alpha`"][..],
        ),
        (
            &["--partition", "diriclet"],
            &["--partition diriclet: unknown variant", "did you mean `dirichlet`?"],
        ),
        (
            &["--partition", "kind=\"iid\",min_sise=2"],
            &["unknown field `min_sise`", "did you mean `min_size`?"],
        ),
        (&["--partition", "kind=iid"], &["--partition kind=iid: "]),
        (&["--partition", "kind=\"dirichlet\",alpha=0"], &["--partition: alpha: 0 is not a concentration; "]),
        (
            &["--partition", "exponential", "--collaborators", "20"],
            &["--partition: min_size: ", "or set it to 0"],
        ),
        (
            &["--collaborators", "321"],
            &["--collaborators: 320 samples cannot give 321 collaborators one each; "],
        ),
        (&["--collaborators", "0"], &["--collaborators: 0 does nothing"]),
        (&["--images", "0"], &["--images: 0 does nothing"]),
        (&["--partition", "natural"], &["has no groups; put a file train-groups.txt"]),
        (
            &["--out", "bars.png"],
            &["--out: bars.png ends neither in .svg nor in .html; name a file that does"],
        ),
        (&["--csv", "-", "--json"], &["standard output is for --json already"]),
        (
            &["--set", "seed=1"],
            &["--set seed=1: it sets a field of a spec, and none is named; name one, such as demo"],
        ),
    ] {
        let mut all = vec!["data", "partition", "--data", &data];
        if !arguments.contains(&"--collaborators") {
            all.extend(["--collaborators", "4"]);
        }
        all.extend(arguments);
        let ran = run_in(folder.path(), &all);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        }
    }
    for (arguments, word) in [
        (&["data", "partition"][..], "--data"),
        (&["data", "partition", "demo", "--data", "mnist-sample"], "--data"),
        (&["data", "partition", "demo", "--set", "partition.kind=natural"], "mnist-sample has no groups"),
        (&["data", "partition", "demo", "--set", "collaborators=9999"], "error: collaborators: "),
    ] {
        let ran = run_in(folder.path(), arguments);
        assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

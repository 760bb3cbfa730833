//! What `fedfunnel train` does to images: fewer of them, standardised, flipped, shifted, grey.

use crate::support::*;
use std::path::Path;

/// A small classifier of colour images.
const COLOUR: &str = "name = \"colour\"\nkind = \"classifier\"\ninput = [3, 32, 32]\n\
    [[layers]]\nkind = \"dense\"\noutputs = 12\nactivation = \"relu\"\n\
    [[layers]]\nkind = \"dense\"\noutputs = 10\n";
const STATE_DICT: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];

fn temporary_with_spec() -> tempfile::TempDir {
    let folder = temporary();
    std::fs::write(folder.path().join("colour.toml"), COLOUR).expect("written");
    folder
}

/// Trains the small classifier, for two epochs where nothing else is said, and gives its parameters.
fn train(folder: &Path, out: &str, arguments: &str) -> Vec<f32> {
    let mut line = format!("train colour.toml --data cifar10-sample -q --out {out} --overwrite {arguments}");
    for (name, value) in [("--epochs", "2"), ("--lr", "1e-4")] {
        if !arguments.split_whitespace().any(|word| word == name) {
            line += &format!(" {name} {value}");
        }
    }
    succeed_in(folder, &line.split_whitespace().collect::<Vec<_>>());
    read_tensors(&folder.join(out).join("model.safetensors")).flat(&STATE_DICT)
}

fn metrics(folder: &Path, out: &str) -> Vec<serde_json::Value> {
    read_json_lines(&folder.join(out).join("metrics.jsonl"))
}

/// How many images an epoch was over.
fn images(line: &serde_json::Value) -> f64 {
    number(line, "images_per_second") * number(line, "seconds")
}

#[test]
fn a_limit_leaves_the_first_images() {
    let folder = temporary_with_spec();
    for (limit, seen) in [(1, 1.0), (100, 100.0), (1200, 1200.0), (1_000_000, 1200.0)] {
        train(folder.path(), "run", &format!("--limit {limit}"));
        for line in metrics(folder.path(), "run") {
            assert!((images(&line) - seen).abs() < 1e-6, "{limit}: {line}");
        }
    }
    // They are the first ones: a data set that has no others gives the same model.
    let (few, many) = (folder.path().join("few"), folder.path().join("many"));
    write_data(&few, 40, 20);
    write_data(&many, 320, 20);
    let run = |data: &str, more: &str| {
        let line =
            format!("train mnist-mlp --data ./{data} --epochs 2 --batch 16 -q --out out --overwrite {more}");
        succeed_in(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
        read_tensors(&folder.path().join("out/model.safetensors")).flat(&STATE_DICT)
    };
    let wanted = run("few", "");
    assert_eq!(run("many", "--limit 40"), wanted);
    assert_ne!(run("many", "--limit 39"), wanted);
    // Standardising takes the images that are left, too.
    assert_eq!(run("many", "--standardize --limit 40"), run("few", "--standardize"));
    // And steps are counted over them: 3 to an epoch.
    run("many", "--limit 40 --snapshots 2");
    let file = read_tensors(&folder.path().join("out/snapshots.safetensors"));
    assert_eq!(file.metadata["steps"], "2,4,6");
}

#[test]
fn tests_are_due_after_every_so_many_epochs_and_after_the_last() {
    let folder = temporary_with_spec();
    let often = train(folder.path(), "often", "--limit 64 --epochs 5");
    for (every, due) in [(2, vec![2, 4, 5]), (5, vec![5]), (100, vec![5])] {
        let seldom = train(folder.path(), "seldom", &format!("--limit 64 --epochs 5 --eval-every {every}"));
        assert_eq!(often, seldom, "testing changes the model");
        let lines = metrics(folder.path(), "seldom");
        assert_eq!(lines.len(), 5);
        for (line, tested) in lines.iter().zip(metrics(folder.path(), "often")) {
            assert_eq!(line["train_loss"], tested["train_loss"]);
            let is_due = due.contains(&line["epoch"].as_u64().expect("a number"));
            for key in ["test_loss", "test_accuracy"] {
                assert!(tested[key].is_f64());
                assert_eq!(line[key], if is_due { tested[key].clone() } else { serde_json::Value::Null });
            }
        }
    }
}

#[test]
fn every_change_is_another_run_and_the_same_one_twice() {
    let folder = temporary_with_spec();
    let mut models = vec![train(folder.path(), "plain", "--limit 200")];
    for change in ["--standardize", "--flip", "--crop 2", "--crop 4", "--grayscale", "--flip --crop 4"] {
        let how = format!("--limit 200 {change}");
        let model = train(folder.path(), "once", &how);
        assert!(model == train(folder.path(), "again", &how), "{change} gives two models");
        assert!(model.iter().all(|value| value.is_finite()), "{change}");
        assert!(!models.contains(&model), "{change} does what another did");
        models.push(model);
    }
    // With the order and the first weights fixed, a seed is left that says what is flipped and by how much it
    // is shifted; without changes it says nothing.
    let run = |seed: u32, how: &str| {
        let init = "--limit 200 --no-shuffle --init plain/model.safetensors";
        train(folder.path(), "seeded", &format!("{init} --seed {seed} {how}"))
    };
    assert!(run(1, "--standardize --grayscale") == run(2, "--standardize --grayscale"));
    for how in ["--flip", "--crop 4"] {
        assert!(run(1, how) != run(2, how), "{how} does not depend on the seed");
    }
}

/// Every epoch flips and shifts anew: two epochs are not one epoch twice.
#[test]
fn epochs_differ_in_what_happens_to_an_image() {
    let folder = temporary_with_spec();
    let run = |out: &str, how: &str| {
        let fixed = "--limit 200 --no-shuffle --optimizer sgd --momentum 0 --lr 0.01 --batch 200";
        train(folder.path(), out, &format!("{fixed} {how}"))
    };
    for (changes, repeats) in [("", true), ("--flip", false), ("--crop 4", false)] {
        let at_once = run("whole", &format!("{changes} --epochs 2"));
        run("half", &format!("{changes} --epochs 1"));
        let twice = run("rest", &format!("{changes} --epochs 1 --init half/model.safetensors"));
        assert_eq!(at_once == twice, repeats, "{changes}");
    }
}

#[test]
fn test_images_are_standardised_and_grey_but_never_flipped_or_shifted() {
    let folder = temporary_with_spec();
    train(folder.path(), "plain", "--limit 200");
    // At this rate nothing is learned, so that the test says what became of its images.
    let run = |how: &str| {
        let fixed = "--limit 200 --epochs 1 --optimizer sgd --momentum 0 --lr 1e-30";
        train(folder.path(), "run", &format!("{fixed} --init plain/model.safetensors {how}"));
        let line = metrics(folder.path(), "run").remove(0);
        (number(&line, "train_loss"), number(&line, "test_loss"))
    };
    let plain = run("");
    for (how, reaches_tests) in
        [("--flip", false), ("--crop 4", false), ("--standardize", true), ("--grayscale", true)]
    {
        let (train_loss, test_loss) = run(how);
        assert_ne!(train_loss, plain.0, "{how}");
        assert_eq!(test_loss != plain.1, reaches_tests, "{how}");
    }
}

/// Mirrored and shifted images are as bright as they were; a model that learned from them still learns.
#[test]
fn changed_images_can_be_learned_from() {
    let folder = temporary_with_spec();
    let how = "--epochs 6 --standardize --flip --crop 2 --eval-every 6 --lr 1e-3";
    train(folder.path(), "run", how);
    let lines = metrics(folder.path(), "run");
    assert!(number(&lines[5], "train_loss") < 0.95 * number(&lines[0], "train_loss"), "{lines:?}");
    assert!(number(&lines[5], "test_accuracy") > 0.2, "{lines:?}");
}

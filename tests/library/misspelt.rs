//! Mistakes in specs are named by their lines.

use fedfunnel::experiment::Experiment;
use fedfunnel::federation::SimulationSpec;
use fedfunnel::model::ModelSpec;
use fedfunnel::settings;
use std::path::Path;

/// What is said of a text that is no such spec.
type Read = fn(&str) -> Option<String>;

/// Specs of all kinds, with how each is read.
fn specs() -> Vec<(&'static str, Read)> {
    fn model(text: &str) -> Option<String> {
        ModelSpec::parse(text, Path::new("own")).err().map(|error| error.to_string())
    }
    fn simulation(text: &str) -> Option<String> {
        settings::parse::<SimulationSpec>(text, Path::new("own"), &[]).err().map(|error| error.to_string())
    }
    fn experiment(text: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own");
        std::fs::write(&path, text).unwrap();
        let said = Experiment::load(path.to_str().unwrap(), Some("smoke"), &[]).err()?.to_string();
        Some(said.replace(path.to_str().unwrap(), "own"))
    }
    vec![
        (include_str!("../../models/mnist-mlp.toml"), model),
        (include_str!("../../models/cifar10-vgg3.toml"), model),
        (include_str!("../../models/ae-cifar10.toml"), model),
        (include_str!("../../models/ae-conv-cifar10.toml"), model),
        (include_str!("../../models/experiments/demo.toml"), simulation),
        (include_str!("../../models/experiments/mnist.toml"), simulation),
        (include_str!("../../models/experiments/fig4-mnist-ae.toml"), experiment),
        (include_str!("../../models/experiments/fig8-colour-imbalance.toml"), experiment),
        (include_str!("../../models/experiments/fig5-mnist-validation.toml"), experiment),
    ]
}

/// The text with the key of one line misspelt, where it has one that is looked at; and that key.
fn misspelt(text: &str, line: usize) -> Option<(String, String)> {
    let lines: Vec<_> = text.lines().collect();
    let (key, rest) = match lines[line].trim_start_matches('[') {
        table if table.len() < lines[line].len() => table.split_once(']')?,
        plain => plain.split_once(" =").filter(|(key, _)| !key.starts_with('#'))?,
    };
    // A kind tells what is expected, and its absence concerns the whole table. What is of other scales is not
    // looked at, and the table of a scale may have what would be missing without it.
    let scale = lines[..=line].iter().rev().find_map(|line| line.strip_prefix('['));
    let unseen = scale.is_some_and(|scale| scale.starts_with("laptop") || scale.starts_with("paper"));
    // Another table would make this one again, without what it needs.
    let made_again = text.contains(&format!("\n[{key}."))
        || key.rsplit('.').next().is_some_and(|last| text.contains(&format!("\n{last} = {{")));
    let of_scale = lines[line].starts_with("[smoke");
    let wrong = format!("{key}x");
    if made_again || of_scale || key == "kind" || unseen {
        return None;
    }
    let open = &lines[line][..lines[line].len() - lines[line].trim_start_matches('[').len()];
    let rest = if open.is_empty() { format!(" ={rest}") } else { format!("]{rest}") };
    let changed = format!("{open}{wrong}{rest}");
    let lines = lines.iter().enumerate().map(|(place, own)| if place == line { &changed } else { *own });
    Some((lines.collect::<Vec<_>>().join("\n"), wrong))
}

#[test]
fn a_misspelt_key_is_found_in_its_line_wherever_it_is() {
    let mut tried = 0;
    for (text, read) in specs() {
        assert_eq!(read(text), None);
        for line in 0..text.lines().count() {
            let Some((text, wrong)) = misspelt(text, line) else { continue };
            let indented = text.replace('\n', "\n\t ");
            let last = wrong.rsplit(['.', ' ']).next().unwrap();
            for (text, more) in
                [(text.replace('\n', "\r\n"), 0), (format!("\n\n{text}\n"), 2), (indented, 0), (text, 0)]
            {
                let said = read(&text).unwrap_or_else(|| panic!("{wrong} is taken"));
                let place = format!("own (line {}): unknown field `{last}`", line + 1 + more);
                assert!(said.starts_with(&place), "{place}: {said}");
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn a_wrong_value_and_a_missing_one_are_found_as_well() {
    let layers = "name = \"x\"\nkind = \"classifier\"\ninput = [1, 2, 3]\n\n[[layers]]\nkind = \"dense\"\n\
                  outputs = 3\n\n[[layers]]\nkind = \"dense\"\noutputs = 3\n";
    let said = |from: &str, to: &str| {
        assert!(layers.contains(from), "{from}");
        ModelSpec::parse(&layers.replacen(from, to, 1), Path::new("own")).unwrap_err().to_string()
    };
    for (from, to, line) in [
        ("name = \"x\"", "name = 3", "line 1"),
        ("\"classifier\"", "\"clasifier\"", "line 2"),
        ("[1, 2, 3]", "[1,\n 2,\n \"3\"]", "line 5"),
        ("[1, 2, 3]", "[1, 2]", "line 3"),
        ("outputs = 3\n\n", "outputs = -3\n\n", "line 7"),
        ("\"dense\"\noutputs = 3\n\n", "\"dens\"\n\n", "line 6"),
        // The second layer has no number of outputs.
        (
            "outputs = 3\n\n[[layers]]\nkind = \"dense\"\noutputs = 3\n",
            "outputs = 3\n\n[[layers]]\nkind = \"dense\"\n",
            "line 9",
        ),
        // What is no TOML, and what ends too early.
        ("outputs = 3\n\n", "outputs 3\n\n", "line 7"),
        ("outputs = 3\n\n[[layers]]\nkind = \"dense\"\noutputs = 3\n", "outputs = [\n", "line 7"),
    ] {
        assert!(said(from, to).contains(&format!("own ({line})")), "{to}: {}", said(from, to));
    }
    // Nothing has a line there.
    assert!(said("name = \"x\"\n", "").starts_with("own: missing field `name`"));
}

//! The reference of specs, `docs/specs.md`, is made of what the code says of its fields: a field that is added, or said
//! otherwise, is there too, or this test fails. `FEDFUNNEL_WRITE_DOCS=1 cargo test --test library reference` writes it.

use std::path::PathBuf;

/// A part of the page: its heading, what stands under it, and the type in its file.
type Part = (&'static str, &'static str, &'static str, &'static str);

const PARTS: &[Part] = &[
    (
        "Simulations",
        "The top of a spec of `fedfunnel simulate`, and the table `federation` of a comparison.",
        "src/federation/spec/mod.rs",
        "SimulationSpec",
    ),
    ("`initial`", "", "src/federation/spec/mod.rs", "Initial"),
    ("`local_tests`", "", "src/federation/spec/mod.rs", "LocalTests"),
    ("`participation`", "", "src/federation/spec/participation.rs", "Participation"),
    ("`participation.sampling`", "", "src/federation/spec/participation.rs", "Sampling"),
    ("`optimizer`", "Of a simulation, and of `autoencoder`.", "src/ops/optimizer/settings.rs", "Optimizer"),
    ("`optimizer.kind`", "", "src/ops/optimizer/settings.rs", "OptimizerKind"),
    ("`optimizer.moments`", "", "src/ops/optimizer/settings.rs", "Moments"),
    ("`prepass`", "", "src/federation/spec/prepass.rs", "Prepass"),
    ("`prepass.kind`", "", "src/federation/spec/prepass.rs", "PrepassKind"),
    (
        "`autoencoder`",
        "Also the options of the stage `autoencoder`.",
        "src/autoencoder/settings.rs",
        "AutoencoderSettings",
    ),
    ("`autoencoder.space`", "", "src/autoencoder/small/space.rs", "Space"),
    (
        "`faults`",
        "Chances are for every collaborator in every round by itself.",
        "src/federation/spec/faults.rs",
        "Faults",
    ),
    ("`faults.below`", "", "src/federation/spec/faults.rs", "Below"),
    ("`attack`", "", "src/federation/spec/attack.rs", "Attack"),
    ("`attack.kind`", "", "src/federation/spec/attack.rs", "AttackKind"),
    ("`clock`", "", "src/federation/spec/clock.rs", "Clock"),
    ("`clock.seconds_per_step` and the others", "", "src/federation/spec/clock.rs", "LogNormal"),
    ("`asynchrony`", "", "src/federation/spec/asynchrony.rs", "Asynchrony"),
    ("`asynchrony.kind`", "", "src/federation/spec/asynchrony.rs", "AsynchronyKind"),
    ("`asynchrony.staleness`", "", "src/federation/spec/asynchrony.rs", "Staleness"),
    (
        "Classifiers",
        "A model with `kind = \"classifier\"`.",
        "src/model/spec/classifier.rs",
        "ClassifierSpec",
    ),
    ("`layers`", "Each with its `kind`.", "src/model/spec/classifier.rs", "ClassifierLayer"),
    ("`activation`", "", "src/ops/activation.rs", "Activation"),
    ("`initializer`", "", "src/model/spec/initializer.rs", "Initializer"),
    (
        "Autoencoders",
        "A model with `kind = \"autoencoder\"`.",
        "src/model/spec/autoencoder.rs",
        "AutoencoderSpec",
    ),
];

const HEAD: &str = "# Specs, field by field

This page is made of what the code says of its fields. `--set key=value` sets any of them, `a.b=value` one in a table, and
`--print-config` shows what a spec comes to with every default filled in. *Required* are fields without a default.

`codecs` are explained in [codecs](codecs.md), `strategy` in [strategies](strategies.md), and `partition` in
[data](data.md#who-holds-what).
";

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// A field or a variant.
#[derive(Default)]
struct Item {
    docs: Vec<String>,
    attributes: String,
}

impl Item {
    /// Its comment in one line, with names in place of links to them.
    fn text(&self) -> String {
        let text = self.docs.join(" ").replace("[`", "`").replace("`]", "`").replace('|', "\\|");
        // What was behind the name.
        let mut parts = text.split("`(");
        let first = parts.next().unwrap_or_default().to_string();
        parts.fold(first, |text, rest| {
            let (path, behind) = rest.split_once(')').unwrap_or(("", rest));
            if path.contains("::") { format!("{text}`{behind}") } else { format!("{text}`({rest}") }
        })
    }

    /// Other names that are understood.
    fn aliases(&self) -> Vec<&str> {
        self.attributes.split("alias = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }
}

/// `SignFlip` as `sign-flip`, or as `signflip`.
fn renamed(variant: &str, rule: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() && rule.contains("kebab-case") {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// What a type is called in a spec.
fn kind(of: &str) -> &'static str {
    let of = of.trim_end_matches(',');
    let inner = |outer: &str| of.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(of) = inner("Option<") {
        return kind(of);
    }
    if let Some(of) = inner("Vec<") {
        return if kind(of) == "whole number" { "list of whole numbers" } else { "list" };
    }
    match of {
        "usize" | "u32" | "u64" => "whole number",
        "f32" | "f64" => "number",
        "bool" => "true or false",
        "String" | "PathBuf" => "text",
        "[usize; 3]" => "list of three whole numbers",
        "Participation"
        | "Faults"
        | "Attack"
        | "Clock"
        | "Asynchrony"
        | "Optimizer"
        | "Prepass"
        | "AutoencoderSettings" => "table",
        "LogNormal" => "table",
        _ => "",
    }
}

/// The rows of a type: of a struct its fields, of an enum its variants with theirs.
fn rows(source: &str, name: &str) -> Vec<String> {
    let is_head = |line: &str| {
        ["pub struct ", "pub enum "].iter().any(|word| line.strip_prefix(word) == Some(&format!("{name} {{")))
    };
    let all: Vec<_> = source.lines().collect();
    let start = all.iter().position(|line| is_head(line)).unwrap_or_else(|| panic!("there is no {name}"));
    let is_enum = all[start].starts_with("pub enum");
    // What stands before it, back to the line that ends what came earlier.
    let above =
        all[..start].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let container: String = above.copied().collect();
    let (mut rows, mut item, mut variant) = (Vec::new(), Item::default(), None::<String>);
    for line in all[start + 1..].iter().take_while(|line| **line != "}") {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            item.docs.push(text.trim().into());
        } else if line.starts_with("#[") {
            item.attributes += line;
        } else if line.starts_with('}') {
            variant = None;
        } else {
            let item = std::mem::take(&mut item);
            if item.attributes.contains("flatten") || item.attributes.contains("serde(skip)") {
                continue;
            }
            let field = line.strip_prefix("pub ").unwrap_or(line).split_once(": ");
            if is_enum && (variant.is_none() || field.is_none()) {
                let bare = line.trim_end_matches([',', '{', '}', ' ']);
                let own = renamed(bare, &container);
                let names =
                    std::iter::once(own.as_str()).chain(item.aliases()).map(|name| format!("`{name}`"));
                let usual = if item.attributes.contains("#[default]") { "by default" } else { "" };
                rows.push(format!(
                    "| {} | {usual} | {} |",
                    names.collect::<Vec<_>>().join(", "),
                    item.text()
                ));
                variant = line.ends_with('{').then_some(own);
            } else if let Some((field, of)) = field {
                let has_default = ["default", "Option<"]
                    .iter()
                    .any(|word| item.attributes.contains(word) || of.contains(word));
                let required = if has_default || container.contains("(default") { "" } else { "required" };
                let place = variant.as_ref().map_or(String::new(), |variant| format!("{variant}: "));
                let said = [kind(of), required]
                    .into_iter()
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ");
                rows.push(format!("| {place}`{field}` | {said} | {} |", item.text()));
            }
        }
    }
    rows
}

fn page() -> String {
    let mut page = HEAD.to_string();
    for &(heading, about, file, name) in PARTS {
        let source = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let level = if heading.starts_with('`') { "###" } else { "##" };
        let about = if about.is_empty() { String::new() } else { format!("{about}\n\n") };
        let rows = rows(&source, name).join("\n");
        page += &format!(
            "\n{level} {heading}\n\n{about}| Name | Given as | What it is |\n|---|---|---|\n{rows}\n"
        );
    }
    page
}

#[test]
fn the_reference_of_specs_says_what_the_code_says() {
    let path = root().join("docs/specs.md");
    let page = page();
    if std::env::var_os("FEDFUNNEL_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let written = std::fs::read_to_string(&path).expect("docs/specs.md");
    let differs = page.lines().zip(written.lines()).find(|(due, there)| due != there);
    assert!(page == written, "write docs/specs.md again with FEDFUNNEL_WRITE_DOCS=1: {differs:?}");
}

/// What the parsers refuse by naming what they know is what the page has.
#[test]
fn the_reference_has_the_fields_that_specs_are_read_with() {
    let known = |text: &str| -> Vec<String> {
        let error = toml::from_str::<fedfunnel::federation::SimulationSpec>(text).unwrap_err();
        error.message().split('`').skip(3).step_by(2).map(String::from).collect()
    };
    let base = "name = \"a\"\ndata = \"b\"\nmodel = \"c\"\ncollaborators = 1\nrounds = 1\n";
    for (text, name) in [
        (format!("nothing_of_that_name = 1\n{base}"), "SimulationSpec"),
        (format!("{base}[prepass]\nnothing_of_that_name = 1\n"), "Prepass"),
        (format!("{base}[faults]\nnothing_of_that_name = 1\n"), "Faults"),
        (format!("{base}[participation]\nnothing_of_that_name = 1\n"), "Participation"),
        (format!("{base}[attack]\nnothing_of_that_name = 1\n"), "Attack"),
        (format!("{base}[asynchrony]\nnothing_of_that_name = 1\n"), "Asynchrony"),
    ] {
        let (_, _, file, _) = PARTS.iter().find(|part| part.3 == name).expect("a part");
        let rows = rows(&std::fs::read_to_string(root().join(file)).expect("a file"), name);
        let listed: Vec<_> = rows.iter().filter_map(|row| Some(row.split('`').nth(1)?.to_string())).collect();
        assert_eq!(listed, known(&text), "{name}");
    }
}

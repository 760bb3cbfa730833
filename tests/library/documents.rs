//! The pages of `docs/`, and what stands beside them for those who come from outside: links that lead somewhere, examples of
//! bytes, and files that repeat what others say.

use fedfunnel::codec::{Message, MessageKind};
use fedfunnel::model::ModelSpec;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The pages, by their path from the root.
fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("docs")).expect("docs").flatten();
    let names = entries.map(|entry| format!("docs/{}", entry.file_name().to_string_lossy()));
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    pages.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(String::from));
    pages.sort();
    pages
}

/// Where the links of a page lead, blocks of code left out.
fn links(page: &str) -> Vec<String> {
    let mut within = false;
    let outside = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        within ^= fence;
        !within && !fence
    });
    let text = outside.collect::<Vec<_>>().join(" ");
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    ends.map(String::from).collect()
}

/// The anchors of a page's headings, as hosts and mdBook name them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut within = false;
    let headings = page.lines().filter(|line| {
        within ^= line.starts_with("```");
        !within && line.starts_with('#')
    });
    let anchor = |heading: &str| -> String {
        let letters = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = letters.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut dead = Vec::new();
    let mut followed = 0;
    for name in pages() {
        let page = text(&name);
        for link in links(&page).iter().filter(|link| !link.contains("://")) {
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&name).parent().unwrap_or(Path::new(""));
            let target = if file.is_empty() { PathBuf::from(&name) } else { folder.join(file) };
            if !root().join(&target).exists() {
                dead.push(format!("{name}: {link}"));
            } else if !anchor.is_empty() && !anchors(&text(target.to_str().expect("UTF-8"))).contains(anchor)
            {
                dead.push(format!("{name}: {link} (no such heading)"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(followed > 40, "{followed} links");
    // The negative controls.
    assert_eq!(links("a [b](c.md#d) `x`\n```sh\n[e](f)\n```\n"), ["c.md#d"]);
    assert!(!anchors("# One two\n").contains("one two") && anchors("# One, two\n").contains("one-two"));
}

#[test]
fn the_book_has_every_page_once() {
    let mut linked = links(&text("docs/SUMMARY.md"));
    linked.sort();
    let own =
        |name: &String| Some(name.strip_prefix("docs/")?.to_string()).filter(|name| name != "SUMMARY.md");
    let mut due: Vec<_> = pages().iter().filter_map(own).collect();
    due.sort();
    assert_eq!(linked, due);
    let book: toml::Table = text("book.toml").parse().expect("TOML");
    assert_eq!(book["book"]["src"].as_str(), Some("docs"));
}

#[test]
fn pictures_are_for_light_and_dark_and_for_those_who_hear_them() {
    let pictures: Vec<_> =
        std::fs::read_dir(root().join("docs/images")).expect("pictures").flatten().collect();
    assert!(pictures.len() >= 4);
    for picture in pictures {
        let svg = std::fs::read_to_string(picture.path()).expect("text");
        for part in ["viewBox=", "role=\"img\"", "<title ", "<desc ", "prefers-color-scheme: dark"] {
            assert!(svg.contains(part), "{}: {part}", picture.path().display());
        }
        // What each begins, it ends.
        for tag in ["svg", "text", "title", "desc", "style", "defs", "g"] {
            let begun = svg.matches(&format!("<{tag} ")).count() + svg.matches(&format!("<{tag}>")).count();
            assert_eq!(
                begun,
                svg.matches(&format!("</{tag}>")).count(),
                "{}: {tag}",
                picture.path().display()
            );
        }
    }
}

/// The bytes of all examples in blocks of this kind.
fn examples(page: &str, kind: &str) -> Vec<Vec<u8>> {
    let fence = format!("```{kind}\n");
    let blocks = page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    let bytes = |block: &str| {
        let byte = |word| u8::from_str_radix(word, 16).unwrap_or_else(|e| panic!("{word}: {e}"));
        block.split_whitespace().map(byte).collect()
    };
    blocks.map(bytes).collect()
}

#[test]
fn the_messages_of_the_formats_are_what_they_are_said_to_be() {
    let update = |collaborator, payload: &[u8]| Message {
        kind: MessageKind::Update,
        round: 1,
        collaborator,
        payload: payload.to_vec(),
    };
    let weights: Vec<u8> = [1f32, -2.0].iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let due =
        [(update(300, &[1, 2, 3]), false), (update(300, &[1, 2, 3]), true), (update(0, &weights), false)];
    let found = examples(&text("docs/formats.md"), "message");
    assert_eq!(found.len(), due.len());
    for (bytes, (message, checksum)) in found.iter().zip(due) {
        assert_eq!(Message::claims_checksum(bytes), Some(checksum));
        assert_eq!(Message::from_bytes(bytes, checksum).expect("a message"), message);
        assert_eq!(*bytes, message.to_bytes(checksum));
    }
}

#[test]
fn figures_in_the_pictures_are_those_of_the_model() {
    let classifier = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
    let header = 3;
    let grouped = |bytes: usize| format!("{},{:03}", bytes / 1_000, bytes % 1_000);
    let round = text("docs/images/round.svg");
    assert!(round.contains(&format!("{} bytes", grouped(4 * classifier.parameters() + header))));
    assert!(
        round.contains(&format!("{} bytes", 4 * 32 + header))
            && round.contains(&format!("or {} rounded", 2 * 32 + header))
    );
}

#[test]
fn a_container_and_a_workflow_do_what_the_readme_says() {
    let (setup, docker, workflow) = (text("setup.sh"), text("Dockerfile"), text(".github/workflows/ci.yml"));
    assert!(docker.contains("RUN . ./setup.sh && cargo install --path . --locked"));
    assert!(
        text("README.md").contains(". ./setup.sh && cargo ")
            && text("README.md").contains("cargo install --path .")
    );
    // The driver that setup.sh installs is the one that the program needs where it runs.
    let package = "mesa-vulkan-drivers";
    assert!(setup.contains(package) && docker.contains(package));
    assert!(workflow.lines().any(|line| line.trim() == "- run: .ci/run") && root().join(".ci/run").is_file());
}

#[test]
fn a_citation_and_a_changelog_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text("CITATION.cff").lines().any(|line| line == format!("version: {version}")));
    assert!(text("CHANGELOG.md").contains(&format!("\n## {version}")));
}

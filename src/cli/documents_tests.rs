//! Every command of the README and of `docs/` is one that the program understands.

use super::Cli;
use clap::CommandFactory;
use fedfunnel::codec::PipelineSpec;
use fedfunnel::federation::SimulationSpec;
use std::path::{Path, PathBuf};

/// The README, and all pages.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs").flatten().map(|entry| entry.path());
    let mut pages: Vec<_> =
        docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.extend(["README.md", "CONTRIBUTING.md", "src/cli/new/README.md"].map(|name| root.join(name)));
    pages.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, text)
    };
    pages.into_iter().map(read).collect()
}

/// The lines of all `sh` blocks; one that ends in a backslash goes on.
fn lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut within = false;
    for line in page.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(kind) => within = kind == "sh",
            None if within => lines.push(line),
            None => {}
        }
    }
    lines.join("\n").replace("\\\n", " ").lines().map(String::from).collect()
}

/// The commands of a line, as a shell cuts it into words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let (mut word, mut quote): (Option<String>, _) = (None, None);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(mark)) if letter == mark => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            ('&' | ';' | '|', None) => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            // What follows is a file, and no argument; so is the number before it.
            ('>' | '<', None) => {
                word = word.filter(|word| word != "2");
                words.extend(word.take());
                words.push(">".into());
                if letters.peek() == Some(&'&') {
                    letters.next();
                }
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    commands.push(words);
    commands
}

/// The arguments of a command that runs the program, without what is redirected.
fn arguments(words: &[String]) -> Option<Vec<String>> {
    let place = words.iter().position(|word| !["nohup", "time"].contains(&word.as_str()))?;
    let words = &words[place..];
    let behind = match words[0].as_str() {
        "fedfunnel" => &words[1..],
        "cargo" => {
            let place = words.iter().position(|word| word == "--")?;
            let runs = words[1] == "run" && !words.iter().any(|word| word.starts_with("--example"));
            runs.then(|| &words[place + 1..])?
        }
        _ => return None,
    };
    let mut arguments = vec!["fedfunnel".to_string()];
    let mut words = behind.iter();
    while let Some(word) = words.next() {
        if word == ">" {
            words.next();
        } else {
            arguments.push(word.clone());
        }
    }
    Some(arguments)
}

/// What is wrong with a command.
fn wrong(arguments: &[String]) -> Option<String> {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if super::is_asked_for(&error) => return None,
        Err(error) => return Some(error.to_string()),
    };
    let (verb, given) = matches.subcommand()?;
    let settings = |given: &clap::ArgMatches| -> Vec<String> {
        given.get_many::<String>("set").into_iter().flatten().cloned().collect()
    };
    let text = |name: &str| given.try_get_one::<String>(name).ok().flatten().cloned();
    let checked = match verb {
        // Specs of the reader's own are not here.
        "simulate" => match text("name").filter(|name| !name.ends_with(".toml")) {
            Some(name) => SimulationSpec::load(&name, &settings(given)).map(|_| ()),
            None => Ok(()),
        },
        "demo" => SimulationSpec::load("demo", &settings(given)).map(|_| ()),
        "encode" | "decode" => {
            PipelineSpec::from_text("--codec", &text("codec").unwrap_or_default()).map(|_| ())
        }
        "compare" => {
            PipelineSpec::list_from_text("--codecs", &text("codecs").unwrap_or_default()).map(|_| ())
        }
        _ => Ok(()),
    };
    checked.err().filter(|_| verb != "compare" || text("codecs").is_some()).map(|error| error.to_string())
}

#[test]
fn every_command_of_the_documents_is_understood() {
    let mut found = 0;
    let mut problems = Vec::new();
    for (path, page) in pages() {
        // Places of a page that is filled in.
        let page = page.replace("@DATA@", "mnist-sample").replace("@TITLE@", "mine");
        for line in lines(&page) {
            for words in commands(&line) {
                let Some(arguments) = arguments(&words) else { continue };
                // `fedfunnel VERB ...` stands for any.
                if arguments.iter().any(|word| word == "VERB" || word == "...") {
                    continue;
                }
                found += 1;
                let problem = wrong(&arguments);
                problems.extend(problem.map(|problem| format!("{}: {line}\n{problem}", path.display())));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(found > 80, "{found} commands");
}

#[test]
fn commands_are_cut_as_a_shell_cuts_them() {
    let cut = |line: &str| -> Vec<Vec<String>> {
        commands(line).iter().filter_map(|words| arguments(words)).collect()
    };
    assert_eq!(
        cut("cd mine && nohup fedfunnel simulate a.toml --set 'x={a=\"b\"}' > log 2>&1 &   # a comment"),
        [["fedfunnel", "simulate", "a.toml", "--set", "x={a=\"b\"}"]]
    );
    assert_eq!(cut("cargo run --release -- demo; cargo test -- --ignored"), [["fedfunnel", "demo"]]);
    assert!(cut("cargo run --release --example train -- 3").is_empty());
    let given = |line: &str| wrong(&line.split(' ').map(String::from).collect::<Vec<_>>());
    assert!(
        given("fedfunnel train mnist-mlp --epocs 3 --out run")
            .is_some_and(|wrong| wrong.contains("--epochs"))
    );
    assert!(given("fedfunnel simulate demo --set round=3").is_some_and(|wrong| wrong.contains("rounds")));
    assert!(given("fedfunnel compare --codecs topk( --ratio 3").is_some());
    assert_eq!(given("fedfunnel compare compare-mnist --scale smoke"), None);
}

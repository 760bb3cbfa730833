//! `completions` and `man`: what shells and `man` are given.

use crate::support::{run_in, succeed_in, temporary};
use std::path::Path;
use std::process::Command;

fn script(shell: &str) -> String {
    succeed_in(Path::new("."), &["completions", shell]).stdout
}

#[test]
fn each_shell_gets_a_script_that_knows_the_verbs() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        for word in ["simulate", "partition", "--max-binding-bytes", "completions"] {
            let word = if shell == "fish" { word.trim_start_matches("--") } else { word };
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let ran = run_in(Path::new("."), &["completions", "tcsh"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("tcsh") && ran.stderr.contains("zsh"), "{}", ran.stderr);
}

/// What bash offers for a line whose last word is begun.
#[cfg(unix)]
fn offered(line: &str) -> Option<Vec<String>> {
    let folder = temporary();
    let path = folder.path().join("fedfunnel.bash");
    std::fs::write(&path, script("bash")).expect("a script");
    let ask = format!(
        "source {}; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         _fedfunnel fedfunnel \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        path.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        other => other.expect("bash starts"),
    };
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Some(text.lines().map(String::from).collect())
}

#[cfg(unix)]
#[test]
fn bash_completes_verbs_and_options() {
    let Some(verbs) = offered("fedfunnel sim") else { return };
    assert_eq!(verbs, ["simulate"]);
    assert_eq!(offered("fedfunnel autoencoder ev").expect("bash"), ["evaluate"]);
    assert_eq!(offered("fedfunnel train --snap").expect("bash"), ["--snapshots"]);
    // The negative control: nothing begins so.
    assert_eq!(offered("fedfunnel nothing-begins-so").expect("bash"), [""]);
}

#[test]
fn each_verb_has_a_page() {
    let folder = temporary();
    let said = succeed_in(folder.path(), &["man", "pages"]).stdout;
    let pages = folder.path().join("pages");
    let page =
        |name: &str| std::fs::read_to_string(pages.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let count = std::fs::read_dir(&pages).expect("pages").count();
    assert_eq!(said.trim(), format!("pages: {count} pages"));
    assert!(page("fedfunnel.1").contains("fedfunnel\\-simulate(1)"));
    for name in [
        "fedfunnel-simulate.1",
        "fedfunnel-autoencoder-train.1",
        "fedfunnel-data-partition.1",
        "fedfunnel-man.1",
    ] {
        let text = page(name);
        for part in [".TH ", ".SH SYNOPSIS", ".SH OPTIONS", ".SH EXAMPLES", ".nf", ".fi"] {
            assert!(text.lines().any(|line| line.starts_with(part)), "{name}: {part}\n{text}");
        }
    }
    // Examples stand line by line, as they are pasted.
    let savings = page("fedfunnel-savings.1");
    assert!(savings.lines().any(|line| line.trim() == "fedfunnel savings \\-\\-parameters 15910 \\-\\-latent 32 \\-\\-rounds 10 \\-\\-collaborators 2"), "{savings}");
    // They are replaced, and nothing else is.
    std::fs::write(pages.join("other.1"), "mine").expect("a file");
    succeed_in(folder.path(), &["man", "pages"]);
    assert_eq!(page("other.1"), "mine");
}

#[test]
fn pages_go_into_a_folder() {
    let folder = temporary();
    std::fs::write(folder.path().join("file"), "").expect("a file");
    let ran = run_in(folder.path(), &["man", "file"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1));
    assert!(ran.stderr.contains("DIR: file is a file"), "{}", ran.stderr);
}

//! Tells the program which commit it is built from and how, for `fedfunnel --version`.
//!
//! A commit that follows costs the library no build: where HEAD is a branch, the program itself reads the branch's file as
//! it is compiled, so that it alone is compiled again. What was changed and not committed is not seen. Without git the
//! commit is that of the environment's `FEDFUNNEL_COMMIT`, or of the package that cargo made.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that cargo puts into a package, with the commit that it is of.
const OF_PACKAGE: &str = ".cargo_vcs_info.json";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fedfunnel_branch)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FEDFUNNEL_COMMIT");
    let given = std::env::var("FEDFUNNEL_COMMIT").ok().filter(|commit| !commit.trim().is_empty());
    let commit = match given {
        Some(commit) => commit.trim().to_string(),
        None => of_repository().or_else(of_package).unwrap_or_default(),
    };
    let profile = std::env::var("PROFILE").unwrap_or_default();
    println!("cargo::rustc-env=FEDFUNNEL_BUILT_FROM={commit}");
    println!("cargo::rustc-env=FEDFUNNEL_BUILT_AS={profile}");
    println!("cargo::rustc-env=FEDFUNNEL_FEATURES={}", features());
}

/// The features of the build, but for the name of those that are there by default.
fn features() -> String {
    let names =
        std::env::vars().filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase));
    let mut names: Vec<_> = names.filter(|name| name != "default").collect();
    names.sort();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// The commit of the repository that this file is tracked by, which is not every one around it.
fn of_repository() -> Option<String> {
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "HEAD"])?;
    let path = |name: &str| {
        Some(PathBuf::from(git(&["rev-parse", "--git-path", name])?)).filter(|path| path.exists())
    };
    // Another branch, and branches that were packed into one file. A file that is not there would have cargo build
    // each time.
    for watched in ["HEAD", "packed-refs"].iter().filter_map(|name| path(name)) {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let branch = git(&["symbolic-ref", "-q", "HEAD"]).and_then(|branch| path(&branch)?.canonicalize().ok());
    if let Some(branch) = branch {
        println!("cargo::rustc-cfg=fedfunnel_branch");
        println!("cargo::rustc-env=FEDFUNNEL_BRANCH={}", branch.display());
    }
    Some(commit)
}

/// What git prints, where it is there and succeeds. It takes no lock, so that it is in nobody's way.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The commit that a package notes: `{"git":{"sha1":"..."}}`.
fn of_package() -> Option<String> {
    let text = std::fs::read_to_string(Path::new(OF_PACKAGE)).ok()?;
    let (_, behind) = text.split_once("\"sha1\"")?;
    behind.split('"').nth(1).map(String::from)
}

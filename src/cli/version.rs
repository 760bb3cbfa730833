//! `fedfunnel --version`

use std::sync::LazyLock;

/// The commit of the branch that was checked out when the program was compiled.
#[cfg(fedfunnel_branch)]
const COMMIT: &str = include_str!(env!("FEDFUNNEL_BRANCH"));
#[cfg(not(fedfunnel_branch))]
const COMMIT: &str = env!("FEDFUNNEL_BUILT_FROM");

/// Letters of a commit: as many as tell apart the commits of the largest repositories.
const SHORT: usize = 12;

static LONG: LazyLock<String> = LazyLock::new(|| {
    let commit: String = COMMIT.trim().chars().take(SHORT).collect();
    let commit = if commit.is_empty() { "unknown" } else { &commit };
    let (version, profile) = (env!("CARGO_PKG_VERSION"), env!("FEDFUNNEL_BUILT_AS"));
    format!("{version}\ncommit: {commit}\nbuild: {profile}\nfeatures: {}", env!("FEDFUNNEL_FEATURES"))
});

/// The version, the commit, and how the program was built, one line each.
pub fn long() -> &'static str {
    &LONG
}

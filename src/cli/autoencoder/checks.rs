//! What snapshots have to be for an autoencoder.

use fedfunnel::Error;
use fedfunnel::training::Snapshots;
use std::path::Path;

/// Refuses snapshots that there is nothing to learn from: their mean would be all of them, and every
/// error 0.
pub fn check_training(path: &Path, train: &[&[f32]], held_out: usize) -> fedfunnel::Result<()> {
    if train.len() < 2 && held_out > 0 {
        let problem = format!("holding {held_out} of the snapshots out leaves {} to train on", train.len());
        return Err(Error::setting("--hold-out", problem, "use a larger number, or 0"));
    }
    if train.iter().skip(1).any(|row| *row != train[0]) {
        return Ok(());
    }
    let problem = match train.len() {
        1 => "`snapshots` holds a single snapshot, and an autoencoder learns how they differ".to_string(),
        count => format!("all {count} of its `snapshots` are the same"),
    };
    Err(Error::file(path, problem, "log more of them with fedfunnel train --snapshots"))
}

/// Refuses snapshots of another width than what an autoencoder takes.
pub fn check_width(path: &Path, snapshots: &Snapshots, width: usize, name: &str) -> fedfunnel::Result<()> {
    if snapshots.width() == width {
        return Ok(());
    }
    let (model, values) = (&snapshots.model.name, snapshots.width());
    let problem = format!("`snapshots` are of {model} with {values} values each, and {name} takes {width}");
    Err(Error::file(path, problem, "use the snapshots and the autoencoder of the same model"))
}

//! Collaborators' logs of weights in a saved state.

use crate::Result;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::training::Snapshots;

/// When a collaborator's snapshots were taken: steps and epochs before each.
pub type TakenAt = Vec<(u64, u64)>;

/// When those of all collaborators were.
pub fn taken_at(logs: &[Snapshots]) -> Vec<TakenAt> {
    let each = |log: &Snapshots| log.steps.iter().copied().zip(log.epochs.iter().copied()).collect();
    logs.iter().map(each).collect()
}

fn log_name(collaborator: usize) -> String {
    format!("snapshots.{collaborator}")
}

/// The tensors of logs in a state; an empty log has none.
pub fn log_shapes(logs: &[Snapshots]) -> Vec<TensorShape> {
    let there = logs.iter().enumerate().filter(|(_, log)| !log.is_empty());
    there.map(|(place, log)| TensorShape::new(log_name(place), &[log.len(), log.width()])).collect()
}

/// Puts logs into a state.
pub fn put_logs(file: &mut StateWriter, logs: &[Snapshots]) -> Result<()> {
    for (collaborator, log) in logs.iter().enumerate() {
        for (place, row) in log.rows().into_iter().enumerate() {
            file.put(&log_name(collaborator), place * row.len(), row)?;
        }
    }
    Ok(())
}

/// Reads them back into empty logs.
pub fn take_logs(file: &StateFile, logs: &mut [Snapshots], taken_at: &[TakenAt]) -> Result<()> {
    for (collaborator, (log, taken_at)) in logs.iter_mut().zip(taken_at).enumerate() {
        if let Some(count) = taken_at.len().checked_sub(1) {
            let flat = file.tensor(&log_name(collaborator))?.values()?;
            let rows = flat.chunks_exact((flat.len() / (count + 1)).max(1));
            rows.zip(taken_at).for_each(|(row, &(steps, epochs))| log.push(row.to_vec(), steps, epochs));
        }
    }
    Ok(())
}

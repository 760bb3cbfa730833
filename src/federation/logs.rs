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

/// Reads them back into empty logs of models with `width` weights. `taken_at` is when those in the file were taken, as
/// its notes say, and `due` when they have to have been.
pub fn take_logs(
    file: &StateFile,
    logs: &mut [Snapshots],
    width: usize,
    taken_at: &[TakenAt],
    due: &[TakenAt],
) -> Result<()> {
    if taken_at.len() != due.len() {
        let problem = format!("it has the logs of {} collaborators of {}", taken_at.len(), due.len());
        return Err(file.damaged(problem));
    }
    for (collaborator, (log, (taken_at, due))) in logs.iter_mut().zip(taken_at.iter().zip(due)).enumerate() {
        if taken_at != due {
            let problem = format!(
                "the {} snapshots of collaborator {collaborator} were not taken when the {} of its training are",
                taken_at.len(),
                due.len()
            );
            return Err(file.damaged(problem));
        }
        if taken_at.is_empty() {
            continue;
        }
        let name = log_name(collaborator);
        let tensor = file.resumed(file.tensor(&name))?;
        file.resumed(tensor.expect_shape(&[taken_at.len(), width], "its log"))?;
        let flat = file.resumed(tensor.values())?;
        let rows = flat.chunks_exact(width.max(1)).zip(taken_at);
        rows.for_each(|(row, &(steps, epochs))| log.push(row.to_vec(), steps, epochs));
    }
    Ok(())
}

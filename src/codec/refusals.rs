//! Refusals that several files of this room have in common.

use crate::Error;

/// The error for a pipeline or a stage of whose updates the average is no update.
pub(super) fn no_average(label: &str) -> Error {
    let problem =
        format!("the average of updates by {label} is none by itself, so that no code of it can go down");
    let mend = "use a shared stage, such as [\"prior\", { stage = \"pca\", shared = true }, \"tune\"], without residual";
    Error::setting("codecs: downlink", problem, mend)
}

/// The error for a value that a stage cannot write.
pub(super) fn not_finite(stage: &str, who: u32, value: f32) -> Error {
    let problem = format!("collaborator {who} has a value of {value} to send");
    Error::diverged(format!("codecs: {stage}"), problem, "use a smaller optimizer.lr")
}

/// The error for an update that does not hold what is due.
pub(super) fn malformed(problem: impl Into<String>) -> Error {
    Error::message(problem.into(), "use the same model and codec on both sides")
}

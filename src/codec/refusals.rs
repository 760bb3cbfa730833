//! Refusals that several files of this room have in common.

use crate::Error;

/// The error for a pipeline or a stage of whose updates the average is no update.
pub(super) fn no_average(label: &str) -> Error {
    let problem =
        format!("the average of updates by {label} is none by itself, so that no code of it can go down");
    let mend = "use a shared stage, such as [\"prior\", { stage = \"pca\", shared = true }, \"tune\"], without residual";
    Error::setting("codecs: downlink", problem, mend)
}

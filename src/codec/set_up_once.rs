//! Learned stages that several pipelines of a run have in common.

use super::setups::Setup;
use super::{SetupJob, Stage};
use crate::Result;

/// What a stage makes of logs, or what it made of the same ones in another pipeline of this run.
pub(super) fn set_up_once(stage: &dyn Stage, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
    let label = stage.label();
    if let Some(Setup { kept, shipped, learned }) = job.setups.find(&label) {
        job.kept.iter_mut().zip(kept).for_each(|(into, kept)| into.clone_from(kept));
        *job.learned = learned.clone();
        return Ok(shipped.clone());
    }
    let shipped = stage.setup(job)?;
    if job.setups.is_awaited(&label) {
        let kept = job.kept.iter().map(|kept| (**kept).clone()).collect();
        job.setups.put(label, Setup { kept, shipped: shipped.clone(), learned: job.learned.clone() });
    }
    Ok(shipped)
}

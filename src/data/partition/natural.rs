//! The groups that the data themselves name.

use super::parts::{Parts, Samples};
use crate::text::counted;
use crate::{Error, Result};

pub(super) fn natural(samples: Samples<'_>, collaborators: usize, group_size: usize) -> Result<Parts> {
    if group_size == 0 {
        let problem = "a collaborator of no group gets no sample";
        return Err(Error::setting("partition.group_size", problem, "set it to 1 or more"));
    }
    let Some(groups) = samples.data.and_then(|data| data.groups.as_ref()) else {
        let name = samples.data.map_or("what is dealt out", |data| &data.name);
        let mend = "put a file train-groups.txt with a line for each training image beside them, or use another kind";
        return Err(Error::setting("partition.kind", format!("{name} has no groups"), mend));
    };
    // Groups of which no sample is left, where only the first samples are used, are nobody's.
    let mut members = vec![Vec::new(); groups.names.len()];
    for (sample, &group) in groups.of.iter().enumerate().take(samples.labels.len()) {
        members[group as usize].push(sample);
    }
    members.retain(|samples| !samples.is_empty());
    let due = members.len().div_ceil(group_size);
    if due != collaborators {
        let each = if group_size == 1 { String::new() } else { format!(", {group_size} to a collaborator") };
        let problem = format!("the images are of {}{each}", counted(members.len(), "group"));
        let fits = members.len().div_ceil(collaborators.min(members.len()).max(1));
        let other = if members.len().div_ceil(fits) == collaborators {
            format!(", or partition.group_size to {fits}")
        } else {
            String::new()
        };
        return Err(Error::setting("collaborators", problem, format!("set it to {due}{other}")));
    }
    Ok(members.chunks(group_size).map(<[_]>::concat).collect())
}

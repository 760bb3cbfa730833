//! Whether a saved training was looked at when it is.

use crate::Result;
use crate::model::state::StateFile;

/// Refuses the state of a training whose curve is not one of `epochs` epochs with a look after every `look_every` and
/// after the last. `looks` are the epochs of its points; gives the last of them.
pub fn check_looks(
    file: &StateFile,
    looks: impl IntoIterator<Item = u64>,
    look_every: usize,
    epochs: usize,
) -> Result<u64> {
    let (every, most) = (look_every.max(1) as u64, epochs as u64);
    let mut last = 0;
    for look in looks {
        let due = last + every.min(most - last);
        if look != due || last == most {
            let problem = format!("its curve has epoch {look} after epoch {last} of {most}");
            return Err(file.damaged(problem));
        }
        last = look;
    }
    if last == 0 { Err(file.damaged("its curve is empty")) } else { Ok(last) }
}

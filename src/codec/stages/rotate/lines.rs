//! The updates of a batch on the device, to be rotated there.

use crate::Result;
use crate::codec::stages::seeded::Draws;
use crate::codec::{Round, Values};
use crate::ops::hadamard::{Lines, Way};

/// What signs are drawn for.
const PURPOSE: u32 = 0x726f_7461;

/// Rotates the values of collaborators, each by signs of its own for this round, so that what rounding takes of them
/// evens out over the collaborators. They stay on the device.
pub fn rotate(round: &Round<'_>, way: Way, mut batch: Vec<(u32, &mut Values)>) -> Result<()> {
    batch.retain(|(_, values)| !values.is_empty());
    let mut rest = batch.as_mut_slice();
    // Lines of one tensor have one width.
    while let Some(width) = rest.first().map(|(_, values)| values.len()) {
        let fitting = rest.iter().take(Lines::most(round.gpu));
        let together = fitting.take_while(|(_, values)| values.len() == width).count();
        let (own, others) = rest.split_at_mut(together);
        let keys = own.iter().map(|(who, _)| Draws::of_update(round, *who, PURPOSE).key());
        let lines = Lines::new(round.gpu, &keys.collect::<Vec<_>>(), width)?;
        for (line, (_, values)) in own.iter_mut().enumerate() {
            lines.tensor.write_line(round.gpu, line, &values.take(round.gpu)?);
        }
        round.gpu.run(&lines.rotate(round.gpu, way)?)?;
        for (line, (_, values)) in own.iter_mut().enumerate() {
            **values = Values::Device { tensor: lines.tensor.clone(), line };
        }
        rest = others;
    }
    Ok(())
}

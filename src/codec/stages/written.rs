//! Stages that write the values themselves, and leave none for the next stage.

use crate::Result;
use crate::bytes::{Reader, Writer};
use crate::codec::refusals::not_finite;
use crate::codec::{Incoming, Kept, Outgoing, Round, Stage, Values};
use crate::gpu::Tensor;
use crate::ops::code::Rounding;

/// How values are written. Both sides know how many there are.
pub(super) trait Form: Send + Sync {
    /// The stage's name in specs.
    const NAME: &'static str;

    /// Its part of a pipeline's label.
    fn label(&self) -> String {
        Self::NAME.into()
    }

    /// What becomes of every value, where that is the same for each.
    fn rounding(&self) -> Rounding {
        Rounding::None
    }

    /// Writes the values of a collaborator, all of them finite.
    fn write(&self, round: &Round<'_>, who: u32, values: &[f32], side: &mut Writer) -> Result<()>;

    /// Writes the lines of one tensor on a GPU, each to the message of its collaborator, without reading all of them back.
    /// `false` where it has written nothing, and the values have to come to the host.
    fn write_lines(&self, _: &Round<'_>, _: &Tensor, _: &mut [Outgoing<'_>]) -> Result<bool> {
        Ok(false)
    }

    /// Reads as many values as are due.
    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>>;
}

/// The stage of a form.
pub(super) struct Written<F>(pub F);

impl<F: Form> Stage for Written<F> {
    fn label(&self) -> String {
        self.0.label()
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn rounding(&self) -> Rounding {
        self.0.rounding()
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let values: Vec<_> = batch.iter().map(|outgoing| &outgoing.values).collect();
        // The memory of a processor is the host's, and there is nothing to save.
        let tensor = Values::tensor_of(&values).filter(|_| !round.gpu.class().is_cpu());
        if let Some(tensor) = tensor
            && self.0.write_lines(round, &tensor, batch)?
        {
            batch.iter_mut().for_each(|outgoing| outgoing.values = Values::default());
            return Ok(());
        }
        let all = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let all = Values::take_all(round.gpu, all)?;
        for (outgoing, values) in batch.iter_mut().zip(all) {
            if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                return Err(not_finite(F::NAME, outgoing.who, value));
            }
            self.0.write(round, outgoing.who, &values, &mut outgoing.side)?;
        }
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            incoming.values = Values::Host(self.0.read(incoming.due, &mut incoming.side)?);
        }
        Ok(())
    }
}

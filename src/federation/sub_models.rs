//! Rounds in which collaborators train parts of the model.

use super::clients::Trained;
use super::ledger::{Direction, Ledger};
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Message, MessageKind, Pipeline, SubModel};
use crate::model::{ClassifierLayer, ClassifierSpec};
use crate::ops::Activation;
use crate::{Error, Result};

/// Refuses a part of a model whose units do not put out zero where all of their weights are.
pub(super) fn check_sub_models(pipeline: &Pipeline, classifier: &ClassifierSpec) -> Result<()> {
    let is_sigmoid = |layer: &ClassifierLayer| match layer {
        ClassifierLayer::Dense { activation, .. } | ClassifierLayer::Conv { activation, .. } => {
            *activation == Activation::Sigmoid
        }
        _ => false,
    };
    if pipeline.sub_model(1, 0, 0).is_none() || !classifier.layers.iter().any(is_sigmoid) {
        return Ok(());
    }
    let problem = format!("a unit of {} that is left out puts out a half, by its sigmoid", classifier.name);
    Err(Error::setting("codecs: dropout", problem, "use relu or tanh, or leave dropout out"))
}

/// Sends each collaborator its part of the global model, a message for each; gives what they begin with, which is zeros
/// elsewhere.
pub(super) fn send_parts(
    ledger: &mut Ledger,
    round: u32,
    who: &[u32],
    global: &[f32],
    parts: &[SubModel],
) -> Result<Vec<Vec<f32>>> {
    let sent = who.iter().zip(parts).map(|(&collaborator, part)| {
        let payload = floats_to_bytes(&part.take(global));
        let message = Message { kind: MessageKind::Model, round, collaborator, payload };
        let arrived = ledger.send(Direction::Down, &message)?;
        let mut start = vec![0.0; global.len()];
        part.put(&bytes_to_floats(&arrived.payload, part.len(), "a part of a global model")?, &mut start);
        Ok(start)
    });
    sent.collect()
}

/// Puts what collaborators have not trained back to the global model, so that a round has not changed it; gives the
/// models that they have by themselves.
pub(super) fn restore(trained: &mut [Trained], parts: &[SubModel], global: &[f32]) -> Vec<Vec<f32>> {
    let own = trained.iter_mut().zip(parts).map(|(trained, part)| {
        let mut whole = global.to_vec();
        part.put(&part.take(&trained.weights), &mut whole);
        std::mem::replace(&mut trained.weights, whole)
    });
    own.collect()
}

//! What decoders make of codes of zeros, which is the same in every round.

use crate::Result;
use crate::codec::KeptId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Weights by the decoders that made them, of the last group that was asked for.
#[derive(Debug, Default)]
pub(super) struct Origins(Mutex<BTreeMap<KeptId, Arc<Vec<f32>>>>);

impl Origins {
    /// The weights of each of a group, by its decoder; made by `make`, one for each of the group, where one is not known.
    pub fn of(
        &self,
        decoders: impl Iterator<Item = Option<KeptId>>,
        make: impl FnOnce() -> Result<Vec<Vec<f32>>>,
    ) -> Result<Vec<Arc<Vec<f32>>>> {
        let decoders: Vec<_> = decoders.collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = decoders.iter().map(|id| known.get(id.as_ref()?).cloned()).collect::<Option<Vec<_>>>();
        if let Some(found) = found {
            return Ok(found);
        }
        // What is not asked for any more would pile up where decoders are refreshed.
        known.clear();
        let mut weights = Vec::with_capacity(decoders.len());
        for (id, made) in decoders.into_iter().zip(make()?) {
            let made = Arc::new(made);
            weights.push(match id {
                Some(id) => known.entry(id).or_insert(made).clone(),
                None => made,
            });
        }
        Ok(weights)
    }
}

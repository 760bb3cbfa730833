//! Both sides of a codec over several rounds.

use crate::support::{gpu, pipeline};
use fedfunnel::Result;
use fedfunnel::codec::{Kept, Pipeline, Received, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::reference::random::uniform_tensor;

/// A codec, and what both sides keep for it.
pub struct Sides {
    pub codec: Pipeline,
    pub senders: Vec<Kept>,
    pub receivers: Vec<Kept>,
    number: u32,
}

/// What became of an update.
#[derive(Debug, PartialEq)]
pub struct Crossed {
    pub bytes: Vec<u8>,
    pub values: Vec<f32>,
    pub is_left_out: bool,
}

impl Sides {
    /// Of so many collaborators, whose models have so many weights.
    pub fn new(text: &str, parameters: usize, collaborators: usize) -> Self {
        let codec = pipeline(&Parts::default(), text, parameters);
        Self::of(codec.unwrap_or_else(|error| panic!("{error}")), collaborators)
    }

    /// Of so many collaborators with this codec.
    pub fn of(codec: Pipeline, collaborators: usize) -> Self {
        let kept = vec![Kept::default(); collaborators];
        Self { codec, senders: kept.clone(), receivers: kept, number: 0 }
    }

    /// The next round, in which collaborators come to these weights.
    pub fn round(&mut self, global: &[f32], weights: &[Vec<f32>]) -> Vec<Crossed> {
        self.number += 1;
        let view = Round { number: self.number, seed: 5, global, gpu: gpu(), local: None };
        let updates = self.senders.iter_mut().zip(weights).zip(0..);
        let updates = updates.map(|((kept, weights), who)| (who, kept, Values::Host(weights.clone())));
        let sent = self.codec.send(&view, updates.collect()).expect("encoded");
        let received = self.receive(global, &sent).expect("decoded");
        let each = received.into_iter().zip(&mut self.receivers).zip(sent);
        let crossed = each.map(|((mut received, kept), bytes)| {
            kept.merge(received.news);
            let values = received.values.take(gpu()).expect("values");
            Crossed { bytes, values, is_left_out: received.is_left_out }
        });
        crossed.collect()
    }

    /// The same of one collaborator.
    pub fn one(&mut self, global: &[f32], weights: &[f32]) -> Crossed {
        self.round(global, &[weights.to_vec()]).remove(0)
    }

    /// What the aggregator makes of messages of this round; nothing is kept of it.
    pub fn receive(&self, global: &[f32], sent: &[Vec<u8>]) -> Result<Vec<Received>> {
        let view = Round { number: self.number, seed: 5, global, gpu: gpu(), local: None };
        let payloads = self.receivers.iter().zip(sent).zip(0..);
        let payloads = payloads.map(|((kept, bytes), who)| (who, kept, bytes.as_slice()));
        self.codec.take_in(&view, payloads.collect())
    }
}

/// Numbers of a collaborator in a round.
pub fn numbers(count: usize, who: u32, round: u32) -> Vec<f32> {
    uniform_tensor(count, who, round, 11, 1.0)
}

/// The error for a list of stages that cannot be one.
pub fn refused(text: &str) -> String {
    let error = pipeline(&Parts::default(), text, 40).err().unwrap_or_else(|| panic!("{text}"));
    assert!(error.is_usage(), "{error}");
    error.to_string()
}

//! For each matrix of the model the ranks of its values, which is what federated rank learning sends (Mozaffari et al.
//! 2021, arXiv 2110.04350).
//!
//! A message is bits: for each matrix in order, its ranks as a permutation in the factorial number system, in about
//! `log2(n!)` bits of n values. Values that are no ranks arrive as their ranks, equal ones by their places, whatever they
//! are: a message is always a permutation of each matrix. Of biases nothing is sent, and they arrive as zeros.

use crate::bits::{BitReader, BitWriter};
use crate::codec::refusals::malformed;
use crate::codec::{
    About, Context, Incoming, Kept, Make, NoOptions, Options, Outgoing, Round, Stage, StageKind, Values,
};
use crate::coding::permutation;
use crate::model::Ranking;
use crate::{Error, Result};

pub(super) const KIND: StageKind = StageKind::new(
    "ranking",
    Make::Plain(|context, options| RankingStage::new(context, options).map(|stage| Box::new(stage) as _)),
)
.about(About {
    summary: "the ranks of each matrix's values, as a permutation in about log2(n!) bits; biases are not sent",
    source: "Mozaffari et al. 2021, FRL (arXiv 2110.04350)",
    good_for: "rankings of frozen weights, which frl sends",
    example: "frl",
    ..About::NOTHING
})
.for_systems();

struct RankingStage(Ranking);

impl RankingStage {
    fn new(context: &Context<'_>, options: &Options) -> Result<Self> {
        options.parse::<NoOptions>()?;
        let ranking = Ranking::new(context.layout);
        if ranking.tensors().is_empty() {
            return Err(options.refuse("the model has no matrix to rank", "leave ranking out"));
        }
        if ranking.largest() > Ranking::MOST {
            let problem = format!("a matrix has {} values, and no float is each rank", ranking.largest());
            return Err(
                options.refuse(problem, format!("use a model whose matrices have {} at most", Ranking::MOST))
            );
        }
        Ok(Self(ranking))
    }
}

impl Stage for RankingStage {
    fn label(&self) -> String {
        "ranking".into()
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        // Of other values than a model's there is nothing to be made, which encoding and decoding say.
        Some(if count == self.0.parameters() { 0 } else { count })
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let all = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let all = Values::take_all(round.gpu, all)?;
        for (outgoing, values) in batch.iter_mut().zip(all) {
            if values.len() != self.0.parameters() {
                let problem =
                    format!("it is given {} values of {} weights", values.len(), self.0.parameters());
                let mend = "list it before stages that leave fewer values";
                return Err(Error::setting("codecs: ranking", problem, mend));
            }
            let ranks: Vec<_> = self.0.of(&values).into_iter().map(|rank| rank as u32).collect();
            let mut bits = BitWriter::default();
            for tensor in self.0.tensors() {
                permutation::encode(&ranks[tensor.clone()], |number, count| bits.bits(number, count));
            }
            outgoing.side.bytes(&bits.into_bytes());
        }
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            if incoming.due != self.0.parameters() {
                let problem =
                    format!("an update of {} values has ranks of {}", incoming.due, self.0.parameters());
                return Err(malformed(problem));
            }
            let mut ranking = vec![0.0; self.0.parameters()];
            let mut bits = BitReader::new(&mut incoming.side);
            for tensor in self.0.tensors() {
                let ranks = permutation::decode(tensor.len(), |count| bits.bits(count))?;
                ranking[tensor.clone()].iter_mut().zip(ranks).for_each(|(to, rank)| *to = rank as f32);
            }
            bits.finish()?;
            incoming.values = Values::Host(ranking);
        }
        Ok(())
    }
}

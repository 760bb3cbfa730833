//! Error feedback (Seide et al. 2014, Karimireddy et al. 2019): what the stages behind it could not say is added to
//! what they are given next time.
//!
//! `v += e; bytes = tail(v); e = v - decode(bytes)`

use crate::Result;
use crate::bytes::{Reader, Writer};
use crate::codec::{
    About, ExpectedLogs, Incoming, Kept, Make, NoOptions, Outgoing, Pipeline, Round, SetupJob, ShareJob,
    Stage, StageKind, Values, expect_length,
};
use crate::gpu::Gpu;

pub(super) const KIND: StageKind = StageKind::new(
    "feedback",
    Make::Holding(|_, options, tail| {
        options.parse::<NoOptions>().map(|_| Box::new(Feedback(tail)) as Box<dyn Stage>)
    }),
)
.about(About {
    summary: "what the stages behind it could not say is added to what they are given next time",
    source: "Seide et al. 2014; Karimireddy et al. 2019 (arXiv 1901.09847)",
    good_for: "standing before stages that leave much out, so that nothing is left out for ever",
    example: "delta+feedback+topk(part=0.01)",
    ..About::NOTHING
});

/// Around the stages that are listed behind it.
struct Feedback(Pipeline);

/// The error so far.
const ERROR: &str = "error";
/// What the stages behind it keep.
const TAIL: &str = "tail";
/// What a collaborator knows of what the aggregator keeps, to decode as it does.
const MIRROR: &str = "mirror";

impl Stage for Feedback {
    fn label(&self) -> String {
        format!("feedback+{}", self.0.label())
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn learned_label(&self) -> Option<String> {
        self.0.learned_label()
    }

    fn epochs(&self) -> u64 {
        self.0.epochs()
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let mut sums = Vec::with_capacity(batch.len());
        for outgoing in batch.iter_mut() {
            let mut values = outgoing.values.take(round.gpu)?;
            if let Some(error) = outgoing.kept.get(ERROR) {
                values.iter_mut().zip(error).for_each(|(value, error)| *value += error);
            }
            sums.push(values);
        }
        let updates = batch.iter_mut().zip(&sums).map(|(outgoing, values)| Outgoing {
            who: outgoing.who,
            values: Values::Host(values.clone()),
            side: Writer::default(),
            kept: outgoing.kept.scope_mut(TAIL),
        });
        let mut updates: Vec<_> = updates.collect();
        self.0.encode(round, &mut updates)?;
        let sent: Vec<_> = updates.into_iter().map(|outgoing| outgoing.side).collect();
        let arrivals = batch.iter().zip(&sent).zip(&sums).map(|((outgoing, bytes), values)| Incoming {
            who: outgoing.who,
            values: Values::default(),
            due: values.len(),
            side: Reader::new(bytes.as_bytes(), "an update"),
            kept: outgoing.kept.scope(MIRROR).scope(TAIL),
        });
        let mut arrivals: Vec<_> = arrivals.collect();
        self.0.decode(round, &mut arrivals)?;
        let decoded = arrivals.iter_mut().map(|incoming| &mut incoming.values).collect();
        let decoded = Values::take_all(round.gpu, decoded)?;
        for (((outgoing, bytes), mut error), decoded) in batch.iter_mut().zip(sent).zip(sums).zip(decoded) {
            error.iter_mut().zip(decoded).for_each(|(error, decoded)| *error -= decoded);
            outgoing.kept.put(ERROR, error);
            outgoing.side.append("feedback", bytes);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let own = batch.iter().map(|incoming| Incoming {
            who: incoming.who,
            values: Values::default(),
            due: incoming.due,
            side: incoming.side.clone(),
            kept: incoming.kept.scope(TAIL),
        });
        let mut own: Vec<_> = own.collect();
        self.0.decode(round, &mut own)?;
        for (incoming, own) in batch.iter_mut().zip(own) {
            (incoming.values, incoming.side) = (own.values, own.side);
        }
        Ok(())
    }

    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let shipped = self.0.setup(&mut SetupJob {
            kept: job.kept.iter_mut().map(|kept| kept.scope_mut(TAIL)).collect(),
            run: &mut *job.run,
            learned: &mut *job.learned,
            setups: &mut *job.setups,
            ..*job
        })?;
        let each = job.kept.iter_mut().zip(&shipped);
        each.into_iter().try_for_each(|(kept, bytes)| self.install(bytes, kept.scope_mut(MIRROR)))?;
        Ok(shipped)
    }

    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        self.0.share(&mut ShareJob {
            kept: job.kept.iter().map(|kept| kept.scope(TAIL)).collect(),
            run: &mut *job.run,
            ..*job
        })
    }

    fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.0.adopt(gpu, bytes, kept.scope_mut(TAIL))?;
        self.install(bytes, kept.scope_mut(MIRROR))
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.0.install(bytes, kept.scope_mut(TAIL))
    }

    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        for error in kept.iter().filter_map(|kept| kept.get(ERROR)) {
            expect_length(ERROR, error.len(), count.unwrap_or(error.len()))?;
        }
        let tails: Vec<_> = kept.iter().map(|kept| kept.scope(TAIL)).collect();
        self.0.check_senders(count, &tails)?;
        let mirrors: Vec<_> = kept.iter().map(|kept| kept.scope(MIRROR)).collect();
        self.check_receivers(count, &mirrors)
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let tails: Vec<_> = kept.iter().map(|kept| kept.scope(TAIL)).collect();
        self.0.check_receivers(count, &tails)
    }

    fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        self.0.check_room(gpu, expected)
    }
}

//! Error feedback (Seide et al. 2014, Karimireddy et al. 2019): what the stages behind it could not say is added to
//! what they are given next time.
//!
//! ```text
//! v = v + decay e; bytes = tail(v); e = v - decode(bytes)
//! ```
//!
//! With `momentum` and `clip` it is what Deep Gradient Compression (Lin et al. 2018, arXiv 1712.01887, algorithm 4) does
//! about the values that are not sent: each value is corrected by the momentum that it would have had, which is
//! forgotten where something was sent (factor masking).
//!
//! ```text
//! g = v min(1, clip / |v|)
//! u = momentum u + g
//! v = u + decay e; bytes = tail(v); d = decode(bytes); e = v - d; u = 0 where d is not
//! ```
//!
//! `clip` is the norm that one collaborator's update has at most: the paper's threshold over the root of their number.

use super::held::{Held, MIRROR, TAIL};
use crate::codec::{
    About, ExpectedLogs, Given, Incoming, Kept, Linear, Make, OptionAbout, Options, Outgoing, Pipeline,
    Round, SetupJob, ShareJob, Stage, StageKind, SubModel, expect_length,
};
use crate::gpu::Gpu;
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind =
    StageKind::new("feedback", Make::Holding(|_, options, tail| Ok(Box::new(Feedback::new(options, tail)?))))
        .about(About {
            summary: "what the stages behind it could not say is added to what they are given next time",
            source: "Seide et al. 2014; Karimireddy et al. 2019 (arXiv 1901.09847)",
            options: &[
                OptionAbout::new("decay", "1", "how much of what could not be said is kept"),
                OptionAbout::new(
                    "momentum",
                    "0",
                    "momentum correction and factor masking (arXiv 1712.01887)",
                ),
                OptionAbout::new("clip", "", "the norm that an update has at most"),
            ],
            good_for: "standing before stages that leave much out, so that nothing is left out for ever",
            example: "delta+feedback+topk(part=0.01)",
        })
        // What it does, it does before it sends.
        .linear(Linear::Yes);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "whole")]
    decay: f32,
    #[serde(default)]
    momentum: f32,
    clip: Option<f32>,
}

fn whole() -> f32 {
    1.0
}

/// Around the stages that are listed behind it.
struct Feedback {
    tail: Held,
    settings: Settings,
    label: String,
}

impl Feedback {
    fn new(options: &Options, tail: Pipeline) -> Result<Self> {
        let settings: Settings = options.parse()?;
        if !(settings.decay > 0.0 && settings.decay <= 1.0) {
            let mend = "set it above 0 and up to 1, which keeps all of the error; or leave feedback out";
            return Err(options.refuse(format!("a decay of {}", settings.decay), mend));
        }
        if !(0.0..1.0).contains(&settings.momentum) {
            let problem = format!("a momentum of {}", settings.momentum);
            return Err(options.refuse(problem, "set it to 0 or more and below 1, such as 0.9"));
        }
        if let Some(clip) = settings.clip.filter(|clip| !(*clip > 0.0 && clip.is_finite())) {
            return Err(options.refuse(format!("a clip of {clip}"), "set it above 0, or leave it out"));
        }
        tail.check_fed_back()?;
        let all = options.table.iter().map(|(key, value)| format!("{key}={value}"));
        let all = all.collect::<Vec<_>>().join(",");
        let label = if all.is_empty() { "feedback".into() } else { format!("feedback({all})") };
        Ok(Self { tail: Held(tail), settings, label })
    }

    /// What the tail is given for these values, of which the result takes the place.
    fn corrected(&self, mut values: Vec<f32>, kept: &mut Kept) -> Vec<f32> {
        if let Some(clip) = self.settings.clip {
            let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
            let norm = squares.sqrt();
            if norm > f64::from(clip) {
                let factor = (f64::from(clip) / norm) as f32;
                values.iter_mut().for_each(|value| *value *= factor);
            }
        }
        if self.settings.momentum > 0.0 {
            if let Some(velocity) = kept.get(VELOCITY) {
                let each = values.iter_mut().zip(velocity);
                each.for_each(|(value, velocity)| *value += self.settings.momentum * velocity);
            }
            kept.put(VELOCITY, values.clone());
        }
        if let Some(error) = kept.get(ERROR) {
            values.iter_mut().zip(error).for_each(|(value, error)| *value += self.settings.decay * error);
        }
        values
    }

    /// Forgets the momentum of what has arrived.
    fn mask(&self, decoded: &[f32], kept: &mut Kept) {
        let Some(velocity) = kept.get(VELOCITY).filter(|_| self.settings.momentum > 0.0) else { return };
        let each = velocity.iter().zip(decoded);
        let masked = each.map(|(velocity, value)| if *value == 0.0 { *velocity } else { 0.0 }).collect();
        kept.put(VELOCITY, masked);
    }
}

/// The error so far.
const ERROR: &str = "error";
/// The momentum of each value.
const VELOCITY: &str = "velocity";
impl Stage for Feedback {
    fn label(&self) -> String {
        format!("{}+{}", self.label, self.tail.0.label())
    }

    fn given(&mut self, given: Given) -> Result<()> {
        if given != Given::Rest {
            return Ok(());
        }
        let problem = "what it owes of one round stands in other places in the next, where it is listed";
        Err(Error::setting("codecs: feedback", problem, "list it before the stages that leave fewer values"))
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn learned_label(&self) -> Option<String> {
        self.tail.0.learned_label()
    }

    fn epochs(&self) -> u64 {
        self.tail.0.epochs()
    }

    fn sub_model(&self, number: u32, seed: u64, who: u32) -> Option<SubModel> {
        self.tail.0.sub_model(number, seed, who)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let mut sums = Vec::with_capacity(batch.len());
        for outgoing in batch.iter_mut() {
            let values = outgoing.values.take(round.gpu)?;
            sums.push(self.corrected(values, outgoing.kept));
        }
        let updates = batch.iter_mut().zip(&sums);
        let updates = updates.map(|(outgoing, values)| (outgoing.who, &mut *outgoing.kept, values.clone()));
        let sent = self.tail.send(round, &mut updates.collect::<Vec<_>>())?;
        for ((outgoing, mut error), sent) in batch.iter_mut().zip(sums).zip(sent) {
            self.mask(&sent.decoded, outgoing.kept);
            error.iter_mut().zip(sent.decoded).for_each(|(error, decoded)| *error -= decoded);
            outgoing.kept.put(ERROR, error);
            outgoing.side.append("feedback", sent.side);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        self.tail.decode(round, &mut batch.iter_mut().collect::<Vec<_>>())
    }

    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let shipped = self.tail.0.setup(&mut SetupJob {
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
        self.tail.0.is_shared()
    }

    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        self.tail.0.share(&mut ShareJob {
            kept: job.kept.iter().map(|kept| kept.scope(TAIL)).collect(),
            run: &mut *job.run,
            ..*job
        })
    }

    fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.tail.0.adopt(gpu, bytes, kept.scope_mut(TAIL))?;
        self.install(bytes, kept.scope_mut(MIRROR))
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.tail.0.install(bytes, kept.scope_mut(TAIL))
    }

    fn keeps_arrivals(&self) -> bool {
        self.tail.0.keeps_arrivals()
    }

    fn refreshes(&self) -> bool {
        self.tail.0.refreshes()
    }

    fn refresh(&self, round: &Round<'_>, kept: &mut Kept) -> Result<Option<Vec<u8>>> {
        let shipped = self.tail.0.refresh(round, kept.scope_mut(TAIL))?;
        if let Some(bytes) = &shipped {
            self.replace_axes(bytes, kept.scope_mut(MIRROR))?;
        }
        Ok(shipped)
    }

    fn replace_axes(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.tail.0.replace_axes(bytes, kept.scope_mut(TAIL))
    }

    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        for name in [ERROR, VELOCITY] {
            for values in kept.iter().filter_map(|kept| kept.get(name)) {
                expect_length(name, values.len(), count.unwrap_or(values.len()))?;
            }
        }
        self.tail.check_senders(count, kept)
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.tail.check_receivers(count, kept)
    }

    fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        self.tail.0.check_room(gpu, expected)
    }
}

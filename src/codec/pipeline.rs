//! Stages one behind the other, and the bytes that they make together.

use super::byte_coder::most_bytes;
use super::refusals::no_average;
use super::set_up_once::set_up_once;
use super::{
    ByteCoder, ExpectedLogs, Incoming, Kept, Outgoing, Round, SetupJob, ShareJob, Stage, SubModel, Values,
};
use crate::bytes::{Reader, Writer};
use crate::gpu::Gpu;
use crate::ops::code::Rounding;
use crate::{Error, Result};

/// An update that arrived.
#[derive(Debug)]
pub struct Received {
    /// The weights.
    pub values: Values,
    /// What the aggregator keeps of the collaborator from here on, to be merged into what it has.
    pub news: Kept,
    /// Whether the collaborator left itself out of the round. Its weights are not averaged.
    pub is_left_out: bool,
}
/// What a message's bytes are called that are no stage's own: how many values there are where these decide that, and
/// the values that the last stage leaves.
const COUNTS: &str = "counts";
const VALUES: &str = "values, four bytes each";

/// Stages one behind the other. What the last one leaves is sent as it is, four bytes a value.
///
/// A message is the counts that the values decide, if any, in LEB128; the values that the last stage leaves; and what
/// the stages add, the last stage's first, so that it is decoded from front to back. Where there is a coder of bytes, it
/// codes all of that.
pub struct Pipeline {
    stages: Vec<Box<dyn Stage>>,
    coder: Option<Box<dyn ByteCoder>>,
    learns: bool,
    is_raw: bool,
    label: String,
}

impl Pipeline {
    /// Of these stages; `learns` says whether the first of them learns from logged weights.
    pub fn new(stages: Vec<Box<dyn Stage>>, learns: bool, is_raw: bool) -> Self {
        let label = stages.iter().map(|stage| stage.label()).collect::<Vec<_>>().join("+");
        Self { stages, coder: None, learns, is_raw, label }
    }

    /// The same with its bytes coded.
    pub fn with_coder(mut self, coder: Box<dyn ByteCoder>) -> Self {
        let labels = [std::mem::take(&mut self.label), coder.label()];
        self.label = labels.into_iter().filter(|label| !label.is_empty()).collect::<Vec<_>>().join("+");
        (self.coder, self.is_raw) = (Some(coder), false);
        self
    }

    /// Whether its bytes are coded.
    pub fn is_coded(&self) -> bool {
        self.coder.is_some()
    }

    /// Its name in ledger, metrics, summary, tables and plots: `delta+topk(0.01)`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The same with more behind its label; `is_raw` says whether it is still what all others are compared with.
    pub fn with_suffix(mut self, suffix: &str, is_raw: bool) -> Self {
        self.label += suffix;
        self.is_raw = is_raw;
        self
    }

    /// The same, called otherwise.
    pub fn called(mut self, label: String) -> Self {
        self.label = label;
        self
    }

    /// Whether it sends updates as they are.
    pub fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// Whether it learns from logged weights.
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// Epochs that a collaborator trains before it sends.
    pub fn epochs(&self) -> u64 {
        self.stages.iter().map(|stage| stage.epochs()).sum()
    }

    /// The part of the weights that a collaborator is sent and trains in a round; none where it is all of them.
    pub fn sub_model(&self, number: u32, seed: u64, who: u32) -> Option<SubModel> {
        self.stages.iter().find_map(|stage| stage.sub_model(number, seed, who))
    }

    /// What becomes of values on their way.
    pub fn rounding(&self) -> Rounding {
        let rounded = self.stages.iter().map(|stage| stage.rounding());
        rounded.fold(Rounding::None, |all, own| if own == Rounding::None { all } else { own })
    }

    /// Values that are sent as they are, of an update of `parameters` weights; `None` where the values decide, or where
    /// bytes are coded.
    pub fn floats(&self, parameters: usize, kept: &Kept) -> Option<usize> {
        if self.is_coded() {
            return None;
        }
        let mut stages = self.stages.iter().enumerate();
        stages.try_fold(parameters, |count, (place, stage)| stage.leaves(count, scope(kept, place)))
    }

    /// Refuses what both sides keep, as a checkpoint has it, where updates of `parameters` weights cannot be sent with
    /// it.
    pub fn check_kept(&self, parameters: usize, senders: &[&Kept], receivers: &[&Kept]) -> Result<()> {
        self.check_senders(Some(parameters), senders)?;
        self.check_receivers(Some(parameters), receivers)
    }

    /// The collaborators' side of it, with as many values as that, where it is known.
    pub fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.check_each(count, kept, |stage, count, kept| stage.check_senders(count, kept))
    }

    /// The aggregator's side of it.
    pub fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.check_each(count, kept, |stage, count, kept| stage.check_receivers(count, kept))
    }

    fn check_each(
        &self,
        mut count: Option<usize>,
        kept: &[&Kept],
        check: impl Fn(&dyn Stage, Option<usize>, &[&Kept]) -> Result<()>,
    ) -> Result<()> {
        for (place, stage) in self.stages.iter().enumerate() {
            let own: Vec<_> = kept.iter().map(|kept| scope(kept, place)).collect();
            check(&**stage, count, &own)?;
            count = count.and_then(|count| stage.leaves(count, own.first()?));
        }
        Ok(())
    }

    /// Refuses what the device has no room for.
    pub fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        self.stages.iter().try_for_each(|stage| stage.check_room(gpu, expected))
    }

    /// What a stage that learns, which is the first, makes of logs; gives what each collaborator ships.
    pub fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let (Some(stage), true) = (self.stages.first(), self.learns) else { return Ok(Vec::new()) };
        let mut own = SetupJob {
            kept: job.kept.iter_mut().map(|kept| kept.scope_mut("0")).collect(),
            run: &mut *job.run,
            learned: &mut *job.learned,
            setups: &mut *job.setups,
            ..*job
        };
        // What holds the stage that learns asks for it itself.
        if stage.learned_label().is_some() { stage.setup(&mut own) } else { set_up_once(&**stage, &mut own) }
    }

    /// The label of the stage that learns, if one does.
    pub fn learned_label(&self) -> Option<String> {
        let stage = self.stages.first().filter(|_| self.learns)?;
        stage.learned_label().or_else(|| Some(stage.label()))
    }

    /// Whether the aggregator makes one decoder for all of those that came.
    pub fn is_shared(&self) -> bool {
        self.stages.first().is_some_and(|stage| stage.is_shared())
    }

    /// What the aggregator makes of all that came, and sends back.
    pub fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        let Some(stage) = self.stages.first() else { return Ok(Vec::new()) };
        stage.share(&mut ShareJob {
            kept: job.kept.iter().map(|kept| kept.scope("0")).collect(),
            run: &mut *job.run,
            ..*job
        })
    }

    /// A collaborator's side of it.
    pub fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.stages.first().map_or(Ok(()), |stage| stage.adopt(gpu, bytes, kept.scope_mut("0")))
    }

    /// The aggregator's side of it.
    pub fn install_shared(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.stages.first().map_or(Ok(()), |stage| stage.install_shared(bytes, kept.scope_mut("0")))
    }

    /// Keeps what a collaborator has shipped.
    pub fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.stages.first().map_or(Ok(()), |stage| stage.install(bytes, kept.scope_mut("0")))
    }

    /// Whether the aggregator decodes with what it has decoded before.
    pub fn keeps_arrivals(&self) -> bool {
        self.stages.iter().any(|stage| stage.keeps_arrivals())
    }

    /// Whether collaborators ship more than their setups, as rounds go on.
    pub fn refreshes(&self) -> bool {
        self.stages.first().is_some_and(|stage| stage.refreshes())
    }

    /// What a collaborator ships on top of its setup before it sends in a round, where that is due.
    pub fn refresh(&self, round: &Round<'_>, kept: &mut Kept) -> Result<Option<Vec<u8>>> {
        self.stages.first().map_or(Ok(None), |stage| stage.refresh(round, kept.scope_mut("0")))
    }

    /// The aggregator's side of it.
    pub fn replace_axes(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.stages.first().map_or(Ok(()), |stage| stage.replace_axes(bytes, kept.scope_mut("0")))
    }

    /// The weights that each of these collaborators comes to by so many epochs of tuning its code alone; none where codes
    /// are not tuned.
    pub fn alone(
        &self,
        round: &Round<'_>,
        whose: &[(u32, &Kept)],
        epochs: u64,
    ) -> Result<Option<Vec<Vec<f32>>>> {
        let own: Vec<_> = whose.iter().map(|&(who, kept)| (who, scope(kept, 0))).collect();
        self.stages.first().map_or(Ok(None), |stage| stage.alone(round, &own, epochs))
    }

    /// Refuses a pipeline of whose updates the average is no update by itself.
    pub fn check_averages(&self) -> Result<()> {
        match self.stages.as_slice() {
            [stage] => stage.check_averages(),
            _ => Err(no_average(self.label())),
        }
    }

    /// Refuses a pipeline that must not stand behind `feedback`.
    pub fn check_fed_back(&self) -> Result<()> {
        self.stages.iter().try_for_each(|stage| stage.check_fed_back())
    }

    /// The payload whose update is the average of those of these payloads, by their weights.
    pub fn average(
        &self,
        round: &Round<'_>,
        payloads: Vec<(u32, &Kept, &[u8])>,
        weights: &[f64],
    ) -> Result<Vec<u8>> {
        let Some(stage) = self.stages.first() else { return Ok(Vec::new()) };
        let decoded = payloads.iter().map(|(_, _, bytes)| match &self.coder {
            None => Ok(bytes.to_vec()),
            Some(coder) => coder.decode(&mut Reader::new(bytes, "a code"), most_bytes(round.global.len())),
        });
        let decoded: Vec<_> = decoded.collect::<Result<_>>()?;
        let own = payloads.iter().zip(&decoded);
        let own = own.map(|(&(who, kept, _), bytes)| (who, scope(kept, 0), bytes.as_slice()));
        let average = stage.average(round, own.collect(), weights)?;
        let Some(coder) = &self.coder else { return Ok(average) };
        let mut side = Writer::default();
        coder.encode(&average, &mut side);
        Ok(side.into_bytes())
    }

    /// Whether the aggregator joins what it gets of all collaborators before it decodes it: the last of the stages does.
    pub fn is_joint(&self) -> bool {
        self.stages.last().is_some_and(|stage| stage.is_joint())
    }

    /// The weights that payloads come to together, each by its weight, where they are joined. `kept` is what the
    /// aggregator keeps of the federation; where a payload is refused, it is as it was.
    pub fn join(
        &self,
        round: &Round<'_>,
        payloads: Vec<(u32, &Kept, &[u8])>,
        weights: &[f64],
        kept: &mut Kept,
    ) -> Result<Vec<f32>> {
        let Some((joint, before)) = self.stages.split_last() else { return Ok(Vec::new()) };
        // The stages before it leave as many values as they are given, and write nothing: `Make::Joint` has it so.
        let due = round.global.len();
        let incoming = |who, bytes, kept| Incoming::new(who, due, Reader::new(bytes, "an update"), kept);
        let own =
            payloads.into_iter().map(|(who, kept, bytes)| incoming(who, bytes, scope(kept, before.len())));
        let mut batch: Vec<_> = own.collect();
        let mut after = kept.clone();
        let joined = joint.join(round, &mut batch, weights, &mut after)?;
        batch.into_iter().try_for_each(|incoming| incoming.side.finish())?;
        *kept = after;
        let nothing = Kept::default();
        let mut whole = [Incoming { values: Values::Host(joined), ..incoming(0, &[], &nothing) }];
        before.iter().rev().try_for_each(|stage| stage.decode(round, &mut whole))?;
        whole[0].values.take(round.gpu)
    }

    /// Refuses what the aggregator keeps of the federation, as a checkpoint has it, where payloads cannot be joined with
    /// it.
    pub fn check_joint(&self, kept: &Kept) -> Result<()> {
        self.stages.last().map_or(Ok(()), |stage| stage.check_joint(kept))
    }

    /// Makes bytes of values: what goes into the message stands in `side`, and nothing is left in `values`.
    pub fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let Some(coder) = &self.coder else { return self.encode_stages(round, batch) };
        let before: Vec<_> = batch
            .iter_mut()
            .map(|outgoing| (std::mem::take(&mut outgoing.side), most_bytes(outgoing.values.len())))
            .collect();
        self.encode_stages(round, batch)?;
        for (outgoing, (side, most)) in batch.iter_mut().zip(before) {
            let bytes = std::mem::replace(&mut outgoing.side, side).into_bytes();
            if bytes.len() > most {
                let problem = format!("{} has {} bytes of an update to code", self.label, bytes.len());
                return Err(Error::setting("codecs", problem, format!("leave {} out", coder.label())));
            }
            let mut coded = Writer::default();
            coder.encode(&bytes, &mut coded);
            outgoing.side.append(&coder.label(), coded);
        }
        Ok(())
    }

    fn encode_stages(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let mut sides = vec![Vec::with_capacity(self.stages.len()); batch.len()];
        for (place, stage) in self.stages.iter().enumerate() {
            let name = place.to_string();
            let given: Vec<_> = batch.iter().map(|outgoing| outgoing.values.len()).collect();
            let mut own: Vec<_> = batch
                .iter_mut()
                .map(|outgoing| Outgoing {
                    who: outgoing.who,
                    values: std::mem::take(&mut outgoing.values),
                    side: Writer::default(),
                    kept: outgoing.kept.scope_mut(&name),
                })
                .collect();
            stage.encode(round, &mut own)?;
            let own: Vec<_> = own.into_iter().map(|outgoing| (outgoing.values, outgoing.side)).collect();
            let each = batch.iter_mut().zip(&mut sides).zip(given).zip(own);
            for (((outgoing, sides), given), (values, side)) in each {
                match stage.leaves(given, scope(outgoing.kept, place)) {
                    None => outgoing.side.number(values.len() as u32),
                    Some(count) if count == values.len() => {}
                    Some(count) => {
                        let (label, left) = (stage.label(), values.len());
                        return Err(Error::fault(format!(
                            "{label} leaves {left} values and promises {count}"
                        )));
                    }
                }
                outgoing.values = values;
                sides.push(side);
            }
        }
        for (outgoing, sides) in batch.iter_mut().zip(sides) {
            let counts = std::mem::take(&mut outgoing.side);
            outgoing.side.append(COUNTS, counts);
            let mut values = Writer::default();
            values.floats(&outgoing.values.take(round.gpu)?);
            outgoing.side.append(VALUES, values);
            for (stage, side) in self.stages.iter().zip(sides).rev() {
                outgoing.side.append(&stage.label(), side);
            }
        }
        Ok(())
    }

    /// Makes values of bytes, and leaves in `side` what is behind them.
    pub fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let Some(coder) = &self.coder else { return self.decode_stages(round, batch) };
        let decoded = batch.iter_mut().map(|own| {
            let (before, known) = (own.side.clone(), own.side.said());
            let bytes = coder.decode(&mut own.side, most_bytes(own.due))?;
            own.side.was_of(&before, known, &coder.label());
            Ok(bytes)
        });
        let decoded: Vec<_> = decoded.collect::<Result<_>>()?;
        let own = batch.iter().zip(&decoded).map(|(incoming, bytes)| {
            Incoming::new(incoming.who, incoming.due, Reader::new(bytes, "an update"), incoming.kept)
        });
        let mut own: Vec<_> = own.collect();
        self.decode_stages(round, &mut own)?;
        for (incoming, own) in batch.iter_mut().zip(own) {
            own.side.finish()?;
            (incoming.values, incoming.news, incoming.is_left_out) = (own.values, own.news, own.is_left_out);
        }
        Ok(())
    }

    fn decode_stages(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let mut counts = Vec::with_capacity(batch.len());
        for incoming in batch.iter_mut() {
            let (before, known) = (incoming.side.clone(), incoming.side.said());
            let mut own = vec![incoming.due];
            for (place, stage) in self.stages.iter().enumerate() {
                let given = own[place];
                let left = match stage.leaves(given, scope(incoming.kept, place)) {
                    Some(count) => count,
                    None => incoming.side.number()? as usize,
                };
                if left > given {
                    let problem = format!("{} has {left} values of {given}", stage.label());
                    return Err(Error::message(problem, "use the same model and codec on both sides"));
                }
                own.push(left);
            }
            incoming.side.was_of(&before, known, COUNTS);
            let (before, known) = (incoming.side.clone(), incoming.side.said());
            incoming.values = Values::Host(incoming.side.floats(own[self.stages.len()])?);
            incoming.side.was_of(&before, known, VALUES);
            counts.push(own);
        }
        for (place, stage) in self.stages.iter().enumerate().rev() {
            let mut own: Vec<_> = batch
                .iter_mut()
                .zip(&counts)
                .map(|(incoming, counts)| Incoming {
                    values: std::mem::take(&mut incoming.values),
                    ..Incoming::new(
                        incoming.who,
                        counts[place],
                        incoming.side.clone(),
                        scope(incoming.kept, place),
                    )
                })
                .collect();
            let known: Vec<_> = own.iter().map(|own| own.side.said()).collect();
            stage.decode(round, &mut own)?;
            for ((incoming, own), known) in batch.iter_mut().zip(own).zip(known) {
                own.side.was_of(&incoming.side, known, &stage.label());
                if own.values.len() != own.due {
                    let (label, made) = (stage.label(), own.values.len());
                    let problem =
                        format!("{label} made {made} values of an update where {} are due", own.due);
                    return Err(Error::message(problem, "use the same model and codec on both sides"));
                }
                (incoming.values, incoming.side) = (own.values, own.side);
                incoming.news.scope_mut(&place.to_string()).merge(own.news);
                incoming.is_left_out |= own.is_left_out;
            }
        }
        Ok(())
    }

    /// The updates of collaborators as the payloads of their messages.
    pub fn send(&self, round: &Round<'_>, updates: Vec<(u32, &mut Kept, Values)>) -> Result<Vec<Vec<u8>>> {
        Ok(self.describe(round, updates)?.into_iter().map(Writer::into_bytes).collect())
    }

    /// The same, with what is said of whose the bytes are.
    pub fn describe(&self, round: &Round<'_>, updates: Vec<(u32, &mut Kept, Values)>) -> Result<Vec<Writer>> {
        let outgoing = |(who, kept, values)| Outgoing { who, values, side: Writer::default(), kept };
        let mut batch: Vec<_> = updates.into_iter().map(outgoing).collect();
        self.encode(round, &mut batch)?;
        Ok(batch.into_iter().map(|outgoing| outgoing.side).collect())
    }

    /// The updates that payloads are of, with as many values as the global model has. Nothing is kept of them.
    pub fn receive(&self, round: &Round<'_>, payloads: Vec<(u32, &Kept, &[u8])>) -> Result<Vec<Values>> {
        let received = self.take_in(round, payloads)?;
        Ok(received.into_iter().map(|received| received.values).collect())
    }

    /// The same, with what the aggregator keeps of them.
    pub fn take_in(&self, round: &Round<'_>, payloads: Vec<(u32, &Kept, &[u8])>) -> Result<Vec<Received>> {
        let read = |(who, kept, bytes)| (who, kept, Reader::new(bytes, "an update"));
        self.take_in_from(round, payloads.into_iter().map(read).collect())
    }

    /// The same of payloads that are read by these readers, which may be [described](Reader::described).
    pub fn take_in_from(
        &self,
        round: &Round<'_>,
        payloads: Vec<(u32, &Kept, Reader<'_>)>,
    ) -> Result<Vec<Received>> {
        let due = round.global.len();
        let incoming = |(who, kept, side)| Incoming::new(who, due, side, kept);
        let mut batch: Vec<_> = payloads.into_iter().map(incoming).collect();
        self.decode(round, &mut batch)?;
        let received = batch.into_iter().map(|incoming| {
            let Incoming { values, news, is_left_out, side, .. } = incoming;
            side.finish().map(|()| Received { values, news, is_left_out })
        });
        received.collect()
    }
}

/// What is kept for a stage.
fn scope(kept: &Kept, place: usize) -> &Kept {
    kept.scope(&place.to_string())
}

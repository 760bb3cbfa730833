//! A federation as far as it has come, and how it is left in a run's folder.

use super::due::Due;
use super::echo;
use super::flow::Flow;
use super::ledger::Ledger;
use super::logs::{TakenAt, log_shapes, put_logs, take_logs, taken_at};
use super::results::RoundResult;
pub use super::scopes::{CODEC, LOCAL};
use super::shared_decoder::SharedDecoder;
use super::spec::{Downlink, Rules};
use super::strategy::Strategy;
use super::systems::System;
use crate::Result;
use crate::codec::{Kept, Learned, Parking, Pipeline, Store};
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::run::Run;
use crate::training::Snapshots;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::RangeInclusive;

const GLOBAL: &str = "global";
const COLLABORATORS: &str = "collaborators";
const AGGREGATOR: &str = "aggregator";
const COMBINE: &str = "combine";
const SERVER: &str = "server";
const DOWNLINK: &str = "downlink";
const JOINT: &str = "joint";
const SHARED: &str = "shared";
const FLOW: &str = "flow";

/// One federation of a simulation, or the rounds that all of them have in common.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FederationState {
    /// What its rounds came to, the first of them first.
    pub rounds: Vec<RoundResult>,
    /// Its messages.
    pub ledger: Ledger,
    /// How its codec was learned.
    pub learned: Learned,
    /// The payload whose update the global model became, where that crosses as a code, as what arrived, or through stages.
    #[serde(default)]
    pub code: Option<Vec<u8>>,
    /// Who has the model that this payload changes, where it is of no use to others.
    #[serde(default)]
    pub holders: Vec<u32>,
    /// What is under way where collaborators do not wait for each other, after the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// Whether its codec is set up, so that rounds can be played.
    pub is_set_up: bool,
    /// Seconds that it took so far, those of common rounds excluded.
    pub seconds: f64,
    /// The last global model.
    #[serde(skip)]
    pub global: Vec<f32>,
    /// What each collaborator logged.
    #[serde(skip)]
    pub snapshots: Vec<Snapshots>,
    /// What each collaborator keeps for its codec, by id.
    #[serde(skip)]
    pub collaborators: Store,
    /// What the aggregator keeps for the codec of each collaborator, by id. It is filled from messages alone.
    #[serde(skip)]
    pub aggregator: Store,
    /// The decoder that is for all, where the codec has such a one.
    #[serde(skip)]
    pub shared: SharedDecoder,
    /// What the aggregator keeps for the stages of the downlink.
    #[serde(skip)]
    pub down: Kept,
    /// What the aggregator keeps for a codec whose updates it joins.
    #[serde(skip)]
    pub joint: Kept,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Notes<P> {
    state: P,
    taken_at: Vec<TakenAt>,
}

/// What a federation's state says besides its tensors.
pub(super) type FederationNotes = Notes<FederationState>;

/// A federation: how its updates cross the wire, what becomes of them, and how far it has come.
pub struct Federation {
    /// How updates cross the wire.
    pub pipeline: Pipeline,
    /// What becomes of them.
    pub strategy: Strategy,
    /// What it does otherwise than others.
    pub rules: Rules,
    /// What its rounds exchange in place of weights, where they do.
    pub system: Option<Box<dyn System>>,
    /// How far it has come.
    pub state: FederationState,
}

impl FederationState {
    /// Before the first round.
    pub fn new(global: Vec<f32>, ledger: Ledger) -> Self {
        Self { ledger, global, ..Self::default() }
    }
}

/// The state of a codec that has been set up, which is saved once.
fn setup_of(stage: &str) -> String {
    format!("{stage}-setup")
}

/// What is wrong with a state of another number of rounds, or with rounds and messages of another federation.
fn check(
    state: &FederationState,
    due: &Due,
    rounds: RangeInclusive<usize>,
    is_set_up: bool,
) -> std::result::Result<(), String> {
    let loggers = due.spec.loggers(&due.samples).len();
    let (played, curves, ids) = (state.rounds.len(), state.learned.curves.len(), loggers);
    if !rounds.contains(&played) {
        return Err(format!("it has {played} rounds, and {} to {} can be", rounds.start(), rounds.end()));
    }
    if state.is_set_up != is_set_up {
        return Err(format!("its codec is {}set up", if state.is_set_up { "" } else { "not " }));
    }
    if !(0.0..).contains(&state.seconds) {
        return Err(format!("it took {} seconds", state.seconds));
    }
    if curves != 0 && curves != ids {
        return Err(format!("it has the curves of {curves} collaborators of {ids}"));
    }
    due.check_flow(state.flow.as_ref(), played as u32)?;
    due.check_rounds(&state.rounds)?;
    due.check_ledger(&state.ledger, &state.rounds)
}

impl Federation {
    /// Before the first round.
    pub fn new(pipeline: Pipeline, strategy: Strategy, rules: Rules, state: FederationState) -> Self {
        Self { pipeline, strategy, rules, system: None, state }
    }

    /// The same before its first round, with rounds that exchange what a system does.
    #[must_use]
    pub fn of_system(mut self, system: Box<dyn System>) -> Self {
        self.state.global = system.initial();
        self.system = Some(system);
        self
    }

    /// The weights of the global model, `[P]` in `state_dict` order.
    pub fn weights(&self, gpu: &Gpu) -> Result<Cow<'_, [f32]>> {
        let global = &self.state.global;
        match &self.system {
            None => Ok(Cow::Borrowed(global)),
            Some(system) => system.weights(gpu, global).map(Cow::Owned),
        }
    }

    /// What idle collaborators keep goes there past a limit, which each side has half of.
    pub fn park_in(&mut self, Parking { folder, limit }: Parking) {
        let parking = Parking { folder, limit: limit / 2 };
        self.state.collaborators.park_in(parking.clone());
        self.state.aggregator.park_in(parking);
    }

    /// Moves what is past the limit.
    pub fn settle(&mut self) -> Result<()> {
        self.state.collaborators.settle()?;
        self.state.aggregator.settle()
    }

    /// Another federation that goes on from here, with a codec of its own and a strategy of the same kind.
    pub fn fork(&mut self, pipeline: Pipeline, mut strategy: Strategy, rules: Rules) -> Self {
        strategy.combine.kept().clone_from(self.strategy.combine.kept());
        strategy.server.kept().clone_from(self.strategy.server.kept());
        strategy.local.kept().clone_from(self.strategy.local.kept());
        let own = &self.state;
        let state = FederationState {
            rounds: own.rounds.clone(),
            collaborators: own.collaborators.clone(),
            ..FederationState::new(own.global.clone(), own.ledger.clone())
        };
        Self { pipeline, strategy, rules, system: None, state }
    }

    /// Goes on with what a stage had come to when it was saved last, if it was; `last` is the last of its rounds.
    /// Errors where a state is not one that this federation can have come to.
    pub(super) fn load(&mut self, run: &mut Run<'_>, stage: &str, due: &Due, last: u32) -> Result<()> {
        let begun = self.state.rounds.len();
        // What was set up once, and over it what has changed since.
        if let Some((notes, file)) = run.load::<FederationNotes>(&setup_of(stage))? {
            self.take(notes, &file, due, begun..=begun)?;
            self.check_kept(&file, due)?;
            self.seal();
        }
        if let Some((notes, file)) = run.load::<FederationNotes>(stage)? {
            self.take(notes, &file, due, begun..=last as usize)?;
            self.check_kept(&file, due)?;
        }
        Ok(())
    }

    /// Becomes what a state's file says, with as many rounds as `rounds` has.
    pub(super) fn take(
        &mut self,
        notes: FederationNotes,
        file: &StateFile,
        due: &Due,
        rounds: RangeInclusive<usize>,
    ) -> Result<()> {
        let (own, strategy) = (&mut self.state, &mut self.strategy);
        let mut state = notes.state;
        // Weights are logged in the rounds of a pre-pass, and these are not compressed.
        let logs = own.snapshots.len();
        check(&state, due, rounds, logs == 0).map_err(|problem| file.damaged(problem))?;
        let has_averaged = state.rounds.len() > due.spec.raw_rounds() as usize;
        let is_changed = self.rules.downlink != Downlink::Model || self.rules.down.is_some();
        if state.code.is_some() != (has_averaged && is_changed) {
            let found = if state.code.is_some() { "a code where none is" } else { "no code where one is" };
            return Err(file.damaged(format!("its global model has {found} due")));
        }
        if let (Some(code), Downlink::Echo) = (&state.code, self.rules.downlink) {
            for update in file.resumed(echo::read(code))? {
                let samples =
                    due.ids.binary_search(&update.who).ok().and_then(|place| due.samples.get(place));
                if samples != Some(&update.samples) {
                    let who = update.who;
                    return Err(
                        file.damaged(format!("it has an update of collaborator {who} with other images"))
                    );
                }
            }
        }
        let global = file.resumed(file.tensor(GLOBAL))?;
        file.resumed(global.expect_shape(&[due.width], "the classifier"))?;
        state.global = file.resumed(global.values())?;
        state.snapshots = own.snapshots.iter().map(|log| Snapshots::new(log.model.clone())).collect();
        let times = if logs > 0 { due.together(state.rounds.len() as u64)? } else { Vec::new() };
        take_logs(file, &mut state.snapshots, due.width, &notes.taken_at, &times)?;
        state.collaborators = std::mem::take(&mut own.collaborators);
        state.aggregator = std::mem::take(&mut own.aggregator);
        state.down = std::mem::take(&mut own.down);
        file.resumed(state.down.load(DOWNLINK, file))?;
        if let Some(down) = &self.rules.down {
            file.resumed(down.check_senders(Some(due.width), &[&state.down]))?;
        }
        if let Some(flow) = &mut state.flow {
            file.resumed(flow.load(FLOW, file, due.width))?;
        }
        state.joint = std::mem::take(&mut own.joint);
        file.resumed(state.joint.load(JOINT, file))?;
        file.resumed(self.pipeline.check_joint(&state.joint))?;
        state.shared = std::mem::take(&mut own.shared);
        file.resumed(state.shared.load(SHARED, file))?;
        if state.shared.payload().is_some() {
            for who in SharedDecoder::receivers(&state.ledger) {
                if !state.shared.is_held_by(who) {
                    state.shared.hand_to(who, &mut state.collaborators, &mut state.aggregator);
                }
            }
        }
        file.resumed(state.collaborators.load(COLLABORATORS, &due.ids, file))?;
        file.resumed(state.aggregator.load(AGGREGATOR, &due.ids, file))?;
        file.resumed(strategy.combine.kept().load(COMBINE, file))?;
        file.resumed(strategy.server.kept().load(SERVER, file))?;
        file.resumed(strategy.local.kept().load(LOCAL, file))?;
        file.resumed(strategy.combine.check_kept(due.width))?;
        file.resumed(strategy.server.check_kept(due.width))?;
        file.resumed(strategy.local.check_kept(due.width))?;
        for &who in &due.ids {
            let kept = state.collaborators.of(who).scope(LOCAL);
            file.resumed(strategy.local.check_collaborator(due.width, kept))?;
        }
        *own = state;
        Ok(())
    }

    /// Refuses what both sides keep where updates cannot be sent with it.
    pub(super) fn check_kept(&self, file: &StateFile, due: &Due) -> Result<()> {
        if !self.state.is_set_up {
            return Ok(());
        }
        let FederationState { collaborators, aggregator, shared, .. } = &self.state;
        let mut ids = due.ids.clone();
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        if self.pipeline.is_shared() {
            let Some(payload) = shared.payload() else {
                return Err(file.damaged("it lacks the decoder that is for all"));
            };
            file.resumed(self.pipeline.install_shared(payload, &mut Kept::default()))?;
            let played = self.state.rounds.iter().filter(|round| round.round >= due.first_round());
            let mut asked = played.flat_map(|round| due.answered(round));
            if let Some(who) = asked.find(|&who| !shared.is_held_by(who)) {
                return Err(file.damaged(format!("collaborator {who} takes part and has got no decoder")));
            }
            let [sender, receiver] = shared.sides();
            (senders, receivers) = (vec![sender], vec![receiver]);
            ids = shared.holders().collect();
        }
        senders.extend(ids.iter().map(|&who| collaborators.of(who).scope(CODEC)));
        receivers.extend(ids.iter().map(|&who| aggregator.of(who).scope(CODEC)));
        file.resumed(self.pipeline.check_kept(due.width, &senders, &receivers))
    }

    fn kept(&mut self) -> [(&'static str, &mut Kept); 3] {
        let Strategy { combine, server, local } = &mut self.strategy;
        [(COMBINE, combine.kept()), (SERVER, server.kept()), (LOCAL, local.kept())]
    }

    fn seal(&mut self) {
        self.state.collaborators.seal();
        self.state.aggregator.seal();
        self.state.shared.seal();
    }

    fn tensors(&mut self) -> Vec<TensorShape> {
        let mut tensors: Vec<_> = self.kept().iter().flat_map(|(name, kept)| kept.shapes(name)).collect();
        let state = &self.state;
        tensors.push(TensorShape::new(GLOBAL, &[state.global.len()]));
        tensors.extend(log_shapes(&state.snapshots));
        tensors.extend(state.collaborators.shapes(COLLABORATORS));
        tensors.extend(state.aggregator.shapes(AGGREGATOR));
        tensors.extend(state.shared.shapes(SHARED));
        tensors.extend(state.down.shapes(DOWNLINK));
        tensors.extend(state.joint.shapes(JOINT));
        tensors.extend(state.flow.iter().flat_map(|flow| flow.shapes(FLOW)));
        tensors
    }

    /// Bytes of what is saved.
    pub fn bytes(&mut self) -> u64 {
        // In every round: names of tensors of thousands of collaborators would take longer than their sizes.
        let kept: u64 = self.kept().iter().map(|(_, kept)| kept.changed_bytes()).sum();
        let state = &self.state;
        let own = [state.down.changed_bytes(), state.joint.changed_bytes(), state.shared.changed_bytes()];
        let sides = state.collaborators.changed_bytes() + state.aggregator.changed_bytes();
        let logs: u64 = log_shapes(&state.snapshots).iter().map(TensorShape::bytes).sum();
        kept + own.iter().sum::<u64>() + sides + logs + 4 * state.global.len() as u64
    }

    /// Saves it as what a stage has come to.
    pub fn save(&mut self, run: &mut Run<'_>, stage: &str) -> Result<()> {
        let tensors = self.tensors();
        let notes = Notes { state: &self.state, taken_at: taken_at(&self.state.snapshots) };
        let Strategy { combine, server, local } = &mut self.strategy;
        let (combine, server, local) = (&*combine.kept(), &*server.kept(), &*local.kept());
        let state = &self.state;
        run.save(stage, &notes, &tensors, |file: &mut StateWriter| {
            file.put(GLOBAL, 0, &state.global)?;
            put_logs(file, &state.snapshots)?;
            state.collaborators.save(COLLABORATORS, file)?;
            state.aggregator.save(AGGREGATOR, file)?;
            state.shared.save(SHARED, file)?;
            state.down.save(DOWNLINK, file)?;
            state.joint.save(JOINT, file)?;
            state.flow.iter().try_for_each(|flow| flow.save(FLOW, file))?;
            combine.save(COMBINE, file)?;
            server.save(SERVER, file)?;
            local.save(LOCAL, file)
        })
    }

    /// Saves a codec that has been set up; it is not saved again with every round.
    pub fn save_setup(&mut self, run: &mut Run<'_>, stage: &str) -> Result<()> {
        self.save(run, &setup_of(stage))?;
        self.seal();
        Ok(())
    }
}

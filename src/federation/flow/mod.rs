//! What is under way in a federation whose collaborators do not wait for each other: plain data, and how it is saved.

mod compass;

pub use compass::{Arrives, Compass, CompassRules};

use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What is under way between two steps of the global model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    /// Seconds since the first message.
    pub now: f64,
    /// When the global model has changed last.
    pub last_step: f64,
    /// Those that are to begin a task.
    pub coming: Vec<Coming>,
    /// How many have come so far, or are to come.
    pub comings: u64,
    /// What collaborators work on.
    pub tasks: Vec<Task>,
    /// What each collaborator has begun so far.
    pub begun: BTreeMap<u32, Begun>,
    /// Updates that have arrived, and that no step is made of yet.
    pub arrived: Vec<Arrival>,
    /// Updates that have arrived since the last step and do not count.
    pub rejected: usize,
    /// Groups, where there are any.
    pub compass: Compass,
    /// The global models that tasks and updates began with, by the number of steps before.
    #[serde(skip)]
    pub models: BTreeMap<u32, Arc<Vec<f32>>>,
}

/// Somebody who is to begin a task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coming {
    /// When.
    pub at: f64,
    /// Its number, by which those of the same time are in order.
    pub number: u64,
    /// Who; drawn among those that are idle, where nothing is said.
    pub who: Option<u32>,
}

/// How much a collaborator has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Tasks.
    pub tasks: u32,
    /// Epochs of them, each with images in an order of its own.
    pub epochs: u64,
}

/// Local training from a global model, and the way of what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The collaborator, which has one at a time.
    pub who: u32,
    /// Its number among the tasks of this collaborator, from 1.
    pub number: u32,
    /// Steps of the global model before it began.
    pub version: u32,
    /// Number of its first epoch.
    pub first_epoch: u64,
    /// Steps of local training.
    pub steps: u64,
    /// Its group, where it is of one.
    pub group: Option<u64>,
    /// When it began.
    pub begin: f64,
    /// Bytes of the message that it began with.
    pub down: u64,
    /// Before this its update does not arrive, however short it is.
    pub earliest: f64,
    /// What it came to, where that is known.
    pub sent: Option<Sent>,
}

/// An update on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// When it arrives.
    pub arrives: f64,
    /// Mean loss on the collaborator's own images in its last epoch.
    pub train_loss: f64,
    /// Its bytes.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

/// An update that has arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// Whose it is.
    pub who: u32,
    /// The number of its task.
    pub number: u32,
    /// Steps of the global model before its task began.
    pub version: u32,
    /// Steps of local training.
    pub steps: u64,
    /// Its group, where it is of one.
    pub group: Option<u64>,
    /// Mean loss on the collaborator's own images in its last epoch.
    pub train_loss: f64,
    /// The weights that were decoded.
    #[serde(skip)]
    pub weights: Vec<f32>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// The update of the task at this place arrives.
    Arrives(usize),
    /// First it has to be known what tasks come to, since the next event may be that one of them arrives.
    IsUnknown,
    /// The group of this number is not waited for any longer, from this time on.
    Ends(f64, u64),
    /// The one at this place of those that come begins.
    Begins(usize),
    /// Nobody is under way.
    Nothing,
}

/// More tasks, groups and epochs than that no federation comes to.
const MOST: u64 = 1 << 48;

impl Flow {
    /// Somebody is to begin a task.
    pub fn come(&mut self, at: f64, who: Option<u32>) {
        self.coming.push(Coming { at, number: self.comings, who });
        self.comings += 1;
    }

    /// The next event: of those at the same time arrivals come first, by id, so that a step that is made of them is made
    /// before anybody begins; then groups end; then tasks begin.
    pub fn next(&self) -> Next {
        let time = |task: &Task| task.sent.as_ref().map_or(task.earliest, |sent| sent.arrives);
        let tasks = self.tasks.iter().enumerate().map(|(place, task)| (time(task), task.who, place));
        let task = tasks.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let comings = self.coming.iter().enumerate();
        let coming = comings.min_by(|(_, a), (_, b)| a.at.total_cmp(&b.at).then(a.number.cmp(&b.number)));
        let of_task = task.map_or(f64::INFINITY, |(time, ..)| time);
        let of_coming = coming.map_or(f64::INFINITY, |(_, coming)| coming.at);
        if let Some((end, group)) =
            self.compass.next_end().filter(|(end, _)| *end < of_task && *end <= of_coming)
        {
            return Next::Ends(end, group);
        }
        match (task, coming) {
            (Some((time, _, place)), _) if time <= of_coming => {
                if self.tasks[place].sent.is_some() {
                    Next::Arrives(place)
                } else {
                    Next::IsUnknown
                }
            }
            (_, Some((place, _))) => Next::Begins(place),
            _ => Next::Nothing,
        }
    }

    /// Forgets the models that nothing under way began with.
    pub fn forget_models(&mut self) {
        let used: Vec<u32> = self.versions().collect();
        self.models.retain(|version, _| used.contains(version));
    }

    fn versions(&self) -> impl Iterator<Item = u32> {
        let tasks = self.tasks.iter().map(|task| task.version);
        tasks.chain(self.arrived.iter().map(|arrival| arrival.version))
    }

    /// The tensors of a checkpoint; their names begin with `path`.
    pub fn shapes(&self, path: &str) -> Vec<TensorShape> {
        let models = self.models.iter();
        let models =
            models.map(|(version, model)| TensorShape::new(model_of(path, *version), &[model.len()]));
        let sent = self.tasks.iter().filter_map(|task| Some((task.who, task.sent.as_ref()?)));
        let sent = sent.map(|(who, sent)| TensorShape::bytes_of(sent_of(path, who), sent.payload.len()));
        let arrived = self.arrived.iter();
        let arrived =
            arrived.map(|own| TensorShape::new(arrived_of(path, own.who, own.number), &[own.weights.len()]));
        models.chain(sent).chain(arrived).collect()
    }

    /// Puts its tensors into a checkpoint.
    pub fn save(&self, path: &str, file: &mut StateWriter) -> Result<()> {
        for (version, model) in &self.models {
            file.put(&model_of(path, *version), 0, model)?;
        }
        for (who, sent) in self.tasks.iter().filter_map(|task| Some((task.who, task.sent.as_ref()?))) {
            file.put_bytes(&sent_of(path, who), &sent.payload)?;
        }
        self.arrived
            .iter()
            .try_for_each(|own| file.put(&arrived_of(path, own.who, own.number), 0, &own.weights))
    }

    /// Takes its tensors from a checkpoint, of models of so many weights.
    pub fn load(&mut self, path: &str, file: &StateFile, width: usize) -> Result<()> {
        let values = |name: &str| {
            let tensor = file.tensor(name)?;
            tensor.expect_shape(&[width], "the classifier")?;
            tensor.values()
        };
        let versions: Vec<u32> = self.versions().collect();
        for version in versions {
            if let Entry::Vacant(place) = self.models.entry(version) {
                place.insert(Arc::new(values(&model_of(path, version))?));
            }
        }
        for task in &mut self.tasks {
            let Some(sent) = &mut task.sent else { continue };
            let name = sent_of(path, task.who);
            let bytes = file.bytes(&name)?;
            let bytes = bytes.ok_or_else(|| Error::message(format!("{name} is no bytes"), "start over"))?;
            sent.payload = bytes.to_vec();
        }
        for own in &mut self.arrived {
            own.weights = values(&arrived_of(path, own.who, own.number))?;
        }
        Ok(())
    }

    /// What is wrong with what is under way in a federation of these collaborators after so many steps; `steps` are
    /// those of local training that a task can have.
    pub fn check(
        &self,
        ids: &[u32],
        version: u32,
        steps: &RangeInclusive<u64>,
    ) -> std::result::Result<(), String> {
        let is_time = |time: f64| (0.0..f64::MAX).contains(&time);
        let mut busy: Vec<u32> = self.tasks.iter().map(|task| task.who).collect();
        busy.extend(self.coming.iter().filter_map(|coming| coming.who));
        busy.sort_unstable();
        let are_known = busy.iter().all(|who| ids.contains(who));
        if !are_known || busy.windows(2).any(|two| two[0] == two[1]) {
            return Err("collaborators are under way that there are not, or one of them twice".into());
        }
        if self.tasks.len() + self.coming.len() > ids.len() {
            return Err("more are under way than there are collaborators".into());
        }
        let task_is_one = |task: &Task| {
            task.version <= version
                && steps.contains(&task.steps)
                && is_time(task.begin)
                && is_time(task.earliest)
                && task.sent.as_ref().is_none_or(|sent| is_time(sent.arrives) && sent.arrives >= self.now)
        };
        let arrival_is_one =
            |own: &Arrival| ids.contains(&own.who) && own.version <= version && steps.contains(&own.steps);
        let compass = &self.compass;
        let groups_are_some =
            compass.groups.values().all(|group| is_time(group.due) && is_time(group.latest))
                && compass.speeds.values().all(|speed| *speed > 0.0 && speed.is_finite())
                && compass.groups.keys().all(|number| *number < compass.made);
        let is_whole = is_time(self.now)
            && is_time(self.last_step)
            && self.last_step <= self.now
            && self.tasks.iter().all(task_is_one)
            && self.arrived.iter().all(arrival_is_one)
            && self.coming.iter().all(|coming| is_time(coming.at) && coming.number < self.comings)
            && self.rejected == 0
            && self.begun.values().all(|begun| begun.tasks < u32::MAX / 2 && begun.epochs < MOST)
            && self.comings.max(compass.made) < MOST
            && groups_are_some;
        if is_whole { Ok(()) } else { Err("what is under way is not what a federation has come to".into()) }
    }
}

fn model_of(path: &str, version: u32) -> String {
    format!("{path}/model/{version}")
}

fn sent_of(path: &str, who: u32) -> String {
    format!("{path}/sent/{who}")
}

fn arrived_of(path: &str, who: u32, number: u32) -> String {
    format!("{path}/arrived/{who}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(who: u32, earliest: f64, arrives: Option<f64>) -> Task {
        let sent = arrives.map(|arrives| Sent { arrives, train_loss: 1.0, payload: Vec::new() });
        Task {
            who,
            number: 1,
            version: 0,
            first_epoch: 0,
            steps: 1,
            group: None,
            begin: 0.0,
            down: 0,
            earliest,
            sent,
        }
    }

    #[test]
    fn events_come_by_time_and_those_of_one_time_by_kind_and_id() {
        let mut flow = Flow::default();
        assert_eq!(flow.next(), Next::Nothing);
        flow.come(2.0, None);
        flow.come(2.0, Some(1));
        assert_eq!(flow.next(), Next::Begins(0));
        flow.tasks = vec![task(4, 1.0, Some(2.0)), task(3, 1.0, Some(2.0))];
        assert_eq!(flow.next(), Next::Arrives(1), "arrivals come before others begin, and by id");
        // What may arrive before that has to be known first.
        flow.tasks.push(task(5, 1.5, None));
        assert_eq!(flow.next(), Next::IsUnknown);
        flow.tasks[2].earliest = 2.5;
        assert_eq!(flow.next(), Next::Arrives(1));
        flow.tasks.truncate(2);
        flow.tasks.iter_mut().for_each(|task| task.earliest = 3.0);
        flow.tasks.iter_mut().for_each(|task| task.sent = None);
        assert_eq!(flow.next(), Next::Begins(0), "nothing has to be known that comes later");
        let mut compass = Compass::default();
        compass.measure(4, 1.0, 1);
        compass.assign(CompassRules { least: 1, most: 2, latest: 1.0 }, 0.0, 4);
        flow.compass = compass;
        assert_eq!(flow.next(), Next::Ends(2.0, 0), "a group ends before others begin");
        flow.tasks[0].sent = task(4, 1.0, Some(2.0)).sent;
        assert_eq!(flow.next(), Next::Arrives(0), "who arrives at the latest time is not late");
    }
}

//! Groups of collaborators that arrive together, by the speeds that were measured (FedCompass, Li et al. 2024).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the aggregator knows of its collaborators' speeds, and the groups that are under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compass {
    /// Seconds of a step of each, messages included, as its last task had it.
    pub speeds: BTreeMap<u32, f64>,
    /// The groups that are waited for, by their numbers.
    pub groups: BTreeMap<u64, Group>,
    /// Groups so far.
    pub made: u64,
}

/// A group of collaborators that are to arrive together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// When they should arrive.
    pub due: f64,
    /// Until when they are waited for.
    pub latest: f64,
    /// Those that have not arrived.
    pub under_way: Vec<u32>,
    /// Those that have.
    pub arrived: Vec<u32>,
}

/// Numbers of local steps, and how long groups are waited for.
#[derive(Clone, Copy, Debug)]
pub struct CompassRules {
    /// Steps at least, which first tasks have, by which speeds are measured.
    pub least: u64,
    /// Steps at most.
    pub most: u64,
    /// How many times as long as it should take a group is waited for.
    pub latest: f64,
}

/// What an arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrives {
    /// It is of no group: the global model changes with it at once.
    Alone,
    /// Its group has been closed: it is part of the next one that is.
    Late,
    /// Others of its group are under way.
    First,
    /// It was the last of its group.
    Last(u64),
}

impl Compass {
    /// Notes how long a task took.
    pub fn measure(&mut self, who: u32, seconds: f64, steps: u64) {
        self.speeds.insert(who, seconds / steps as f64);
    }

    /// Gives a collaborator a group and steps: in the group that allows it most steps and is there before these are
    /// taken, or in a new one. One whose speed is not known is in no group.
    pub fn assign(&mut self, rules: CompassRules, now: f64, who: u32) -> (Option<u64>, u64) {
        let Some(&speed) = self.speeds.get(&who) else { return (None, rules.least) };
        let fitting = |group: &Group| ((group.due - now) / speed).floor();
        let allowed = |steps: f64| steps >= rules.least as f64 && steps <= rules.most as f64;
        let groups = self.groups.iter().map(|(&number, group)| (fitting(group), number));
        let best = groups.filter(|(steps, _)| allowed(*steps)).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((steps, number)) = best {
            if let Some(group) = self.groups.get_mut(&number) {
                group.under_way.push(who);
            }
            return (Some(number), steps as u64);
        }
        let steps = self.steps_of_new_group(rules, now, speed);
        let takes = steps as f64 * speed;
        let group = Group {
            due: now + takes,
            latest: now + takes * rules.latest,
            under_way: vec![who],
            arrived: Vec::new(),
        };
        let number = self.made;
        self.made += 1;
        self.groups.insert(number, group);
        (Some(number), steps)
    }

    /// As many steps as let a new group arrive when one that is under way could come back from its next task, so that
    /// they can be one group then: the largest number that is allowed.
    fn steps_of_new_group(&self, rules: CompassRules, now: f64, speed: f64) -> u64 {
        let back = |group: &Group| {
            let members = group.under_way.iter().chain(&group.arrived);
            let fastest =
                members.filter_map(|who| self.speeds.get(who)).copied().fold(f64::INFINITY, f64::min);
            ((group.latest + fastest * rules.most as f64 - now) / speed).floor()
        };
        let open = self.groups.values().filter(|group| now < group.latest).map(back);
        let best = open.filter(|steps| *steps <= rules.most as f64).fold(f64::NEG_INFINITY, f64::max);
        if best.is_finite() { (best.max(0.0) as u64).max(rules.least) } else { rules.most }
    }

    /// Notes that a collaborator has arrived, which was given this group.
    pub fn arrive(&mut self, who: u32, group: Option<u64>) -> Arrives {
        let Some(number) = group else { return Arrives::Alone };
        let Some(group) = self.groups.get_mut(&number) else { return Arrives::Late };
        group.under_way.retain(|id| *id != who);
        group.arrived.push(who);
        if group.under_way.is_empty() { Arrives::Last(number) } else { Arrives::First }
    }

    /// Ends a group; gives those of it that have arrived, the fastest first.
    pub fn close(&mut self, number: u64) -> Vec<u32> {
        let group = self.groups.remove(&number).unwrap_or_default();
        let speed = |who: &u32| self.speeds.get(who).copied().unwrap_or(f64::INFINITY);
        let mut arrived = group.arrived;
        arrived.sort_by(|a, b| speed(a).total_cmp(&speed(b)).then(a.cmp(b)));
        arrived
    }

    /// When the next group is not waited for any longer, and which.
    pub fn next_end(&self) -> Option<(f64, u64)> {
        let ends = self.groups.iter().map(|(&number, group)| (group.latest, number));
        ends.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: CompassRules = CompassRules { least: 4, most: 16, latest: 1.25 };

    #[test]
    fn steps_are_assigned_as_counted_by_hand() {
        let mut compass = Compass::default();
        // Nothing is known of anybody: first tasks have the least steps and no group.
        assert_eq!(compass.assign(RULES, 0.0, 0), (None, 4));
        assert_eq!(compass.arrive(0, None), Arrives::Alone);
        // 4 steps in 4, 8, 32 and 2 seconds: 1, 2, 8 and half a second for a step.
        for (who, seconds) in [(0, 4.0), (1, 8.0), (2, 32.0), (3, 2.0)] {
            compass.measure(who, seconds, 4);
        }
        // At 4 the first makes a group of 16 steps: it is due at 20 and waited for until 24.
        assert_eq!(compass.assign(RULES, 4.0, 0), (Some(0), 16));
        assert_eq!((compass.groups[&0].due, compass.groups[&0].latest), (20.0, 24.0));
        // At 8 the second has 12 seconds until then: 6 steps.
        assert_eq!(compass.assign(RULES, 8.0, 1), (Some(0), 6));
        // At 8 the third could take 1 step of 8 seconds, which is too few. The fastest of the group can be back at
        // 24 + 16 * 1 = 40, 32 seconds from now: 4 steps, due at 8 + 32 = 40, waited for until 8 + 40 = 48.
        assert_eq!(compass.assign(RULES, 8.0, 2), (Some(1), 4));
        assert_eq!((compass.groups[&1].due, compass.groups[&1].latest), (40.0, 48.0));
        // The last could take 24 steps until 20 and 64 until 40, both too many; and 64 or more until a group is back:
        // a group of its own with the most steps, due at 8 + 8 = 16.
        assert_eq!(compass.assign(RULES, 8.0, 3), (Some(2), 16));
        assert_eq!((compass.groups[&2].due, compass.groups[&2].latest), (16.0, 18.0));
        assert_eq!(compass.next_end(), Some((18.0, 2)));
        // At 16 it arrives, alone in its group. Until 20 it can take 8 steps.
        assert_eq!(compass.arrive(3, Some(2)), Arrives::Last(2));
        assert_eq!(compass.close(2), [3]);
        assert_eq!(compass.assign(RULES, 16.0, 3), (Some(0), 8));
        // Three of one group arrive, the fastest of which is the first to be assigned again.
        assert_eq!(compass.arrive(0, Some(0)), Arrives::First);
        assert_eq!(compass.arrive(1, Some(0)), Arrives::First);
        assert_eq!(compass.arrive(3, Some(0)), Arrives::Last(0));
        assert_eq!(compass.close(0), [3, 0, 1]);
        // At 20 it is 20 seconds until 40: 40 steps of the fastest are too many, 20 of the next too many, 10 of the last.
        // The fastest two make groups: the group due at 40 has its fastest member (8 s) back at 48 + 128, too far.
        assert_eq!(compass.assign(RULES, 20.0, 3), (Some(3), 16));
        // 28 is 8 seconds away: 8 steps of a second.
        assert_eq!(compass.assign(RULES, 20.0, 0), (Some(3), 8));
        // For the slowest of the three: 10 steps until 40 are more than 4 until 28.
        assert_eq!(compass.assign(RULES, 20.0, 1), (Some(1), 10));
        // A group that is not there any more is not waited for.
        compass.close(1);
        assert_eq!(compass.arrive(2, Some(1)), Arrives::Late);
    }
}

//! What one side keeps of every collaborator. Past a limit, what idle ones keep lies in the run's folder.

use super::kept::Kept;
use super::parked::{ParkedFile, Parking, Writing};
use crate::Result;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Names of a checkpoint that are read before memory is looked at again.
const NAMES_AT_A_TIME: usize = 1_000;

/// Bytes that are left over in files before it is worth to write them anew.
const WASTE: u64 = 64 << 20;

/// What one side keeps of every collaborator, by id.
#[derive(Clone, Debug, Default)]
pub struct Store {
    all: BTreeMap<u32, Kept>,
    parking: Option<Parking>,
    files: Vec<Weak<ParkedFile>>,
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Store {
    /// What is kept of a collaborator.
    pub fn of(&self, who: u32) -> &Kept {
        self.all.get(&who).unwrap_or_else(|| Kept::nothing())
    }

    /// What is kept of a collaborator, to change it.
    pub fn of_mut(&mut self, who: u32) -> &mut Kept {
        self.all.entry(who).or_default()
    }

    /// Takes out what is kept of a collaborator, to be [put back](Self::put_back): several are worked on at once.
    pub fn take(&mut self, who: u32) -> Kept {
        self.all.remove(&who).unwrap_or_default()
    }

    /// Puts back what was taken out.
    pub fn put_back(&mut self, who: u32, kept: Kept) {
        self.all.insert(who, kept);
    }

    /// From here on what is more than fits goes there.
    pub fn park_in(&mut self, parking: Parking) {
        self.parking = Some(parking);
    }

    /// Bytes in memory that could lie in the run's folder.
    pub fn bytes_in_memory(&self) -> u64 {
        self.own_and_parked()[0]
    }

    fn own_and_parked(&self) -> [u64; 2] {
        let each = self.all.values().map(Kept::own_and_parked);
        each.fold([0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]])
    }

    /// Moves values into the run's folder where more of them lie in memory than are to. They are read there as they were
    /// here.
    pub fn settle(&mut self) -> Result<()> {
        let Some(Parking { folder, limit }) = &self.parking else { return Ok(()) };
        self.files.retain(|file| file.strong_count() > 0);
        let in_files: u64 = self.files.iter().filter_map(Weak::upgrade).map(|file| file.len()).sum();
        let [in_memory, parked] = self.own_and_parked();
        let is_wasteful = in_files > 2 * parked + WASTE;
        if in_memory <= *limit && !is_wasteful {
            return Ok(());
        }
        // Half of what is allowed stays, so that this is done once in many rounds.
        let mut left = in_memory;
        let mut goes = Vec::new();
        for (&who, kept) in &self.all {
            let [own, parked] = kept.own_and_parked();
            if in_memory > *limit && left > limit / 2 && own > 0 {
                left -= own;
                goes.push(who);
            } else if is_wasteful && parked > 0 {
                goes.push(who);
            }
        }
        let mut writing = Writing::new(folder)?;
        let mut places = Vec::new();
        for who in &goes {
            self.of(*who).write(&mut writing, &mut places)?;
        }
        let file = writing.finish()?;
        let mut places = places.into_iter();
        for who in goes {
            self.of_mut(who).lie_in(&file, &mut places);
        }
        self.files.push(Arc::downgrade(&file));
        Ok(())
    }

    /// Says that all of it is in a checkpoint of its own: later ones have what changes from here on.
    pub fn seal(&mut self) {
        self.all.values_mut().for_each(Kept::seal);
    }

    /// The tensors of a checkpoint of what has changed since it was sealed.
    pub fn shapes(&self, side: &str) -> Vec<TensorShape> {
        self.all.iter().flat_map(|(who, kept)| kept.shapes(&format!("{side}/{who}"))).collect()
    }

    /// Puts what has changed since it was sealed into a checkpoint.
    pub fn save(&self, side: &str, file: &mut StateWriter) -> Result<()> {
        self.all.iter().try_for_each(|(who, kept)| kept.save(&format!("{side}/{who}"), file))
    }

    /// Bytes of all that has changed since it was sealed.
    pub fn changed_bytes(&self) -> u64 {
        self.all.values().map(Kept::changed_bytes).sum()
    }

    /// Takes what a checkpoint has of this side, of the given collaborators, which are in order.
    pub fn load(&mut self, side: &str, ids: &[u32], file: &StateFile) -> Result<()> {
        // There may be thousands of collaborators with several names each, so that every name is looked at once.
        let mut loaded = 0;
        for name in file.names()? {
            let rest = name.strip_prefix(side).and_then(|rest| rest.strip_prefix('/'));
            let Some((id, rest)) = rest.and_then(|rest| rest.split_once('/')) else { continue };
            let Some(who) = id.parse::<u32>().ok().filter(|who| who.to_string() == id) else { continue };
            if ids.binary_search(&who).is_ok() {
                self.of_mut(who).load_one(rest, &name, file)?;
                loaded += 1;
                if loaded % NAMES_AT_A_TIME == 0 {
                    self.settle()?;
                }
            }
        }
        self.settle()
    }
}

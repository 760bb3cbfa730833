//! What lies in the device's memory: the buffers that are alive, and those that were at the peak.

use crate::lock::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Memory by what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryUse {
    /// All of it, in bytes.
    pub bytes: u64,
    /// Labels of buffers with the bytes of all that bear them.
    pub parts: BTreeMap<String, u64>,
}

impl MemoryUse {
    pub(crate) fn add(&mut self, label: &str, bytes: u64) {
        self.bytes += bytes;
        *self.parts.entry(label.into()).or_default() += bytes;
    }

    pub(crate) fn remove(&mut self, label: &str, bytes: u64) {
        self.bytes -= bytes;
        if let Some(part) = self.parts.get_mut(label) {
            *part -= bytes;
            if *part == 0 {
                self.parts.remove(label);
            }
        }
    }
}

/// The memory that is alive now, and the memory that was alive at the peak.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<(MemoryUse, MemoryUse)>);

impl Account {
    pub fn take(&self, label: &str, bytes: u64) {
        let mut both = lock(&self.0);
        let (now, peak) = &mut *both;
        now.add(label, bytes);
        if now.bytes > peak.bytes {
            peak.clone_from(now);
        }
    }

    pub fn give_back(&self, label: &str, bytes: u64) {
        lock(&self.0).0.remove(label, bytes);
    }

    pub fn now(&self) -> MemoryUse {
        lock(&self.0).0.clone()
    }

    pub fn peak(&self) -> MemoryUse {
        lock(&self.0).1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_what_was_alive_together() {
        let account = Account::default();
        account.take("a", 5);
        account.take("a", 7);
        account.give_back("a", 5);
        account.take("b", 4);
        let peak = account.peak();
        assert_eq!((peak.bytes, peak.parts["a"], peak.parts.len()), (12, 12, 1));
        account.take("b", 2);
        assert_eq!(account.peak().parts, BTreeMap::from([("a".into(), 7), ("b".into(), 6)]));
        account.give_back("b", 6);
        assert_eq!((account.now().bytes, account.now().parts.len(), account.peak().bytes), (7, 1, 13));
    }
}

//! What a side keeps between rounds: named values, to and from a checkpoint.

use super::parked::{ParkedFile, Stored, Writing};
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::{Error, Result, digest};
use bytemuck::Pod;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Something that is kept. A clone of it takes no memory of its own.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Floats(Arc<Content<f32>>),
    Bytes(Arc<Content<u8>>),
}

/// Values with their digest, once somebody has asked for that.
#[derive(Debug)]
struct Content<T> {
    values: Stored<T>,
    digest: OnceLock<KeptId>,
}

impl<T: Pod> Content<T> {
    fn of(values: Vec<T>) -> Arc<Self> {
        Arc::new(Self { values: Stored::Own(values), digest: OnceLock::new() })
    }

    /// The same values, which lie there.
    fn parked(&self, file: &Arc<ParkedFile>, at: Range<usize>) -> Arc<Self> {
        Arc::new(Self { values: Stored::Parked { file: file.clone(), at }, digest: self.digest.clone() })
    }

    /// Whether it lies in a file; `None` where others have it too, or it is too small to go anywhere.
    fn is_parked(self: &Arc<Self>) -> Option<bool> {
        let is_alone = Arc::strong_count(self) == 1 && size_of_val::<[T]>(&self.values) >= SMALL;
        is_alone.then(|| matches!(self.values, Stored::Parked { .. }))
    }
}

/// Bytes that are worth less than what it takes to find them again.
const SMALL: usize = 256;

impl<T: Pod + PartialEq> PartialEq for Content<T> {
    fn eq(&self, other: &Self) -> bool {
        *self.values == *other.values
    }
}

/// A digest of something that is kept, by which the same content is known again, whoever keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptId([u8; 32]);

impl Entry {
    fn bytes(&self) -> u64 {
        self.as_bytes().len() as u64
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Floats(values) => bytemuck::cast_slice(&values.values),
            Self::Bytes(bytes) => &bytes.values,
        }
    }

    /// Whether it lies in a file; `None` where it stays where it is.
    fn is_parked(&self) -> Option<bool> {
        match self {
            Self::Floats(values) => values.is_parked(),
            Self::Bytes(bytes) => bytes.is_parked(),
        }
    }

    fn lie_in(&mut self, file: &Arc<ParkedFile>, at: Range<usize>) {
        match self {
            Self::Floats(values) => *values = values.parked(file, at),
            Self::Bytes(bytes) => *bytes = bytes.parked(file, at),
        }
    }

    fn id(&self) -> KeptId {
        match self {
            Self::Floats(values) => {
                *values.digest.get_or_init(|| KeptId(digest::of_bytes(bytemuck::cast_slice(&values.values))))
            }
            Self::Bytes(bytes) => *bytes.digest.get_or_init(|| KeptId(digest::of_bytes(&bytes.values))),
        }
    }

    fn address(&self) -> usize {
        match self {
            Self::Floats(values) => Arc::as_ptr(values).addr(),
            Self::Bytes(bytes) => Arc::as_ptr(bytes).addr(),
        }
    }
}

/// What one side keeps of one collaborator (or of the federation), by name. Each stage of a pipeline has a scope of
/// its own in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    entries: BTreeMap<String, (Entry, bool)>,
    scopes: BTreeMap<String, Kept>,
}

impl Kept {
    /// Keeps values under a name, in place of what was there.
    pub fn put(&mut self, name: &str, values: Vec<f32>) {
        self.entries.insert(name.into(), (Entry::Floats(Content::of(values)), false));
    }

    /// Keeps bytes under a name, in place of what was there.
    pub fn put_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.entries.insert(name.into(), (Entry::Bytes(Content::of(bytes)), false));
    }

    /// The values of this name, if there are any.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        match self.entries.get(name) {
            Some((Entry::Floats(values), _)) => Some(&values.values),
            _ => None,
        }
    }

    /// The bytes of this name, if there are any.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.entries.get(name) {
            Some((Entry::Bytes(bytes), _)) => Some(&bytes.values),
            _ => None,
        }
    }

    /// What is kept under this name, to be known again.
    pub fn id(&self, name: &str) -> Option<KeptId> {
        self.entries.get(name).map(|(entry, _)| entry.id())
    }

    /// Where all that is kept under names lies: what is there at the same places is the same.
    pub(super) fn addresses(&self) -> Vec<(&str, usize)> {
        self.entries.iter().map(|(name, (entry, _))| (name.as_str(), entry.address())).collect()
    }

    /// The same of what a setup has left.
    pub fn expect_id(&self, name: &str) -> Result<KeptId> {
        self.id(name).ok_or_else(|| missing(name))
    }

    /// The values of this name, which a setup has left.
    pub fn expect(&self, name: &str) -> Result<&[f32]> {
        self.get(name).ok_or_else(|| missing(name))
    }

    /// The bytes of this name, which a setup has left.
    pub fn expect_bytes(&self, name: &str) -> Result<&[u8]> {
        self.bytes(name).ok_or_else(|| missing(name))
    }

    /// Keeps what another has too, in place of what is here under the same names.
    pub fn merge(&mut self, other: Self) {
        let entries = other.entries.into_iter().map(|(name, (entry, _))| (name, (entry, false)));
        self.entries.extend(entries);
        for (name, scope) in other.scopes.into_iter().filter(|(_, scope)| !scope.is_empty()) {
            self.scope_mut(&name).merge(scope);
        }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.scopes.values().all(Self::is_empty)
    }

    /// What one keeps that keeps nothing.
    pub(super) fn nothing() -> &'static Self {
        static NOTHING: Kept = Kept { entries: BTreeMap::new(), scopes: BTreeMap::new() };
        &NOTHING
    }

    /// What a part keeps.
    pub fn scope(&self, name: &str) -> &Self {
        self.scopes.get(name).unwrap_or_else(|| Self::nothing())
    }

    /// What a part keeps, to change it.
    pub fn scope_mut(&mut self, name: &str) -> &mut Self {
        self.scopes.entry(name.into()).or_default()
    }

    /// Bytes in memory that could lie in a file, and bytes that do.
    pub(super) fn own_and_parked(&self) -> [u64; 2] {
        let mut bytes = [0; 2];
        for (entry, _) in self.entries.values() {
            if let Some(is_parked) = entry.is_parked() {
                bytes[usize::from(is_parked)] += entry.bytes();
            }
        }
        for scope in self.scopes.values() {
            let [own, parked] = scope.own_and_parked();
            bytes = [bytes[0] + own, bytes[1] + parked];
        }
        bytes
    }

    /// Writes all that can lie in a file, parts behind the rest; `places` gets where each is.
    pub(super) fn write(&self, into: &mut Writing, places: &mut Vec<Range<usize>>) -> Result<()> {
        for (entry, _) in self.entries.values().filter(|(entry, _)| entry.is_parked().is_some()) {
            places.push(into.put(entry.as_bytes())?);
        }
        self.scopes.values().try_for_each(|scope| scope.write(into, places))
    }

    /// Leaves in the file what [`write`](Self::write) has written there.
    pub(super) fn lie_in(&mut self, file: &Arc<ParkedFile>, places: &mut impl Iterator<Item = Range<usize>>) {
        for (entry, _) in self.entries.values_mut() {
            if entry.is_parked().is_some()
                && let Some(at) = places.next()
            {
                entry.lie_in(file, at);
            }
        }
        self.scopes.values_mut().for_each(|scope| scope.lie_in(file, places));
    }

    /// Says that all of it is in a checkpoint of its own: later ones have what changes from here on.
    pub fn seal(&mut self) {
        self.entries.values_mut().for_each(|(_, is_sealed)| *is_sealed = true);
        self.scopes.values_mut().for_each(Self::seal);
    }

    /// Bytes of all that has changed since it was sealed.
    pub fn changed_bytes(&self) -> u64 {
        let own = self.entries.values().filter(|(_, is_sealed)| !is_sealed).map(|(entry, _)| entry.bytes());
        own.sum::<u64>() + self.scopes.values().map(Self::changed_bytes).sum::<u64>()
    }

    /// The same, of which no checkpoint has anything to save until it changes.
    pub fn sealed(&self) -> Self {
        let mut sealed = self.clone();
        sealed.seal();
        sealed
    }

    /// All that has changed since it was sealed, by its path.
    fn changed<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a Entry)>) {
        let changed = self.entries.iter().filter(|(_, (_, is_sealed))| !is_sealed);
        found.extend(changed.map(|(name, (entry, _))| (format!("{path}/{name}"), entry)));
        self.scopes.iter().for_each(|(name, scope)| scope.changed(&format!("{path}/{name}"), found));
    }

    /// The tensors of a checkpoint of what has changed since it was sealed; their names begin with `path`.
    pub fn shapes(&self, path: &str) -> Vec<TensorShape> {
        let mut found = Vec::new();
        self.changed(path, &mut found);
        let shape = |(name, entry): (String, &Entry)| match entry {
            Entry::Floats(values) => TensorShape::new(name, &[values.values.len()]),
            Entry::Bytes(bytes) => TensorShape::bytes_of(name, bytes.values.len()),
        };
        found.into_iter().map(shape).collect()
    }

    /// Puts what has changed since it was sealed into a checkpoint.
    pub fn save(&self, path: &str, file: &mut StateWriter) -> Result<()> {
        let mut found = Vec::new();
        self.changed(path, &mut found);
        found.into_iter().try_for_each(|(name, entry)| match entry {
            Entry::Floats(values) => file.put(&name, 0, &values.values),
            Entry::Bytes(bytes) => file.put_bytes(&name, &bytes.values),
        })
    }

    /// Takes what a checkpoint has under `path`, in place of what was there.
    pub fn load(&mut self, path: &str, file: &StateFile) -> Result<()> {
        for name in file.names()? {
            if let Some(rest) = name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) {
                self.load_one(rest, &name, file)?;
            }
        }
        Ok(())
    }

    /// Takes the tensor `name`, which lies here under the path `rest`.
    pub(super) fn load_one(&mut self, rest: &str, name: &str, file: &StateFile) -> Result<()> {
        let (scopes, own) = rest.rsplit_once('/').map_or((None, rest), |(scopes, own)| (Some(scopes), own));
        let scopes = scopes.into_iter().flat_map(|scopes| scopes.split('/'));
        let place = scopes.fold(&mut *self, |kept, scope| kept.scope_mut(scope));
        match file.bytes(name)? {
            Some(bytes) => place.put_bytes(own, bytes.to_vec()),
            None => place.put(own, file.tensor(name)?.values()?),
        }
        Ok(())
    }
}

/// Refuses something kept that has not as many values as are due.
pub fn expect_length(name: &str, values: usize, due: usize) -> Result<()> {
    if values == due {
        return Ok(());
    }
    let problem = format!("the {name} that is kept has {values} values where {due} are due");
    Err(Error::message(problem, "send the setup again"))
}

fn missing(name: &str) -> Error {
    Error::message(
        format!("there is no {name}, and an update came before what decodes it"),
        "send the setup first",
    )
}

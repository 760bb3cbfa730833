//! What a side keeps between rounds: named values, to and from a checkpoint.

use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that is kept. A clone of it takes no memory of its own.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Floats(Arc<Vec<f32>>),
    Bytes(Arc<Vec<u8>>),
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
        self.entries.insert(name.into(), (Entry::Floats(Arc::new(values)), false));
    }

    /// Keeps bytes under a name, in place of what was there.
    pub fn put_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.entries.insert(name.into(), (Entry::Bytes(Arc::new(bytes)), false));
    }

    /// The values of this name, if there are any.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        match self.entries.get(name) {
            Some((Entry::Floats(values), _)) => Some(values),
            _ => None,
        }
    }

    /// The bytes of this name, if there are any.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.entries.get(name) {
            Some((Entry::Bytes(bytes), _)) => Some(bytes),
            _ => None,
        }
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

    /// What a part keeps.
    pub fn scope(&self, name: &str) -> &Self {
        static NOTHING: Kept = Kept { entries: BTreeMap::new(), scopes: BTreeMap::new() };
        self.scopes.get(name).unwrap_or(&NOTHING)
    }

    /// What a part keeps, to change it.
    pub fn scope_mut(&mut self, name: &str) -> &mut Self {
        self.scopes.entry(name.into()).or_default()
    }

    /// Says that all of it is in a checkpoint of its own: later ones have what changes from here on.
    pub fn seal(&mut self) {
        self.entries.values_mut().for_each(|(_, is_sealed)| *is_sealed = true);
        self.scopes.values_mut().for_each(Self::seal);
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
            Entry::Floats(values) => TensorShape::new(name, &[values.len()]),
            Entry::Bytes(bytes) => TensorShape::bytes_of(name, bytes.len()),
        };
        found.into_iter().map(shape).collect()
    }

    /// Puts what has changed since it was sealed into a checkpoint.
    pub fn save(&self, path: &str, file: &mut StateWriter) -> Result<()> {
        let mut found = Vec::new();
        self.changed(path, &mut found);
        found.into_iter().try_for_each(|(name, entry)| match entry {
            Entry::Floats(values) => file.put(&name, 0, values),
            Entry::Bytes(bytes) => file.put_bytes(&name, bytes),
        })
    }

    /// Takes what a checkpoint has under `path`, in place of what was there.
    pub fn load(&mut self, path: &str, file: &StateFile) -> Result<()> {
        self.load_named(path, &file.names()?, file)
    }

    /// The same, where these are the names of all tensors.
    fn load_named(&mut self, path: &str, names: &[String], file: &StateFile) -> Result<()> {
        for name in names {
            let Some(rest) = name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let (scopes, own) =
                rest.rsplit_once('/').map_or((None, rest), |(scopes, own)| (Some(scopes), own));
            let scopes = scopes.into_iter().flat_map(|scopes| scopes.split('/'));
            let place = scopes.fold(&mut *self, |kept, scope| kept.scope_mut(scope));
            match file.bytes(name)? {
                Some(bytes) => place.put_bytes(own, bytes.to_vec()),
                None => place.put(own, file.tensor(name)?.values()?),
            }
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

/// What one side keeps of every collaborator, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store(BTreeMap<u32, Kept>);

impl Store {
    /// What is kept of a collaborator.
    pub fn of(&self, who: u32) -> &Kept {
        static NOTHING: Kept = Kept { entries: BTreeMap::new(), scopes: BTreeMap::new() };
        self.0.get(&who).unwrap_or(&NOTHING)
    }

    /// What is kept of a collaborator, to change it.
    pub fn of_mut(&mut self, who: u32) -> &mut Kept {
        self.0.entry(who).or_default()
    }

    /// Takes out what is kept of a collaborator, to be [put back](Self::put_back): several are worked on at once.
    pub fn take(&mut self, who: u32) -> Kept {
        self.0.remove(&who).unwrap_or_default()
    }

    /// Puts back what was taken out.
    pub fn put_back(&mut self, who: u32, kept: Kept) {
        self.0.insert(who, kept);
    }

    /// Says that all of it is in a checkpoint of its own: later ones have what changes from here on.
    pub fn seal(&mut self) {
        self.0.values_mut().for_each(Kept::seal);
    }

    /// The tensors of a checkpoint of what has changed since it was sealed.
    pub fn shapes(&self, side: &str) -> Vec<TensorShape> {
        self.0.iter().flat_map(|(who, kept)| kept.shapes(&format!("{side}/{who}"))).collect()
    }

    /// Puts what has changed since it was sealed into a checkpoint.
    pub fn save(&self, side: &str, file: &mut StateWriter) -> Result<()> {
        self.0.iter().try_for_each(|(who, kept)| kept.save(&format!("{side}/{who}"), file))
    }

    /// Takes what a checkpoint has of this side, of the given collaborators.
    pub fn load(&mut self, side: &str, ids: &[u32], file: &StateFile) -> Result<()> {
        let names = file.names()?;
        ids.iter().try_for_each(|&who| self.of_mut(who).load_named(&format!("{side}/{who}"), &names, file))
    }
}

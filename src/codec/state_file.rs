//! What one side keeps for a codec, in a file: for those who encode and decode message by message.

use super::{Kept, PipelineSpec, Store};
use crate::model::state::{StateFile, StateWriter};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The note that says what a file is, and what else it says.
const FORMAT: &str = "format";
const FORMAT_NAME: &str = "fedfunnel codec state 1";
const NOTES: &str = "notes";

/// What to do with a state that is not that of this codec.
const MEND: &str = "name the state of this codec, or another file for a new one";

/// The side of the wire that keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Those who encode.
    Collaborators,
    /// The one that decodes.
    Aggregator,
}

/// What the state of a codec says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodecStateNotes {
    /// The side that keeps it.
    pub side: Side,
    /// The codec, as a line of text.
    pub codec: String,
    /// P
    pub parameters: usize,
    /// The seed of what both sides draw.
    pub seed: u32,
    /// The last round of each collaborator.
    pub rounds: BTreeMap<u32, u32>,
}

impl CodecStateNotes {
    /// Those of a file; none where it is no state of a codec.
    pub fn read(file: &StateFile) -> Result<Option<Self>> {
        let metadata = file.metadata()?;
        if metadata.get(FORMAT).map(String::as_str) != Some(FORMAT_NAME) {
            return Ok(None);
        }
        let text = metadata.get(NOTES).map(String::as_str).unwrap_or_default();
        let notes = serde_json::from_str(text);
        notes.map(Some).map_err(|e| Error::file(file.path(), format!("its notes cannot be read ({e})"), MEND))
    }
}

/// What one side keeps of all collaborators that it has heard of.
#[derive(Clone, Debug)]
pub struct CodecState {
    path: PathBuf,
    notes: CodecStateNotes,
    store: Store,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Collaborators => "collaborators",
            Self::Aggregator => "aggregator",
        }
    }
}

impl CodecState {
    /// Of a file that is there, or a new one. Errors where the file is of another codec, side, model or seed.
    pub fn open(path: &Path, side: Side, codec: &PipelineSpec, parameters: usize, seed: u32) -> Result<Self> {
        let notes =
            CodecStateNotes { side, codec: codec.to_text(), parameters, seed, rounds: BTreeMap::new() };
        if !path.exists() {
            return Ok(Self { path: path.into(), notes, store: Store::default() });
        }
        Self::read(path, &StateFile::open(path)?, notes)
    }

    /// A new one that lies in no file; errors call it `name`.
    pub fn new(name: &Path, side: Side, codec: &PipelineSpec, parameters: usize, seed: u32) -> Self {
        let notes =
            CodecStateNotes { side, codec: codec.to_text(), parameters, seed, rounds: BTreeMap::new() };
        Self { path: name.into(), notes, store: Store::default() }
    }

    /// The same as [`to_bytes`](Self::to_bytes) has written it. Errors where that is of another codec, side, model or
    /// seed.
    pub fn filled(self, bytes: Vec<u8>) -> Result<Self> {
        let file = StateFile::from_bytes(&self.path, bytes)?;
        Self::read(&self.path, &file, self.notes)
    }

    fn read(path: &Path, file: &StateFile, notes: CodecStateNotes) -> Result<Self> {
        let side = notes.side;
        let refuse = |problem: String| Err(Error::file(path, problem, MEND));
        // Damage is named before what came of it.
        let found = CodecStateNotes::read(file);
        if !matches!(found, Ok(None)) && !file.is_as_sealed()? {
            return refuse("it is not what was saved (its checksum is wrong)".into());
        }
        let Some(found) = found? else { return refuse("it is no state of a codec".into()) };
        if found.side != side {
            return refuse(format!("it is kept by the {}", found.side.name()));
        }
        if found.codec != notes.codec {
            return refuse(format!("it is of the codec {}", found.codec));
        }
        if (found.parameters, found.seed) != (notes.parameters, notes.seed) {
            let problem = format!("it is of {} parameters and seed {}", found.parameters, found.seed);
            return refuse(format!("{problem}, not of {} and seed {}", notes.parameters, notes.seed));
        }
        let mut store = Store::default();
        let ids: Vec<_> = found.rounds.keys().copied().collect();
        store.load(side.name(), &ids, file)?;
        Ok(Self { path: path.into(), notes: found, store })
    }

    /// What is kept of a collaborator.
    pub fn of(&self, who: u32) -> &Kept {
        self.store.of(who)
    }

    /// What is kept of a collaborator, to change it in this round.
    pub fn of_mut(&mut self, who: u32, round: u32) -> &mut Kept {
        self.notes.rounds.insert(who, round);
        self.store.of_mut(who)
    }

    /// The last round in which something of a collaborator was kept; 0 where nothing was.
    pub fn last_round(&self, who: u32) -> u32 {
        self.notes.rounds.get(&who).copied().unwrap_or(0)
    }

    /// Forgets all that is kept of a collaborator.
    pub fn forget(&mut self, who: u32) {
        self.notes.rounds.remove(&who);
        self.store.take(who);
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let path = folder.path().join("state");
        self.save_to(&path)?;
        std::fs::read(&path).map_err(Error::io("read", &path))
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self) -> Result<()> {
        self.save_to(&self.path)
    }

    fn save_to(&self, path: &Path) -> Result<()> {
        let side = self.notes.side.name();
        let notes = serde_json::to_string(&self.notes)
            .map_err(|e| Error::fault(format!("a state could not be written: {e}")))?;
        let metadata = [(FORMAT, FORMAT_NAME.to_string()), (NOTES, notes)];
        let metadata: HashMap<_, _> =
            metadata.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let mut file = StateWriter::sealed(path, &self.store.shapes(side), &metadata)?;
        self.store.save(side, &mut file)?;
        file.finish()
    }
}

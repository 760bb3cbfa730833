//! Writing a model to one file or, above a size, to several.

use super::index::{Index, Place, SET};
use super::{StateWriter, TensorShape};
use crate::digest::Digester;
use crate::gpu::Gpu;
use crate::model::Parameters;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The tensors of a model's files.
#[derive(Clone, Debug)]
pub struct TensorGroups {
    /// Tensors of the parts of a model that are read without the others. Parts never share one of several files.
    pub parts: Vec<Vec<TensorShape>>,
    /// Small tensors that every part needs. Of several files, the first of each part has a copy, and the index
    /// names that of the last part.
    pub shared: Vec<TensorShape>,
}

/// A model's file or files in the making. A reader sees the old ones until all of the new ones are whole.
#[derive(Debug)]
pub struct StateSetWriter {
    place: Place,
    metadata: HashMap<String, String>,
    files: Vec<StateWriter>,
    /// The tensors of each file; of a model in several files only.
    contents: Vec<Vec<TensorShape>>,
    /// Whether the files get spare names, since the index that is there names files of the same names.
    spare: bool,
}

impl StateSetWriter {
    /// Begins `stem.safetensors`, or with more bytes of tensors than `max_file_bytes` the files
    /// `stem-00001-of-0000N.safetensors` and their index. A tensor lies in one file, however large it is.
    pub fn create(
        folder: &Path,
        stem: &str,
        groups: &TensorGroups,
        metadata: &HashMap<String, String>,
        max_file_bytes: u64,
    ) -> Result<Self> {
        let place = Place::new(folder, stem);
        let TensorGroups { parts, shared } = groups;
        let all: Vec<_> = parts.iter().flatten().chain(shared).cloned().collect();
        if bytes(&all) <= max_file_bytes {
            let files = vec![StateWriter::with_blank(&place.single(), &all, metadata, (SET, BLANK))?];
            return Ok(Self { place, metadata: metadata.clone(), files, contents: Vec::new(), spare: false });
        }
        let contents: Vec<_> = parts.iter().flat_map(|part| pack(part, shared, max_file_bytes)).collect();
        let in_use = Index::read(&place.index()).map(|index| index.weight_map).unwrap_or_default();
        let spare = (1..=contents.len())
            .any(|number| in_use.values().any(|file| *file == place.shard(number, contents.len(), false)));
        let files = contents
            .iter()
            .zip(1..)
            .map(|(tensors, number)| {
                let name = place.shard(number, contents.len(), spare);
                StateWriter::with_blank(&folder.join(name), tensors, metadata, (SET, BLANK))
            })
            .collect::<Result<_>>()?;
        Ok(Self { place, metadata: metadata.clone(), files, contents, spare })
    }

    /// Puts values into a tensor, from its value number `start` on, in every file that has it.
    pub fn put(&mut self, name: &str, start: usize, values: &[f32]) -> Result<()> {
        self.files.iter_mut().filter(|file| file.has(name)).try_for_each(|file| file.put(name, start, values))
    }

    /// Puts a replica's tensors as they come from the device.
    pub fn put_parameters(&mut self, gpu: &Gpu, parameters: &Parameters, replica: usize) -> Result<()> {
        self.files.iter_mut().try_for_each(|file| file.put_parameters(gpu, parameters, replica))
    }

    /// What the files and the index know each other by: the same for the same content, in however many files.
    fn digest(&self) -> String {
        let metadata: BTreeMap<_, _> = self.metadata.iter().collect();
        let mut digester = Digester::default();
        for (key, value) in metadata {
            digester = digester.piece(key.as_bytes()).piece(value.as_bytes());
        }
        // Shared tensors lie in several files and count once.
        let tensors: BTreeMap<_, _> = self
            .files
            .iter()
            .flat_map(StateWriter::checksums)
            .map(|(name, shape, checksum)| (name, (shape, checksum)))
            .collect();
        for (name, (shape, checksum)) in tensors {
            let about = format!("{shape:?} {checksum:08x}");
            digester = digester.piece(name.as_bytes()).piece(about.as_bytes());
        }
        let mut digest = digester.hexadecimal();
        digest.truncate(BLANK.len());
        digest
    }

    /// Puts the files in their places and takes away those of an earlier save. Gives the path to read the
    /// model from: the file or the index.
    ///
    /// The index decides what a reader sees: it is written once all files that it names are there, and those are left
    /// alone until another index has taken its place.
    pub fn finish(self) -> Result<PathBuf> {
        let set = self.digest();
        for mut file in self.files {
            file.fill(&set)?;
            file.finish()?;
        }
        let (place, count) = (&self.place, self.contents.len());
        if count == 0 {
            remove(&place.index())?;
            clear(place, None);
            return Ok(place.single());
        }
        let write_index = |spare: bool| {
            let mut map = BTreeMap::new();
            let mut sizes = BTreeMap::new();
            for (tensors, number) in self.contents.iter().zip(1..) {
                for tensor in tensors {
                    map.insert(tensor.name.clone(), place.shard(number, count, spare));
                    sizes.insert(&tensor.name, tensor.bytes());
                }
            }
            let index = Index::new(&set, sizes.values().sum(), map);
            index.write(&place.index()).map(|()| index)
        };
        let mut index = write_index(self.spare)?;
        remove(&place.single())?;
        if self.spare {
            // The files that had the usual names are not named any more: the new ones get these as well, and
            // then the index says so. A file system without links leaves it at the spare names.
            let linked = (1..=count).try_for_each(|number| {
                let usual = place.folder.join(place.shard(number, count, false));
                let _ = remove(&usual);
                std::fs::hard_link(place.folder.join(place.shard(number, count, true)), usual)
            });
            if linked.is_ok() {
                index = write_index(false)?;
            }
        }
        clear(place, Some(&index));
        Ok(place.index())
    }
}

/// What stands in the place of a set's digest until that is known.
const BLANK: &str = "00000000000000000000000000000000";

fn bytes(tensors: &[TensorShape]) -> u64 {
    tensors.iter().map(TensorShape::bytes).sum()
}

/// Deals a part's tensors out to files in their order, a new one where the next tensor would not fit. The
/// shared tensors lie with the first tensor.
fn pack(part: &[TensorShape], shared: &[TensorShape], most: u64) -> Vec<Vec<TensorShape>> {
    let mut files = vec![shared.to_vec()];
    for (place, tensor) in part.iter().enumerate() {
        match files.last_mut() {
            Some(last) if place == 0 || bytes(last) + tensor.bytes() <= most => last.push(tensor.clone()),
            _ => files.push(vec![tensor.clone()]),
        }
    }
    files
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Takes away files of an earlier save that the index does not name. One that cannot be removed is
/// no error, since no reader opens it.
fn clear(place: &Place, index: Option<&Index>) {
    let named = |name: &String| index.is_some_and(|index| index.weight_map.values().any(|file| file == name));
    for name in place.shards_there().into_iter().filter(|name| !named(name)) {
        let _ = std::fs::remove_file(place.folder.join(name));
    }
}

//! The kinds of files that are told apart, and what is said of each.

use super::super::found_run::RunHeadline;
use super::found::{Found, FoundFile, FoundTensor, ValueRange};
use fedfunnel::autoencoder::AutoencoderFile;
use fedfunnel::autoencoder::small::FactoredDecoder;
use fedfunnel::codec::{CodecStateNotes, Message};
use fedfunnel::files::folder_of;
use fedfunnel::model::state::StateFile;
use fedfunnel::model::{MaskFile, ModelSpec, WeightsOf};
use fedfunnel::training::Snapshots;
use fedfunnel::{Error, Result, files};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of the length that a safetensors file begins with.
const LENGTH: usize = 8;

/// Looks at a file or a folder.
pub fn look(path: &Path) -> Result<Found> {
    let found = if path.is_dir() { look_at_folder(path)? } else { look_at_file(path)? };
    Ok(Found { path: path.display().to_string(), bytes: size(path), ..found })
}

fn look_at_file(path: &Path) -> Result<Found> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let has_ending = |ending: &str| name.to_ascii_lowercase().ends_with(ending);
    if has_ending(".safetensors.index.json") {
        return look_at_index(path);
    }
    if has_ending(".toml") {
        return look_at_spec(path);
    }
    let begins_with = beginning(path)?;
    if is_tensors(&begins_with, size(path)) || has_ending(".safetensors") {
        return look_at_tensors(path);
    }
    if MaskFile::is_begun_by(&begins_with) {
        return look_at_mask(path);
    }
    if has_ending(".factored") {
        return look_at_factors(path);
    }
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    // Text may begin with a byte that a message could begin with: `#` does.
    let is_text =
        !bytes.is_empty() && !bytes.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    match Message::claims_checksum(&bytes) {
        Some(checksum) if !(is_text && std::str::from_utf8(&bytes).is_ok()) => {
            look_at_message(path, &bytes, checksum)
        }
        _ => Err(unknown(path)),
    }
}

fn unknown(path: &Path) -> Error {
    let problem = "it is nothing that inspect knows";
    let mend = "name a safetensors file or its index, a mask, a decoder, a message, the spec of a model, or the folder of a \
                run";
    Error::file(path, problem, mend)
}

/// The first bytes of a file.
fn beginning(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// Whether a file of this length that begins so is a safetensors file: the length of a JSON object, and that.
fn is_tensors(bytes: &[u8], length: u64) -> bool {
    let header = bytes.first_chunk::<LENGTH>().map(|length| u64::from_le_bytes(*length));
    header.is_some_and(|header| header <= length.saturating_sub(LENGTH as u64))
        && bytes.get(LENGTH) == Some(&b'{')
}

/// The size of a file, or of all that is below a folder. Links are not followed.
fn size(path: &Path) -> u64 {
    let Ok(about) = path.symlink_metadata() else { return 0 };
    if about.is_dir() {
        return std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| size(&entry.path()))
            .sum();
    }
    path.metadata().map_or(0, |about| about.len())
}

/// The files of a folder with their sizes, by name.
fn files_of(folder: &Path) -> Result<Vec<FoundFile>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let file = |entry: std::fs::DirEntry| {
        let slash = if entry.path().is_dir() { "/" } else { "" };
        FoundFile {
            name: format!("{}{slash}", entry.file_name().to_string_lossy()),
            bytes: Some(size(&entry.path())),
        }
    };
    let mut files: Vec<_> = entries.flatten().map(file).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn look_at_folder(path: &Path) -> Result<Found> {
    let Some(run) = RunHeadline::read(path)? else {
        let problem = "there is no run in this folder";
        return Err(Error::file(
            path,
            problem,
            "name the folder of a run, or a file; fedfunnel runs lists runs",
        ));
    };
    let mut found = Found::new("run")
        .with("verb", run.verb.as_str())
        .with("of", run.name.as_str())
        .with("progress", run.progress())
        .with("version", run.version.as_str());
    if let Some(title) = &run.title {
        found = found.with("headline", title.as_str());
    }
    for figure in run.figures {
        found = found.with(&figure.label.to_lowercase(), figure.value);
    }
    Ok(Found { files: files_of(path)?, ..found })
}

fn look_at_index(path: &Path) -> Result<Found> {
    let text = files::read_text(path)?;
    let wrong =
        |problem: String| Error::file(path, problem, "write it again with fedfunnel autoencoder train");
    let index: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("it is no index ({e})")))?;
    let map = index["weight_map"].as_object().ok_or_else(|| wrong("it has no `weight_map`".into()))?;
    let mut tensors: BTreeMap<String, usize> = BTreeMap::new();
    for file in map.values().filter_map(Value::as_str) {
        *tensors.entry(file.into()).or_default() += 1;
    }
    let there = |name: &str| {
        let path = folder_of(path).join(name);
        path.is_file().then(|| size(&path))
    };
    let files = tensors.keys().map(|name| FoundFile { name: name.clone(), bytes: there(name) }).collect();
    let found = Found::new("model in several files").with("tensors", map.len());
    let found = match AutoencoderFile::open(path) {
        Ok(file) => with_autoencoder(Found { kind: "autoencoder in several files", ..found }, &file),
        Err(_) => found,
    };
    Ok(Found { files, ..found })
}

fn with_autoencoder(found: Found, file: &AutoencoderFile) -> Found {
    found
        .with("name", file.spec.name.as_str())
        .with("of", file.model.name.as_str())
        .with("weights", file.spec.inputs())
        .with("floats", file.spec.latent())
        .with("parameters", file.spec.parameters())
        .with("decoder parameters", file.spec.decoder_parameters())
}

fn look_at_spec(path: &Path) -> Result<Found> {
    let text = files::read_text(path)?;
    let is_model = text.parse::<toml::Table>().is_ok_and(|table| {
        let kind = table.get("kind").and_then(toml::Value::as_str);
        matches!(kind, Some("classifier" | "autoencoder"))
    });
    if !is_model {
        let problem = "it is not the spec of a model";
        let mend = "print that of a simulation by fedfunnel simulate FILE --print-config";
        return Err(Error::file(path, problem, mend));
    }
    Ok(match ModelSpec::parse(&text, path)? {
        ModelSpec::Classifier(spec) => {
            let layout = spec.layout();
            let tensors = layout.tensors().iter().map(|tensor| FoundTensor {
                name: tensor.name.clone(),
                kind: "F32".into(),
                shape: tensor.shape.clone(),
                bytes: 4 * tensor.range.len() as u64,
                values: None,
            });
            let [channels, height, width] = spec.input;
            let found = Found::new("spec of a classifier")
                .with("name", spec.name.as_str())
                .with("input", format!("{channels}x{height}x{width}"))
                .with("classes", spec.classes())
                .with("parameters", spec.parameters());
            Found { tensors: tensors.collect(), ..found }
        }
        ModelSpec::Autoencoder(spec) => Found::new("spec of an autoencoder")
            .with("name", spec.name.as_str())
            .with("weights", spec.inputs())
            .with("floats", spec.latent())
            .with("parameters", spec.parameters())
            .with("decoder parameters", spec.decoder_parameters()),
    })
}

fn look_at_tensors(path: &Path) -> Result<Found> {
    let file = StateFile::open(path)?;
    let metadata = file.metadata()?;
    let about = file.tensors();
    let found = if let Some(notes) = CodecStateNotes::read(&file)? {
        let rounds = notes.rounds.values();
        let side = serde_json::to_value(notes.side).unwrap_or_default();
        Found::new("state of a codec")
            .with("codec", notes.codec.as_str())
            .with("kept by", side)
            .with("parameters", notes.parameters)
            .with("seed", notes.seed)
            .with("collaborators", notes.rounds.len())
            .with("last round", rounds.copied().max().unwrap_or(0))
    } else if metadata.contains_key("run") && metadata.contains_key("notes") {
        Found::new("saved stage of a run")
    } else if about.iter().any(|tensor| tensor.name == "snapshots") && metadata.contains_key("steps") {
        let snapshots = Snapshots::load(path)?;
        let last = |numbers: &[u64]| numbers.last().copied().unwrap_or(0);
        Found::new("snapshots")
            .with("of", snapshots.model.name.as_str())
            .with("snapshots", snapshots.len())
            .with("weights", snapshots.width())
            .with("steps", last(&snapshots.steps))
            .with("epochs", last(&snapshots.epochs))
    } else if metadata.contains_key("spec") {
        with_autoencoder(Found::new("autoencoder"), &AutoencoderFile::open(path)?)
    } else {
        let of = WeightsOf::read(&metadata, path)?;
        let values: usize = about.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        let found = Found::new(if of.is_some() { "weights of a classifier" } else { "tensors" });
        let found = found.with("parameters", values);
        of.iter().fold(found, |found, of| found.with("of", of.name.as_str()))
    };
    let tensor = |about: fedfunnel::model::state::TensorAbout| {
        let values = (about.kind == "F32").then(|| file.tensor_bytes(&about.name)).flatten();
        FoundTensor {
            values: values.and_then(ValueRange::of),
            name: about.name,
            kind: about.kind,
            shape: about.shape,
            bytes: about.bytes,
        }
    };
    Ok(Found { tensors: about.into_iter().map(tensor).collect(), ..found })
}

fn look_at_mask(path: &Path) -> Result<Found> {
    let mask = MaskFile::read(path)?;
    let places = u64::from(mask.masked_weights());
    let bits = 8.0 * size(path) as f64 / places.max(1) as f64;
    Ok(Found::new("model that is a seed and a mask")
        .with("of", mask.model.as_str())
        .with("seed", mask.seed)
        .with("weights under the mask", places)
        .with("bits a weight", (bits * 1e4).round() / 1e4))
}

/// A decoder in factors says nothing of the autoencoder that it is of; what lies beside it does.
fn look_at_factors(path: &Path) -> Result<Found> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let beside = AutoencoderFile::open(folder_of(path)).map_err(|error| {
        let problem = format!("which decoder it is, is said by the autoencoder beside it ({error})");
        Error::file(path, problem, "keep it in the folder that fedfunnel autoencoder train wrote")
    })?;
    let decoder = FactoredDecoder::from_bytes(&beside.spec, &bytes);
    let decoder = decoder.map_err(|error| {
        Error::file(path, format!("it is no decoder of {} ({error})", beside.spec.name), "train it again")
    })?;
    let found = Found::new("decoder in factors").with("vectors", decoder.count());
    Ok(with_autoencoder(found, &beside))
}

fn look_at_message(path: &Path, bytes: &[u8], checksum: bool) -> Result<Found> {
    let message = Message::from_bytes(bytes, checksum)
        .map_err(|error| Error::file(path, error.to_string(), "name a message that is whole"))?;
    Ok(Found::new("message")
        .with("about", message.kind.name())
        .with("round", message.round)
        .with("collaborator", message.collaborator)
        .with("payload bytes", message.payload.len())
        .with("header bytes", bytes.len() - message.payload.len() - if checksum { 4 } else { 0 })
        .with("checksum", if checksum { "CRC-32C, right" } else { "none" }))
}

//! Parameters in files: the bytes are those that a writer in memory makes, from one shard or many, and what
//! was saved comes back, in one file or several.

use crate::parameters::{lying, rows_are};
use crate::support::{gpu, small_gpu, values};
use fedfunnel::Result;
use fedfunnel::autoencoder::{
    AutoencoderFile, DecoderBank, Encoder, Half, HalfParameters, Standard, TrainedAutoencoder,
};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use fedfunnel::model::{AutoencoderSpec, LayerSpec, ModelSpec, Network, Parameters};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// How files were written when they were made in memory: by the library, with sorted notes put in.
fn in_memory(parameters: &Parameters, flat: &[f32], metadata: &HashMap<String, String>) -> Vec<u8> {
    let mut rest = flat;
    let views = parameters.tensors.iter().map(|tensor| {
        let values;
        (values, rest) = rest.split_at(tensor.len());
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytemuck::cast_slice(values));
        (tensor.name.as_str(), view.unwrap())
    });
    let mut bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    let sorted: BTreeMap<_, _> = metadata.iter().collect();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors = bytes[8..8 + length].trim_ascii_end().strip_prefix(b"{").unwrap();
    let mut header = format!("{{\"__metadata__\":{},", serde_json::to_string(&sorted).unwrap()).into_bytes();
    header.extend_from_slice(tensors);
    header.resize(header.len().next_multiple_of(8), b' ');
    header.splice(0..0, (header.len() as u64).to_le_bytes());
    bytes.splice(0..8 + length, header);
    bytes
}

fn notes() -> HashMap<String, String> {
    (0..20).map(|n| (format!("key{n}"), format!("\"{n}\"\n"))).collect()
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Layers in both layouts, of odd sizes; on the small device in many shards, and these in several blocks.
fn layers() -> Vec<LayerSpec> {
    [(1103, 17, true), (17, 1103, false), (1103, 9, true)]
        .into_iter()
        .enumerate()
        .map(|(place, (inputs, outputs, transposed))| {
            lying(rows_are(transposed), format!("{place}."), inputs, outputs)
        })
        .collect()
}

#[test]
fn streamed_files_have_the_bytes_of_those_made_in_memory() {
    let folder = temporary();
    let path = folder.path().join("model.safetensors");
    for (gpu, replicas) in [(gpu(), 1), (gpu(), 3), (small_gpu(), 1), (small_gpu(), 3)] {
        let parameters = Network::new(gpu, &layers(), replicas, None).unwrap().parameters;
        parameters.initialize(gpu, 5, false).unwrap();
        let content = parameters.read(gpu).unwrap();
        for (replica, flat) in content.iter().enumerate() {
            let mut file = StateWriter::create(&path, &TensorShape::of(&parameters), &notes()).unwrap();
            file.put_parameters(gpu, &parameters, replica).unwrap();
            file.finish().unwrap();
            let written = std::fs::read(&path).unwrap();
            assert!(written == in_memory(&parameters, flat, &notes()), "replica {replica} of {replicas}");
            // The control: one value more or less is seen.
            let mut other = flat.clone();
            other[1234] += 1.0;
            assert!(written != in_memory(&parameters, &other, &notes()));
        }
    }
}

#[test]
fn what_was_saved_is_uploaded_wherever_its_values_lie() {
    let folder = temporary();
    let path = folder.path().join("model.safetensors");
    let saved = Network::new(gpu(), &layers(), 1, None).unwrap().parameters;
    saved.initialize(gpu(), 6, true).unwrap();
    let content = saved.read(gpu()).unwrap().remove(0);
    let bytes = in_memory(&saved, &content, &notes());
    for askew in [0, 1, 2, 3] {
        // A header that is a few spaces longer puts all values askew.
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = [&bytes[8..8 + length], &vec![b' '; askew]].concat();
        let file = [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat();
        std::fs::write(&path, file).unwrap();
        for (gpu, replicas) in [(gpu(), 1), (small_gpu(), 3)] {
            let parameters = Network::new(gpu, &layers(), replicas, None).unwrap().parameters;
            let file = StateFile::open(&path).unwrap();
            file.upload(gpu, &parameters, replicas - 1, "it").unwrap();
            let read = parameters.read(gpu).unwrap();
            assert!(read[replicas - 1] == content, "askew by {askew}");
            assert!(read[..replicas - 1].iter().flatten().all(|value| *value == 0.0));
        }
    }
}

#[test]
fn files_that_are_not_finished_leave_the_old_ones_and_nothing_else() {
    let folder = temporary();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, "old").unwrap();
    let shapes = [TensorShape::new("a", &[3])];
    let begin = || StateWriter::create(&path, &shapes, &notes()).unwrap();
    let mut file = begin();
    file.put("a", 0, &[1.0, 2.0]).unwrap();
    file.finish().unwrap_err();
    let error = begin().put("a", 1, &[1.0, f32::NAN]).unwrap_err().to_string();
    assert!(
        error.contains("value 2 of tensor \"a\" became NaN") && error.contains("smaller rate"),
        "{error}"
    );
    begin().put("a", 2, &[1.0, 2.0]).unwrap_err();
    begin().put("b", 0, &[1.0]).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// An autoencoder that is trained no further than its initial values.
struct Sample {
    spec: AutoencoderSpec,
    network: Network,
    standard: Standard,
}

const WIDTH: usize = 1103;

fn sample(gpu: &Gpu, seed: u32) -> Sample {
    let text = format!("name = \"x\"\nkind = \"autoencoder\"\nwidths = [{WIDTH}, 19, 5, 19, {WIDTH}]");
    let spec = ModelSpec::parse(&text, Path::new("x")).unwrap().autoencoder().unwrap();
    let network = Network::new(gpu, &spec.network(), 1, None).unwrap();
    network.parameters.initialize(gpu, seed, true).unwrap();
    Sample { spec, network, standard: Standard { means: values(WIDTH, seed + 100), scale: 0.7 } }
}

impl Sample {
    fn save(&self, gpu: &Gpu, folder: &Path, max_file_bytes: u64) -> PathBuf {
        self.try_save(gpu, folder, max_file_bytes).unwrap()
    }

    fn try_save(&self, gpu: &Gpu, folder: &Path, max_file_bytes: u64) -> Result<PathBuf> {
        let Self { spec, network, standard } = self;
        let (model, parameters) = (&"m".into(), &network.parameters);
        TrainedAutoencoder { spec, model, parameters, standard }.save(gpu, folder, max_file_bytes)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The codes of some weights, from the encoder in a file.
fn codes(gpu: &Gpu, file: &AutoencoderFile) -> fedfunnel::Result<Vec<f32>> {
    let standard = file.standard(Half::Encoder)?;
    let encoder = Encoder::new(gpu, &file.spec, &[(HalfParameters::File(file), &standard)], 2)?;
    encoder.codes(&[values(WIDTH, 1), values(WIDTH, 2)])
}

/// The weights of some codes, from the decoder in a file.
fn weights(gpu: &Gpu, file: &AutoencoderFile) -> fedfunnel::Result<Vec<f32>> {
    let standard = file.standard(Half::Decoder)?;
    let bank = DecoderBank::new(gpu, &file.spec, &[(HalfParameters::File(file), &standard)], 2)?;
    bank.weights(&values(2 * file.spec.latent(), 3))
}

const ENCODER: &str = "autoencoder-00001-of-00002.safetensors";
const DECODER: &str = "autoencoder-00002-of-00002.safetensors";
const INDEX: &str = "autoencoder.safetensors.index.json";

#[test]
fn halves_in_files_of_their_own_need_only_their_own() {
    for gpu in [gpu(), small_gpu()] {
        let (one, two) = (temporary(), temporary());
        let sample = sample(gpu, 1);
        let single = AutoencoderFile::open(&sample.save(gpu, one.path(), u64::MAX)).unwrap();
        assert_eq!(names(one.path()), ["autoencoder.safetensors"]);
        let expected = (codes(gpu, &single).unwrap(), weights(gpu, &single).unwrap());
        let index = sample.save(gpu, two.path(), 120_000);
        assert_eq!(names(two.path()), [ENCODER, DECODER, INDEX]);
        for path in [index.as_path(), two.path()] {
            let file = AutoencoderFile::open(path).unwrap();
            assert_eq!((codes(gpu, &file).unwrap(), weights(gpu, &file).unwrap()), expected);
        }
        // One half's file away.
        let move_away = |name: &str| std::fs::rename(two.path().join(name), two.path().join("away")).unwrap();
        move_away(ENCODER);
        let file = AutoencoderFile::open(two.path()).unwrap();
        assert_eq!(weights(gpu, &file).unwrap(), expected.1);
        let error = codes(gpu, &file).unwrap_err().to_string();
        assert!(error.contains(ENCODER) && error.contains("no such file"), "{error}");
        std::fs::rename(two.path().join("away"), two.path().join(ENCODER)).unwrap();
        move_away(DECODER);
        let file = AutoencoderFile::open(two.path()).unwrap();
        assert_eq!(codes(gpu, &file).unwrap(), expected.0);
        let error = weights(gpu, &file).unwrap_err().to_string();
        assert!(error.contains(DECODER) && error.contains("no such file"), "{error}");
        // Both away.
        std::fs::remove_file(two.path().join(ENCODER)).unwrap();
        assert!(AutoencoderFile::open(two.path()).unwrap_err().to_string().contains(ENCODER));
    }
}

#[test]
fn an_index_says_where_every_tensor_is_and_how_large_they_are() {
    let folder = temporary();
    let gpu = gpu();
    let sample = sample(gpu, 1);
    for (most, count) in [(120_000, 2), (90_000, 3), (80_000, 5), (1, 8)] {
        let index = sample.save(gpu, folder.path(), most);
        let text = std::fs::read_to_string(&index).unwrap();
        let index: serde_json::Value = serde_json::from_str(&text).unwrap();
        let map = index["weight_map"].as_object().unwrap();
        let mut total = 0;
        for (tensor, file) in map {
            let file = StateFile::open(&folder.path().join(file.as_str().unwrap())).unwrap();
            total += 4 * file.tensor(tensor).unwrap().len();
        }
        assert_eq!((index["metadata"]["total_size"].as_u64(), map.len()), (Some(total as u64), 10));
        assert_eq!(total, 4 * (sample.spec.parameters() + WIDTH + 1));
        // Those of the save before are gone.
        let names = names(folder.path());
        assert_eq!(names.len(), count + 1, "{names:?}");
        assert!(names[..count].iter().all(|name| name.ends_with(&format!("-of-{count:05}.safetensors"))));
        // No file has tensors of both halves.
        for name in &names[..count] {
            let of = |half: &str| map.iter().any(|(tensor, file)| file == name && tensor.starts_with(half));
            assert!(of("encoder.") != of("decoder."), "{name}");
        }
        let file = AutoencoderFile::open(folder.path()).unwrap();
        assert!(codes(gpu, &file).is_ok() && weights(gpu, &file).is_ok());
    }
}

#[test]
fn a_later_save_takes_the_place_of_an_earlier_one_of_any_number_of_files() {
    let folder = temporary();
    let gpu = gpu();
    let sizes = [120_000, 120_000, u64::MAX, 80_000, u64::MAX, 120_000, 1];
    // A user's own file of nearly such a name stays.
    let own = "autoencoder-1-of-2.safetensors";
    std::fs::write(folder.path().join(own), "mine").unwrap();
    for (seed, most) in sizes.into_iter().enumerate() {
        let sample = sample(gpu, seed as u32);
        sample.save(gpu, folder.path(), most);
        let file = AutoencoderFile::open(folder.path()).unwrap();
        assert_eq!(file.standard(Half::Encoder).unwrap(), sample.standard);
        assert_eq!(file.standard(Half::Decoder).unwrap(), sample.standard);
        let read = Network::new(gpu, &sample.spec.network(), 1, None).unwrap();
        file.upload(gpu, &read.parameters, 0).unwrap();
        assert_eq!(read.parameters.read(gpu).unwrap(), sample.network.parameters.read(gpu).unwrap());
        let names = names(folder.path());
        assert!(names.iter().all(|name| name == own || !name.contains("new")), "{names:?}");
        assert_eq!(names.contains(&"autoencoder.safetensors".to_string()), most == u64::MAX, "{names:?}");
        assert_eq!(names.contains(&INDEX.to_string()), most != u64::MAX, "{names:?}");
        assert!(names.contains(&own.to_string()));
    }
}

#[test]
fn the_same_parameters_are_the_same_bytes_in_several_files_too() {
    let (a, b) = (temporary(), temporary());
    sample(gpu(), 4).save(gpu(), a.path(), 80_000);
    sample(small_gpu(), 4).save(small_gpu(), b.path(), 80_000);
    assert_eq!(names(a.path()), names(b.path()));
    for name in names(a.path()) {
        let read = |folder: &Path| std::fs::read(folder.join(&name)).unwrap();
        assert!(read(a.path()) == read(b.path()), "{name}");
    }
}

#[test]
fn halves_of_different_autoencoders_are_not_put_together() {
    let (a, b) = (temporary(), temporary());
    sample(gpu(), 1).save(gpu(), a.path(), 120_000);
    let mut other = sample(gpu(), 2);
    other.spec.name = "y".into();
    other.save(gpu(), b.path(), 120_000);
    std::fs::copy(b.path().join(DECODER), a.path().join(DECODER)).unwrap();
    let error = AutoencoderFile::open(a.path()).unwrap_err().to_string();
    assert!(error.contains(DECODER) && error.contains("saved together"), "{error}");
}

#[test]
fn parameters_that_are_no_numbers_are_not_saved() {
    let folder = temporary();
    let gpu = gpu();
    for most in [u64::MAX, 120_000] {
        let sample = sample(gpu, 1);
        sample.save(gpu, folder.path(), most);
        let before = names(folder.path());
        let mut flat = sample.network.parameters.read(gpu).unwrap().remove(0);
        *flat.last_mut().unwrap() = f32::NAN;
        sample.network.parameters.write(gpu, 0, &flat);
        let error = sample.try_save(gpu, folder.path(), most).unwrap_err().to_string();
        assert!(error.contains("decoder.2.bias") && error.contains("NaN"), "{error}");
        assert_eq!(names(folder.path()), before);
        let file = AutoencoderFile::open(folder.path()).unwrap();
        assert!(weights(gpu, &file).is_ok());
    }
}

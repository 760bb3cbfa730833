//! Files of tensors: the same content is the same bytes, and files that belong together know each other.

use fedfunnel::model::state::{StateFile, StateSet, StateSetWriter, StateWriter, TensorGroups, TensorShape};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[test]
fn the_same_content_is_the_same_bytes_and_reads_back() {
    let notes = || (0..20).map(|n| (format!("key{n}"), format!("\"{n}\"\n"))).collect();
    let shapes = [TensorShape::new("b", &[3]), TensorShape::new("a", &[0])];
    let values = [1.0, -2.5, 3.0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let write = |shapes: &[TensorShape], metadata: HashMap<String, String>| {
        let mut file = StateWriter::create(&path, shapes, &metadata).unwrap();
        if file.has("b") {
            // In any order.
            file.put("b", 2, &values[2..]).unwrap();
            file.put("b", 0, &values[..2]).unwrap();
        }
        file.finish().unwrap();
        std::fs::read(&path).unwrap()
    };
    let bytes = write(&shapes, notes());
    for _ in 0..10 {
        assert_eq!(bytes, write(&shapes, notes()));
    }
    for metadata in [notes(), HashMap::new()] {
        let bytes = write(&shapes, metadata.clone());
        assert!(bytes.len().is_multiple_of(4) && (bytes.len() - 12).is_multiple_of(8));
        let file = StateFile::open(&path).unwrap();
        let tensor = file.tensor("b").unwrap();
        assert_eq!((tensor.shape.clone(), tensor.values().unwrap()), (vec![3], values.to_vec()));
        assert!(file.tensor("a").unwrap().is_empty());
        assert_eq!(file.metadata().unwrap(), metadata);
    }
    write(&[], notes());
    assert_eq!(StateFile::open(&path).unwrap().metadata().unwrap(), notes());
}

/// A model of two parts in a folder, in files of at most so many bytes; gives what is to be read.
fn write_set(folder: &Path, value: f32, most: u64) -> PathBuf {
    let parts =
        ["encoder.weight", "decoder.weight"].map(|name| vec![TensorShape::new(name, &[2, 3])]).to_vec();
    let groups = TensorGroups { parts, shared: vec![TensorShape::new("scale", &[1])] };
    let notes = HashMap::from([("spec".to_string(), "one spec".to_string())]);
    let mut files = StateSetWriter::create(folder, "model", &groups, &notes, most).unwrap();
    files.put("encoder.weight", 3, &[value; 3]).unwrap();
    files.put("encoder.weight", 0, &[value; 3]).unwrap();
    files.put("decoder.weight", 0, &[-value; 6]).unwrap();
    files.put("scale", 0, &[1.0]).unwrap();
    files.finish().unwrap()
}

const ENCODER: &str = "model-00001-of-00002.safetensors";
const DECODER: &str = "model-00002-of-00002.safetensors";

#[test]
fn a_file_of_another_training_is_not_taken_for_a_part_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let index = write_set(&one, 1.0, 1);
    write_set(&other, 2.0, 1);
    let set = StateSet::open(&index, "model").unwrap();
    assert_eq!(set.metadata().unwrap()["spec"], "one spec");
    assert_eq!(
        set.file_of("decoder.weight").unwrap().tensor("decoder.weight").unwrap().values().unwrap(),
        [-1.0; 6]
    );
    let own = std::fs::read(one.join(DECODER)).unwrap();
    // The same spec, names and shapes, and other values.
    std::fs::copy(other.join(DECODER), one.join(DECODER)).unwrap();
    for error in [set.metadata().unwrap_err(), set.file_of("decoder.weight").unwrap_err()] {
        let text = error.to_string();
        let both =
            [one.join(DECODER), index.clone()].iter().all(|path| text.contains(&path.display().to_string()));
        assert!(both && text.ends_with("use an index and files that were saved together"), "{text}");
    }
    // The other half is still what it was, and so is a set without the half that nobody asks for.
    assert!(set.file_of("encoder.weight").is_ok());
    std::fs::remove_file(one.join(DECODER)).unwrap();
    assert!(set.metadata().is_ok() && !set.is_present("decoder.weight").unwrap());
    // The index is the one that is not of this training.
    std::fs::write(one.join(DECODER), own).unwrap();
    assert!(set.metadata().is_ok());
    std::fs::copy(other.join("model.safetensors.index.json"), &index).unwrap();
    assert!(StateSet::open(&index, "model").unwrap().file_of("encoder.weight").is_err());
}

#[test]
fn the_same_model_is_the_same_bytes_in_one_file_and_in_several() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |name: &str, value: f32, most: u64| {
        let path = folder.path().join(name);
        let read = write_set(&path, value, most);
        let files: Vec<_> = [read.as_path(), &path.join(ENCODER), &path.join(DECODER)]
            .iter()
            .filter_map(|path| std::fs::read(path).ok())
            .collect();
        (files, StateSet::open(&read, "model").unwrap().metadata().unwrap())
    };
    let (several, notes) = bytes("a", 1.0, 1);
    assert_eq!((several.len(), bytes("b", 1.0, 1)), (3, (several.clone(), notes.clone())));
    // Written again over itself, and however it is cut, it is the same model.
    assert_eq!(bytes("a", 1.0, 1), (several, notes.clone()));
    assert_eq!(bytes("c", 1.0, 1_000).1, notes);
    assert_ne!(bytes("d", 2.0, 1).1, notes);
}

#[test]
fn files_and_indices_of_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    // As the hub's tools write them: no notes, and an index with nothing but sizes.
    for (file, tensor) in [(ENCODER, "encoder.weight"), (DECODER, "decoder.weight")] {
        let shape = TensorShape::new(tensor, &[2]);
        let mut writer = StateWriter::create(&folder.path().join(file), &[shape], &HashMap::new()).unwrap();
        writer.put(tensor, 0, &[0.5, 0.25]).unwrap();
        writer.finish().unwrap();
    }
    let index = folder.path().join("model.safetensors.index.json");
    let text = format!(
        "{{\"metadata\": {{\"total_size\": 16}}, \
         \"weight_map\": {{\"encoder.weight\": \"{ENCODER}\", \"decoder.weight\": \"{DECODER}\"}}}}"
    );
    std::fs::write(&index, text).unwrap();
    let set = StateSet::open(folder.path(), "model").unwrap();
    assert!(set.metadata().unwrap().is_empty());
    assert_eq!(
        set.file_of("decoder.weight").unwrap().tensor("decoder.weight").unwrap().values().unwrap(),
        [0.5, 0.25]
    );
}

#[test]
fn a_sealed_file_knows_whether_it_is_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    // Notes that look like the checksum's.
    let notes = HashMap::from([("a".to_string(), "\"crc32c\":\"00000000\"".to_string())]);
    let shapes = [TensorShape::new("b", &[4]), TensorShape::bytes_of("c", 3), TensorShape::new("a", &[0])];
    let mut file = StateWriter::sealed(&path, &shapes, &notes).unwrap();
    file.put("b", 2, &[3.0, 4.0]).unwrap();
    file.put("b", 1, &[2.0]).unwrap();
    file.put("b", 0, &[1.0]).unwrap();
    file.put_bytes("c", &[7, 8, 9]).unwrap();
    file.finish().unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(StateFile::open(&path).unwrap().is_as_sealed().unwrap());
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        // What is no file of tensors any more is refused before.
        if let Ok(file) = StateFile::from_bytes(&path, bytes) {
            assert!(!file.is_as_sealed().unwrap_or(false), "byte {place}");
        }
    }
}

//! Reads a folder as LEAF (Caldas et al. 2018, arXiv 1812.01097) writes one: JSON files in `train/` and `test/`, which
//! have samples by the user that they are of, such as the writers of FEMNIST. Users are the groups of the training images.

use super::groups::Groups;
use super::halves::{Half, OWN_MEND, pair};
use super::idx::Images;
use super::{DataPair, ImageShape};
use crate::text::counted;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What is in a file; LEAF counts the samples of users there too.
#[derive(Deserialize)]
struct Shard {
    users: Vec<String>,
    user_data: BTreeMap<String, Samples>,
}

/// The samples of a user.
#[derive(Deserialize)]
struct Samples {
    /// Pixels of an image, 0 to 1, line after line.
    x: Vec<Vec<f32>>,
    y: Vec<u8>,
}

/// What to do with a file that is not read.
const MEND: &str = "give images as rows of pixels from 0 to 1, as LEAF has those of FEMNIST";

/// The JSON files of a half, in the order of their names.
fn files(folder: &Path, half: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join(half)).into_iter().flatten().flatten();
    let is_json = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json") && path.is_file();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_json).collect();
    paths.sort();
    paths
}

/// The folder that is laid out so: this one, or its sub-folder `data`, where LEAF's scripts write.
pub(super) fn locate(folder: &Path) -> Option<PathBuf> {
    [folder.to_path_buf(), folder.join("data")].into_iter().find(|folder| !files(folder, "train").is_empty())
}

/// Reads both halves.
pub(super) fn load(name: &str, folder: &Path) -> Result<DataPair> {
    let train = half(folder, "train")?;
    let test = Half { groups: None, ..half(folder, "test")? };
    pair(name, train, test, None, OWN_MEND)
}

fn half(folder: &Path, half: &str) -> Result<Half> {
    let paths = files(folder, half);
    let place = folder.join(half);
    if paths.is_empty() {
        return Err(Error::file(&place, "there is no .json file in it", "put LEAF's there"));
    }
    let (mut pixels, mut labels, mut users) = (Vec::new(), Vec::new(), Vec::new());
    let mut side = 0;
    for path in paths {
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let mut shard: Shard = serde_json::from_reader(BufReader::new(file))
            .map_err(|error| Error::file(&path, format!("it is not read ({error})"), MEND))?;
        for user in shard.users {
            let wrong = |problem: String| Error::file(&path, problem, MEND);
            let samples = shard
                .user_data
                .remove(&user)
                .ok_or_else(|| wrong(format!("there are no data of user {user}")))?;
            if samples.x.len() != samples.y.len() {
                let (images, own) = (counted(samples.x.len(), "image"), counted(samples.y.len(), "label"));
                return Err(wrong(format!("{images} and {own} of user {user}")));
            }
            for (place, image) in samples.x.iter().enumerate() {
                let own = image.len().isqrt();
                if side == 0 {
                    side = own;
                }
                if own == 0 || own * own != image.len() || own != side {
                    let others =
                        if side == own { String::new() } else { format!(", and others {}", side * side) };
                    return Err(wrong(format!(
                        "image {place} of user {user} has {} pixels{others}",
                        image.len()
                    )));
                }
                if let Some(value) = image.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                    return Err(wrong(format!("image {place} of user {user} has a pixel of {value}")));
                }
                pixels.extend(image.iter().map(|value| (value * 255.0).round() as u8));
            }
            users.resize(users.len() + samples.y.len(), user);
            labels.extend(samples.y);
        }
    }
    if labels.is_empty() {
        return Err(Error::file(&place, "its files have no samples", MEND));
    }
    let images =
        Images { count: labels.len(), shape: ImageShape { channels: 1, height: side, width: side }, pixels };
    let groups = Some(Groups::new(&users));
    Ok(Half { images, labels, groups, images_path: place.clone(), labels_path: place })
}

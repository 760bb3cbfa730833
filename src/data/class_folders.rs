//! Reads a folder of class folders of PNG files, as torchvision's `ImageFolder` has them: `train/cat/1.png`.

use super::{DataPair, Dataset, ImageShape, shuffle_in_place};
use crate::{Error, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The folders of each half, under any of the names in use.
const TRAIN: &[&str] = &["train", "training"];
const TEST: &[&str] = &["test", "testing", "val", "valid", "validation"];

/// As many classes as a label of one byte can tell apart.
const MOST_CLASSES: usize = 256;

/// No image has more that a classifier takes whole.
const MOST_PIXELS: usize = 64 << 20;

/// The folder of a half.
fn half_of(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.is_dir())
}

/// The names in a folder that are files, or folders, in their order: numbers as numbers, else as text.
fn names_in(folder: &Path, folders: bool) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_dir() == folders && !is_hidden(path)).collect();
    paths.sort_by_cached_key(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (name.parse::<u64>().unwrap_or(u64::MAX), name)
    });
    Ok(paths)
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// Whether a folder is laid out so.
pub(super) fn is_one(folder: &Path) -> bool {
    let Some(train) = half_of(folder, TRAIN) else { return false };
    names_in(&train, true).is_ok_and(|classes| {
        classes
            .iter()
            .any(|class| names_in(class, false).is_ok_and(|files| files.iter().any(|file| is_png(file))))
    })
}

/// Reads both halves. Classes are numbered in the order of the training folders' names.
pub(super) fn load(name: &str, folder: &Path) -> Result<DataPair> {
    let half = |names: &[&str]| {
        half_of(folder, names).ok_or_else(|| {
            let problem = format!("there is no folder {} in it", names[0]);
            Error::file(folder, problem, "put it there, with a folder of images for each class")
        })
    };
    let (train, test) = (half(TRAIN)?, half(TEST)?);
    let classes: Vec<_> = names_in(&train, true)?.iter().map(|path| class_of(path)).collect();
    if classes.len() > MOST_CLASSES {
        let problem = format!("it has {} classes", classes.len());
        return Err(Error::file(&train, problem, format!("use {MOST_CLASSES} or fewer")));
    }
    let [train, test] = [read(&train, &classes)?, read(&test, &classes)?];
    // Grey files among those in colour are in colour, too.
    let channels = train.iter().chain(&test).map(|image| image.shape.channels).max().unwrap_or(1);
    let first = train.first().map(|image| (image.path.clone(), image.shape));
    let dataset = |images: Vec<Image>| -> Result<Dataset> {
        let Some((first, shape)) = &first else {
            return Err(Error::file(
                folder,
                "there are no images in it",
                "put PNG files into the class folders",
            ));
        };
        let shape = ImageShape { channels, ..*shape };
        let mut pixels = Vec::with_capacity(images.len() * shape.pixels());
        for image in &images {
            if (image.shape.height, image.shape.width) != (shape.height, shape.width) {
                let (own, other) = (image.shape, first.display());
                let problem =
                    format!("an image of {own}, and {other} is of {}x{}", shape.height, shape.width);
                return Err(Error::file(&image.path, problem, "give all images one size"));
            }
            // A grey image is the same in every channel.
            (0..channels / image.shape.channels).for_each(|_| pixels.extend(&image.pixels));
        }
        let labels = images.iter().map(|image| image.label).collect();
        Ok(Dataset { name: name.into(), images: pixels, labels, shape, classes: classes.len(), groups: None })
    };
    Ok(DataPair { train: dataset(train)?, test: dataset(test)? })
}

fn class_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// An image as it was read: `[C, H, W]`.
struct Image {
    path: PathBuf,
    label: u8,
    shape: ImageShape,
    pixels: Vec<u8>,
}

/// The images of a half, mixed: whoever takes the first of them gets some of each class.
fn read(half: &Path, classes: &[String]) -> Result<Vec<Image>> {
    let mut files = Vec::new();
    for folder in names_in(half, true)? {
        let Some(label) = classes.iter().position(|class| *class == class_of(&folder)) else {
            let problem = "no training image is of this class";
            let mend = format!("put some of it there too; there are {} classes", classes.len());
            return Err(Error::file(&folder, problem, mend));
        };
        let images = names_in(&folder, false)?.into_iter().filter(|path| is_png(path));
        files.extend(images.map(|path| (path, label as u8)));
    }
    if files.is_empty() {
        return Err(Error::file(half, "there are no images in it", "put PNG files into the class folders"));
    }
    shuffle_in_place(&mut files, &mut ChaCha8Rng::seed_from_u64(0));
    files.into_iter().map(|(path, label)| decode(path, label)).collect()
}

/// One file, in eight bits a channel and without transparency.
fn decode(path: PathBuf, label: u8) -> Result<Image> {
    let file = File::open(&path).map_err(Error::io("read", &path))?;
    let wrong = |problem: String| Error::file(&path, problem, "save it as PNG again");
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| wrong(format!("it is no PNG image ({e})")))?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let bytes = reader.output_buffer_size().filter(|_| height.saturating_mul(width) <= MOST_PIXELS);
    let mut raw = vec![0; bytes.ok_or_else(|| wrong(format!("an image of {height}x{width} is too large")))?];
    let frame = reader.next_frame(&mut raw).map_err(|e| wrong(format!("it is no whole PNG image ({e})")))?;
    let samples = frame.color_type.samples();
    // The last of two or four samples says how opaque a pixel is.
    let channels = if samples < 3 { 1 } else { 3 };
    let pixels = raw.chunks_exact(samples);
    if samples > channels && pixels.clone().any(|pixel| pixel[channels] != u8::MAX) {
        let problem = "it is transparent in places, and what is behind it is not known";
        return Err(Error::file(&path, problem, "save it without transparency"));
    }
    let planes = (0..channels).flat_map(|channel| pixels.clone().map(move |pixel| pixel[channel])).collect();
    Ok(Image { path, label, shape: ImageShape { channels, height, width }, pixels: planes })
}

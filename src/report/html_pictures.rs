//! Pictures of the page, and the same as files.
//!
//! Blue is below zero and orange above it, which people who are colour-blind tell apart too, and what is zero is as the
//! ground that it stands on: transparent on the page, which has a light and a dark mode, and white in files.

use super::elements::{enclosed, heading, paragraphs};
use super::pictures::{Picture, PictureRow, Pictures};
use super::plot::escape;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The colour of the least number, and of the greatest.
const ENDS: [[u8; 3]; 2] = [[0, 114, 178], [213, 94, 0]];

/// Pixels of a file for each of a picture, and those between two pictures.
const MAGNIFIED: usize = 4;
const GAP: usize = 8;

/// The section of the page. `name` is its slug.
pub(super) fn section(pictures: &Pictures, name: &str) -> Result<String> {
    let mut text = format!("<section id=\"pictures-{name}\">\n{}<figure>\n", heading(&pictures.title));
    let limit = super::format::number(pictures.limit, 3);
    text += &format!(
        "<div class=\"key\" aria-hidden=\"true\"><span>−{limit}</span><i></i><span>{limit}</span></div>\n"
    );
    for row in &pictures.rows {
        text += &format!(
            "<div class=\"strip\">\n<h3>{}</h3>\n<div class=\"pictures\" style=\"--pictures:{}\">\n",
            escape(&row.name),
            row.pictures.len()
        );
        for picture in &row.pictures {
            let image = STANDARD.encode(on_page(pictures, picture)?);
            text += &format!(
                "<div><img src=\"data:image/png;base64,{image}\" width=\"{}\" height=\"{}\" alt=\"{}\">\
                 <span aria-hidden=\"true\">{}</span></div>\n",
                pictures.width,
                pictures.height,
                escape(&described(row, picture)),
                escape(&picture.name)
            );
        }
        text += "</div>\n</div>\n";
    }
    let caption = Some(&pictures.caption).filter(|caption| !caption.is_empty());
    let caption: Vec<_> = caption.cloned().into_iter().collect();
    Ok(text
        + &enclosed("<figcaption>\n", &paragraphs(&caption), "</figcaption>\n")
        + "</figure>\n</section>\n")
}

/// A picture in words, for those who hear it: whose it is, and which part of it is strong, and which way.
fn described(row: &PictureRow, picture: &Picture) -> String {
    let count = picture.levels.len().max(1) as f64;
    let share = |is: fn(i8) -> bool| {
        let share = picture.levels.iter().filter(|level| is(**level)).count() as f64 / count;
        format!("{:.0} %", 100.0 * share)
    };
    format!(
        "{}, {}: {} of the pixels are above a quarter of the scale, {} as far below zero",
        row.name,
        picture.name,
        share(|level| level > 31),
        share(|level| level < -31)
    )
}

/// A picture for the page: the colour says which way, and how opaque it is says how far.
fn on_page(pictures: &Pictures, picture: &Picture) -> Result<Vec<u8>> {
    let levels = levels(pictures, picture)?;
    let pixel = |level: &i8| {
        let [r, g, b] = ENDS[usize::from(*level > 0)];
        [r, g, b, (u32::from(level.unsigned_abs().min(127)) * 255 / 127) as u8]
    };
    png([pictures.width, pictures.height], png::ColorType::Rgba, levels.iter().flat_map(pixel).collect())
}

/// All pictures in one file, on white: `pictures/ID.png`.
pub(super) fn sheet(pictures: &Pictures) -> Result<Vec<u8>> {
    let [across, down] = [pictures.width, pictures.height].map(|size| size.saturating_mul(MAGNIFIED) + GAP);
    let columns = pictures.rows.iter().map(|row| row.pictures.len()).max().unwrap_or(0);
    let (width, height) = (GAP + columns * across, GAP + pictures.rows.len() * down);
    let mut pixels = vec![255; 3 * width * height];
    for (line, row) in pictures.rows.iter().enumerate() {
        for (column, picture) in row.pictures.iter().enumerate() {
            let levels = levels(pictures, picture)?;
            let (left, top) = (GAP + column * across, GAP + line * down);
            for y in 0..pictures.height * MAGNIFIED {
                for x in 0..pictures.width * MAGNIFIED {
                    let level = levels[y / MAGNIFIED * pictures.width + x / MAGNIFIED];
                    let at = 3 * ((top + y) * width + left + x);
                    pixels[at..at + 3].copy_from_slice(&on_white(level));
                }
            }
        }
    }
    png([width, height], png::ColorType::Rgb, pixels)
}

fn on_white(level: i8) -> [u8; 3] {
    let strength = u32::from(level.unsigned_abs().min(127));
    let mixed = |end: u8| ((u32::from(end) * strength + 255 * (127 - strength)) / 127) as u8;
    ENDS[usize::from(level > 0)].map(mixed)
}

fn levels<'p>(pictures: &Pictures, picture: &'p Picture) -> Result<&'p [i8]> {
    let due = pictures.width.checked_mul(pictures.height);
    if due != Some(picture.levels.len()) || due == Some(0) {
        return Err(Error::fault(format!(
            "picture {} of {} has {} pixels, not {} x {}",
            picture.name,
            pictures.id,
            picture.levels.len(),
            pictures.width,
            pictures.height
        )));
    }
    Ok(&picture.levels)
}

fn png([width, height]: [usize; 2], colours: png::ColorType, pixels: Vec<u8>) -> Result<Vec<u8>> {
    let failed =
        |error: &dyn std::fmt::Display| Error::fault(format!("a picture could not be written: {error}"));
    let size = |pixels: usize| u32::try_from(pixels).map_err(|error| failed(&error));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size(width)?, size(height)?);
    encoder.set_color(colours);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| failed(&error))?;
    writer.write_image_data(&pixels).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(bytes)
}

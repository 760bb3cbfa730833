//! Pictures: numbers around zero as colours, side by side on one scale.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Pictures of one size and on one scale, in rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pictures {
    /// Short name, unique in the report; its slug names the file and the HTML element.
    pub id: String,
    /// The heading.
    pub title: String,
    /// Pixels in a line of a picture.
    pub width: usize,
    /// Lines of a picture.
    pub height: usize,
    /// The strongest orange is this number, and the strongest blue the same below zero.
    pub limit: f64,
    /// The rows, in each of them as many pictures, in the same order.
    pub rows: Vec<PictureRow>,
    /// The caption.
    pub caption: String,
}

/// Pictures that stand side by side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureRow {
    /// What they have in common: "raw".
    pub name: String,
    /// From left to right.
    pub pictures: Vec<Picture>,
}

/// One picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// What tells it from the others of its row: "unit 3".
    pub name: String,
    /// Its pixels line by line, from -127 to 127.
    #[serde(serialize_with = "written", deserialize_with = "read")]
    pub levels: Vec<i8>,
}

impl Picture {
    /// A picture of these values; those that are `limit` or more have the strongest colour, and what is no number has
    /// none.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = f32>, limit: f64) -> Self {
        let level = |value: f32| {
            let share = f64::from(value) / limit;
            // A cast of what is no number is 0.
            (share.clamp(-1.0, 1.0) * 127.0).round() as i8
        };
        Self { name: name.into(), levels: values.into_iter().map(level).collect() }
    }
}

/// As text: `report.json` has a line for each number of a list.
fn written<S: Serializer>(levels: &[i8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = levels.iter().map(|level| level.cast_unsigned()).collect();
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<i8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
    Ok(bytes.into_iter().map(u8::cast_signed).collect())
}

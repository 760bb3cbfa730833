//! The options of what a spec can name, as pages explain them.

use crate::codec::OptionAbout;
use crate::report::{Table, text_table};

/// What stands in the place of the default of an option that has to be given.
const REQUIRED: &str = "none, give this or another";

/// The options as a table in text, behind an empty line; nothing where there are none.
pub(super) fn options_text(options: &[OptionAbout]) -> Option<String> {
    let default = |option: &OptionAbout| match option.default {
        "" => REQUIRED.to_string(),
        default => default.to_string(),
    };
    let table = Table::of(
        "options",
        "",
        options,
        &[
            ("option", &|option: &OptionAbout| option.name.to_string()),
            ("default", &default),
            ("what it does", &|option: &OptionAbout| option.meaning.to_string()),
        ],
    );
    (!options.is_empty()).then(|| format!("\n{}", text_table(&table).trim_end()))
}

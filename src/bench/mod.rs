//! What fedfunnel's work costs on an adapter: named works that can be timed again.
//!
//! A [`Work`] is prepared on a device, warmed up and repeated ([`Work::measure`]); kernels are timed by the device's
//! clock where it has one, whole steps by the one on the wall. All data are synthetic, so that no file is needed. One file for each family of works.

pub mod against;
mod codecs;
mod device;
mod harness;
mod kernels;
mod products;
mod round;
mod start;
mod synthetic;
mod training;
mod wide;
mod work;
mod zeroth_order;

pub use harness::{Measurement, Ready, Spread, Unit};
pub use work::Work;

use crate::{Error, Result, files};
use std::path::PathBuf;

/// The works that everything else is held against.
pub const PEAKS: [&str; 2] = ["arithmetic", "stream"];

/// Every work, in the order in which they run: the peaks first. `program` is fedfunnel's own executable, whose start
/// is timed where it is given.
pub fn works(program: Option<PathBuf>) -> Vec<Work> {
    let mut all = device::works();
    all.extend(program.map(start::works).into_iter().flatten());
    for family in [
        products::works,
        kernels::works,
        training::works,
        wide::works,
        round::works,
        codecs::works,
        zeroth_order::works,
    ] {
        all.extend(family());
    }
    all
}

/// The works whose names have `filter` in them; the one of that very name where there is one.
pub fn select(works: Vec<Work>, filter: &str) -> Result<Vec<Work>> {
    let exact = works.iter().any(|work| work.name == filter);
    let matches = |name: &str| if exact { name == filter } else { name.contains(filter) };
    let near = files::nearest(filter, works.iter().map(|work| work.name)).map(str::to_string);
    let selected: Vec<_> = works.into_iter().filter(|work| matches(work.name)).collect();
    if !selected.is_empty() {
        return Ok(selected);
    }
    let mend = match near {
        Some(near) => format!("did you mean {near}? (--list shows all)"),
        None => "see them with --list".into(),
    };
    Err(Error::setting("FILTER", format!("no work has {filter:?} in its name"), mend))
}

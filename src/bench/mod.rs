//! What fedfunnel's work costs on an adapter: named works that can be timed again.
//!
//! A [`Work`] is prepared on a device, warmed up and repeated ([`Work::measure`]); kernels are timed by the device's
//! clock where it has one, whole steps by the one on the wall. All data are synthetic, so that no file is needed. One file for each family of works.

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
    for family in [products::works, kernels::works, training::works, wide::works, round::works] {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(filter: &str) -> Vec<&'static str> {
        let selected = select(works(Some("fedfunnel".into())), filter);
        selected.map_or(Vec::new(), |works| works.iter().map(|work| work.name).collect())
    }

    #[test]
    fn names_stay_and_differ() {
        let all = names("");
        for name in [
            "dispatch",
            "stream",
            "matmul-512",
            "mnist-epoch",
            "cifar-train-b64",
            "wide-ae-adam-b8",
            "wide-ae-adam-b40",
            "encode-550570",
            "decode-550570",
            "round-50",
            "arithmetic",
            "start",
        ] {
            assert!(all.contains(&name), "{name}");
        }
        assert_eq!(all[..2], PEAKS);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert!(!works(None).iter().any(|work| work.name == "start"));
    }

    #[test]
    fn a_filter_is_a_part_of_a_name_or_the_whole() {
        assert_eq!(names("dispatch"), ["dispatch"]);
        assert_eq!(names("wide-ae"), ["wide-ae-adam-b8", "wide-ae-adam-b40"]);
        // One name may begin another.
        assert_eq!(names("wide-ae-adam-b8"), ["wide-ae-adam-b8"]);
        let error = |filter: &str| match select(works(None), filter) {
            Ok(_) => panic!("{filter} is known"),
            Err(error) => error.to_string(),
        };
        assert!(error("mnist-epcoh").contains("did you mean mnist-epoch?"), "{}", error("mnist-epcoh"));
        assert!(error("zzz").contains("--list"), "{}", error("zzz"));
    }
}

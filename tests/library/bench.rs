//! The names of what is measured.

use fedfunnel::bench::{PEAKS, select, works};

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

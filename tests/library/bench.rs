//! The names of what is measured, and what is made of the times.

use fedfunnel::bench::{PEAKS, Ready, Unit, select, works};

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

#[test]
fn units_are_made_of_the_median_and_the_cost() {
    for (unit, value, name) in [
        (Unit::Gflops, 8.0, "GFLOP/s"),
        (Unit::Seconds, 0.25, "s"),
        (Unit::Milliseconds, 250.0, "ms"),
        (Unit::Microseconds, 250_000.0, "us"),
        (Unit::GigabytesPerSecond, 4.0, "GB/s"),
        (Unit::Images(64), 256.0, "images/s"),
    ] {
        let mut times = [0.5, 0.25, 0.25, 4.0].iter();
        let mut ready = Ready::wall(unit, || Ok(())).with_cost(1_000_000_000, 2_000_000_000);
        ready.repeat = Box::new(move || Ok(vec![*times.next().unwrap_or(&0.25)]));
        let measured = ready.measure("x", "d").unwrap();
        // The first was for warming up.
        assert_eq!((measured.seconds.max, measured.seconds.median, measured.repeats), (4.0, 0.25, 25));
        assert_eq!((measured.value, measured.unit), (value, name));
        assert_eq!((measured.gflops(), measured.gigabytes_per_second()), (Some(8.0), Some(4.0)));
    }
}

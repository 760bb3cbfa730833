//! The names of the parts of a report in files and links.

use fedfunnel::report::{slug, slugs};

#[test]
fn a_slug_is_safe_everywhere() {
    assert_eq!(slug("Accuracy <per> round"), "accuracy-per-round");
    assert_eq!(slug("../../etc"), "etc");
    assert_eq!(slug("§§"), "item");
}

#[test]
fn names_in_other_scripts_and_long_ones_stay_apart() {
    assert_eq!(slug("精度 (%)"), "u7cbe-u5ea6");
    assert_eq!(slug("Точность"), slug("точность"));
    assert_ne!(slug("Точность"), slug("Ошибка"));
    assert_eq!(slug("café 2"), "caf-ue9-2");
    let long = |end: &str| slug(&format!("{}{end}", "精".repeat(200)));
    assert_ne!(long("a"), long("b"));
    assert_eq!(long("a"), long("a"));
    assert!(long("a").len() <= 80 && !long("a").contains("--"), "{}", long("a"));
}

#[test]
fn slugs_side_by_side_are_unique() {
    assert_eq!(
        slugs(["A b", "a-b", "a-b-2", "§", "¶", "a b"]),
        ["a-b", "a-b-2", "a-b-2-2", "item", "item-2", "a-b-3"]
    );
}

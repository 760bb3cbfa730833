//! Tables that are sorted without script: what the page holds for it. That browsers do it is in `layout.rs`.

use fedfunnel::report::{Report, Table, html};

fn page(columns: &[&str], rows: &[&[&str]]) -> String {
    let mut table = Table::new("t", "T", columns);
    rows.iter().for_each(|row| table.push(row.iter().copied()));
    html(&Report { tables: vec![table], ..Report::default() }).expect("a page")
}

/// The rank of each row by this custom property.
fn ranks(page: &str, property: &str) -> Vec<Option<i64>> {
    let rows = page.split("<tr").skip(2).filter_map(|row| row.split('>').next());
    let rank = |row: &str| {
        let (_, rest) = row.split_once(&format!("--{property}:"))?;
        rest.split([';', '"']).next()?.parse().ok()
    };
    rows.map(rank).collect()
}

#[test]
fn rows_are_ranked_by_what_their_cells_say() {
    let rows: &[&[&str]] = &[
        &["raw", "63,646 B", "94.9 %"],
        &["Autoencoder", "2.2 MB", "n/a"],
        &["pca", "132 B", "93.4 %"],
        &["delta", "132 B", "9.9 %"],
        &["", "never", "100.0 %"],
    ];
    let page = page(&["Codec", "Bytes", "Accuracy"], rows);
    let some = |ranks: [i64; 5]| ranks.map(Some).to_vec();
    // By letters, whatever their case; nothing comes last.
    assert_eq!(ranks(&page, "k0"), some([3, 0, 2, 1, 4]));
    // By size, not by digits; the same are the same, and what is no number comes last,
    assert_eq!(ranks(&page, "k1"), some([1, 2, 0, 0, 3]));
    assert_eq!(ranks(&page, "k2"), some([2, 4, 1, 0, 3]));
    // in both directions.
    assert_eq!(ranks(&page, "d1"), [None, None, None, None, Some(1)]);
    assert_eq!(ranks(&page, "d2"), [None, Some(1), None, None, None]);
    assert!(page.contains("aria-label=\"Sort by Bytes, smallest first\""));
    assert!(page.contains("aria-label=\"Sort by Codec, from Z to A\""));
    // What is a grid once it is sorted stays a table for those who hear it.
    for role in ["table", "rowgroup", "row", "columnheader", "cell"] {
        assert!(page.contains(&format!(" role=\"{role}\"")), "{role}");
    }
}

#[test]
fn every_label_has_its_button() {
    let rows: Vec<&[&str]> = vec![&["a", "1"], &["b", "2"], &["c", "3"], &["d", "4"]];
    let page = page(&["x", "y"], &rows);
    let ids: Vec<&str> = page
        .split("<input")
        .skip(1)
        .filter_map(|rest| rest.split("id=\"").nth(1)?.split('"').next())
        .collect();
    assert_eq!(ids, ["sort-t", "sort-t-up-0", "sort-t-down-0", "sort-t-up-1", "sort-t-down-1"]);
    let labels: Vec<&str> = page.split(" for=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(labels.len(), 6);
    assert!(labels.iter().all(|label| ids.contains(label)), "{labels:?}");
    assert_eq!(page.matches(" checked ").count(), 1);
}

#[test]
fn what_cannot_be_compared_is_not_sorted() {
    let is_sorted = |columns: &[&str], rows: &[&[&str]]| page(columns, rows).contains("<input");
    let row: &[&str] = &["a", "1"];
    // Few rows, many rows, rows all the same.
    assert!(!is_sorted(&["x", "y"], &[&["a", "1"], &["b", "2"], &["c", "3"]]));
    assert!(!is_sorted(&["x", "y"], &[row; 4]));
    let many: Vec<String> = (0..201).map(|row| row.to_string()).collect();
    let many: Vec<[&str; 1]> = many.iter().map(|row| [row.as_str()]).collect();
    let many: Vec<&[&str]> = many.iter().map(|row| &row[..]).collect();
    assert!(!is_sorted(&["x"], &many));
    assert!(is_sorted(&["x"], &many[..200]));
    // Rows that are of different things: no name above those, and no order among these.
    let measures: &[&[&str]] =
        &[&["accuracy", "94.9 %"], &["bytes", "3 B"], &["ratio", "2.00x"], &["rounds", "7"]];
    assert!(!is_sorted(&["", "raw"], measures));
    assert!(is_sorted(&["Measure", "raw"], measures));
}

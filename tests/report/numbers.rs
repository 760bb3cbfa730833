//! The numbers behind plots, tables and running text, as the page and its files have them.

use fedfunnel::report::{Plot, Report, Series, Style, Table, html, save};

/// The file of the numbers behind a plot whose name is `p`.
fn csv_of(plot: Plot) -> String {
    let folder = tempfile::tempdir().unwrap();
    save(&Report { plots: vec![plot], ..Report::default() }, folder.path()).unwrap();
    std::fs::read_to_string(folder.path().join("plots/p.csv")).unwrap()
}

/// The section of this name on the page of a report.
fn section(report: &Report, name: &str) -> String {
    let page = html(report).expect("a page");
    let (_, section) = page.split_once(&format!("<section id=\"{name}\">")).expect("the section is there");
    section.split_once("</section>").expect("it ends").0.to_string()
}

fn table_section(table: &Table) -> String {
    section(&Report { tables: vec![table.clone()], ..Report::default() }, "table-t")
}

#[test]
fn curves_share_their_x() {
    let plot = Plot::new("p", "P", "Round", "Accuracy")
        .with(Series::new("a", Style::Solid, vec![(1.0, 0.5), (2.0, f64::NAN)]))
        .with(Series::new("b", Style::Solid, vec![(2.0, 0.25), (0.5, 1.0)]));
    assert_eq!(csv_of(plot), "Round,a,b\r\n0.5,,1\r\n1,0.5,\r\n2,NaN,0.25\r\n");
}

#[test]
fn two_points_at_one_x_get_a_row_each() {
    let plot = Plot::new("p", "P", "x", "y")
        .with(Series::new("cloud", Style::Points, vec![(0.0, 1.0), (-0.0, 2.0)]))
        .with(Series::new("", Style::Solid, vec![(1.0, 1.0)]));
    assert_eq!(csv_of(plot), "Curve,x,y\r\ncloud,0,1\r\ncloud,-0,2\r\ny,1,1\r\n");
}

#[test]
fn numbers_stay_with_their_units() {
    let answer = ["from 94.9 % to <93.4 %>, in 12 s.", "a s b"].map(String::from).to_vec();
    let page = html(&Report { answer, ..Report::default() }).expect("a page");
    for expected in ["<p>from 94.9\u{a0}% to &lt;93.4 %&gt;, in 12\u{a0}s.</p>", "<p>a s b</p>"] {
        assert!(page.contains(expected), "{page}");
    }
}

#[test]
fn links_are_encoded() {
    let section = table_section(&Table::new("t", "T", &["a,\"ü\""]));
    let link = "href=\"data:text/csv;charset=utf-8,%22a,%22%22%C3%BC%22%22%22%0D%0A\"";
    assert!(section.contains(link), "{section}");
}

#[test]
fn rows_with_sentences_carry_their_columns_names_and_others_do_not() {
    let mut table = Table::new("t", "T", &["", "Why <so>"]);
    table.push(["a", "b"]);
    let plain = table_section(&table);
    assert!(plain.contains("<table>") && !plain.contains("data-label"));
    table.push(["a", &"word ".repeat(20)]);
    let told = table_section(&table);
    assert!(told.contains("<table class=\"told\">"));
    assert_eq!(told.matches("data-label=\"Why &lt;so&gt;\"").count(), 2);
    assert!(!told.contains("data-label=\"\""));
}

#[test]
fn long_tables_are_cut_on_the_page_only() {
    let points = (0..1000).map(|i| (f64::from(i), 0.5)).collect();
    let plot = Plot::new("p", "P", "x", "y").with(Series::new("s", Style::Solid, points));
    let text = section(&Report { plots: vec![plot], ..Report::default() }, "plot-p");
    assert!(text.contains("first 500 of 1,000 rows"));
    assert!(!text.contains("<td class=\"number\">999</td>") && text.contains("999,0.5%0D%0A"));
}

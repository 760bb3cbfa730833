//! Cells as CSV.

use fedfunnel::report::csv;

#[test]
fn quotes_only_where_needed() {
    let rows = [vec!["1".to_string(), "plain".into()], vec!["a,b".into(), "say \"hi\"\nnow".into()]];
    let text = csv(&["x", "name"], rows.into_iter());
    assert_eq!(text, "x,name\r\n1,plain\r\n\"a,b\",\"say \"\"hi\"\"\nnow\"\r\n");
}

#[test]
fn an_empty_cell_alone_is_still_a_row() {
    assert_eq!(csv(&["x"], std::iter::once(vec![String::new()])), "x\r\n\"\"\r\n");
}

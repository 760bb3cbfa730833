//! Tables as text.

use fedfunnel::report::{Table, text_table};

#[test]
fn numbers_stand_to_the_right() {
    let mut table = Table::new("bytes", "Bytes by codec", &["codec", "uplink", "ratio"]);
    table.push(["none", "63,640 B", "1.00x"]);
    table.push(["autoencoder", "132 B", "482.2x"]);
    table.push(["lost", "-"]);
    table.caption = "Measured on\u{1b}[31m real messages.".into();
    let expected = "\
Bytes by codec
codec          uplink   ratio
-----------  --------  ------
none         63,640 B   1.00x
autoencoder     132 B  482.2x
lost                -
Measured on [31m real messages.
";
    assert_eq!(text_table(&table), expected);
}

#[test]
fn odd_tables_do_not_panic() {
    assert_eq!(text_table(&Table::default()), "\n");
    let mut ragged = Table::new("r", "", &["a"]);
    ragged.push(["1", "2", "three"]);
    ragged.push(Vec::<String>::new());
    assert_eq!(text_table(&ragged), "a\n-  -  -----\n1  2  three\n\n");
}

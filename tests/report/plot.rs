//! What a plot leaves out.

use fedfunnel::report::{Plot, Series, Style, remarks};

#[test]
fn what_is_left_out_is_said() {
    let points = vec![(1.0, f64::NAN), (2.0, 0.0), (3.0, 10.0), (4.0, 20.0)];
    let mut plot = Plot::new("p", "P", "Round", "Accuracy (%)").with(Series::new("s", Style::Solid, points));
    plot.y_log = true;
    let said = remarks(&plot);
    assert_eq!(said.len(), 2, "{said:?}");
    plot.y_log = false;
    plot.y_range = Some((0.0, 15.0));
    let said = remarks(&plot);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("Outside"), "{said:?}");
}

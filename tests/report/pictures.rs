//! Pictures: as pixels of files, as text of `report.json`, on the page.

use fedfunnel::report::{Picture, PictureRow, Pictures, Report, html, load, markdown, save};

/// Two rows of two pictures of three by two pixels, of which the first runs over the whole scale.
fn pictures() -> Pictures {
    let picture = |name: &str, values: [f32; 6]| Picture::new(name, values, 0.5);
    let row = |name: &str, values| PictureRow {
        name: name.into(),
        pictures: vec![picture("unit 0", values), picture("unit <3>", [0.0; 6])],
    };
    Pictures {
        id: "First layer".into(),
        title: "What it looks for".into(),
        width: 3,
        height: 2,
        limit: 0.5,
        rows: vec![
            row("raw", [-0.5, -0.25, 0.0, 0.25, 0.5, 7.0]),
            row("pca & raw", [f32::NAN, f32::INFINITY, 0.0, 0.0, 0.0, 0.0]),
        ],
        caption: "The strongest orange is 0.5.".into(),
    }
}

/// Width, height, and the bytes of each pixel.
fn decoded(png: &[u8]) -> (usize, usize, Vec<Vec<u8>>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG file");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("a picture");
    let pixels = bytes.chunks(info.color_type.samples()).map(<[u8]>::to_vec).collect();
    (info.width as usize, info.height as usize, pixels)
}

/// The files that the page's pictures are.
fn on_page(page: &str) -> Vec<Vec<u8>> {
    use base64::Engine;
    let pictures =
        page.split("src=\"data:image/png;base64,").skip(1).filter_map(|rest| rest.split('"').next());
    pictures.map(|text| base64::engine::general_purpose::STANDARD.decode(text).expect("base64")).collect()
}

#[test]
fn zero_is_the_ground_and_both_ways_have_a_colour() {
    let page = html(&Report { pictures: vec![pictures()], ..Report::default() }).expect("a page");
    let files = on_page(&page);
    assert_eq!(files.len(), 4);
    let (width, height, pixels) = decoded(&files[0]);
    assert_eq!((width, height), (3, 2));
    let (blue, orange) = ([0, 114, 178], [213, 94, 0]);
    let is = |pixel: &[u8], colour: [u8; 3], opaque: u8| {
        assert_eq!((&pixel[..3], pixel[3]), (&colour[..], opaque));
    };
    is(&pixels[0], blue, 255);
    is(&pixels[1], blue, 128);
    assert_eq!(pixels[2][3], 0);
    is(&pixels[3], orange, 128);
    is(&pixels[4], orange, 255);
    // Beyond the scale it is as at its end.
    is(&pixels[5], orange, 255);
    // What is no number has no colour; what is infinite has the strongest.
    let (_, _, pixels) = decoded(&files[2]);
    assert_eq!((pixels[0][3], pixels[1][3]), (0, 255));
}

#[test]
fn each_picture_is_said_in_words_and_escaped() {
    let page = html(&Report { pictures: vec![pictures()], ..Report::default() }).expect("a page");
    assert!(page.contains("<section id=\"pictures-first-layer\">"));
    assert!(page.contains(
        "alt=\"raw, unit 0: 50 % of the pixels are above a quarter of the scale, 33 % as far below zero\""
    ));
    assert!(page.contains("alt=\"pca &amp; raw, unit &lt;3&gt;:") && !page.contains("unit <3>"));
    assert_eq!(page.matches("<img ").count(), page.matches(" alt=\"").count());
    assert!(page.contains("img-src data:"));
    assert!(page.contains("The strongest orange is 0.5."));
}

#[test]
fn the_file_has_all_pictures_on_white() {
    let folder = tempfile::tempdir().unwrap();
    save(&Report { pictures: vec![pictures()], ..Report::default() }, folder.path()).unwrap();
    let (width, height, pixels) =
        decoded(&std::fs::read(folder.path().join("pictures/first-layer.png")).unwrap());
    // Four pixels for each, and eight between two pictures and around them.
    assert_eq!((width, height), (8 + 2 * (12 + 8), 8 + 2 * (8 + 8)));
    let at = |x: usize, y: usize| &pixels[y * width + x][..];
    assert_eq!(at(0, 0), [255; 3]);
    assert_eq!(at(8, 8), [0, 114, 178]);
    assert_eq!(at(11, 11), [0, 114, 178]);
    // Half of the way from white, a step of 127 aside.
    assert_eq!(at(12, 8), [126, 183, 216]);
    assert_eq!(at(8 + 8, 8), [255; 3]);
    assert_eq!(at(8 + 4, 8 + 4), [213, 94, 0]);
}

#[test]
fn pictures_survive_json_and_reports_without_them_read_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let report = Report { pictures: vec![pictures()], ..Report::default() };
    save(&report, folder.path()).unwrap();
    assert_eq!(load(folder.path()).unwrap(), report);
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    // A picture is one line, not one for each pixel.
    assert!(text.contains("\"levels\": \"AH8AAAAA\""), "{text}");
    save(&Report::default(), folder.path()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    assert!(!text.contains("pictures"));
    assert_eq!(load(folder.path()).unwrap(), Report::default());
}

#[test]
fn markdown_names_the_file_and_its_rows() {
    let page = markdown(&Report { pictures: vec![pictures()], ..Report::default() });
    assert!(page.contains("![What it looks for](pictures/first-layer.png)"), "{page}");
    assert!(page.contains("From top to bottom: raw; pca & raw. The strongest orange is 0.5."), "{page}");
}

#[test]
fn a_picture_of_another_size_is_named() {
    let mut wrong = pictures();
    wrong.rows[1].pictures[1].levels.pop();
    let said = html(&Report { pictures: vec![wrong], ..Report::default() }).unwrap_err().to_string();
    assert!(said.contains("unit <3>") && said.contains("5 pixels"), "{said}");
}

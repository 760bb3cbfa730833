//! Where output files go: over files, through everything else, and to standard output.
#![cfg(unix)]

use crate::support::{Ran, Tensors, fixtures, keys, read_tensors, run_in, succeed_in, temporary};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const SAVINGS: &str = "savings --parameters 550570 --latent 320 --rounds 40 --collaborators 2";

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn savings(folder: &Path, more: &str) -> Ran {
    run_in(folder, &words(&format!("{SAVINGS} {more}")))
}

/// Runs a line of shell in which `fedfunnel` is the program.
fn shell(folder: &Path, line: &str) -> Ran {
    let program = assert_cmd::cargo::cargo_bin!("fedfunnel").display().to_string();
    let script = format!("fedfunnel() {{ '{program}' \"$@\"; }}\n{line}");
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder).output().expect("a shell");
    Ran {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// Reads all that comes through a FIFO.
fn reader(path: &Path) -> std::thread::JoinHandle<Vec<u8>> {
    let path = path.to_path_buf();
    std::thread::spawn(move || std::fs::read(path).expect("read"))
}

/// A device that takes everything, or one that is always full: of our own where that is allowed, and else the
/// system's, but never where a fault could replace that.
fn device(folder: &Path, name: &str) -> Option<PathBuf> {
    let own = folder.join(name);
    let minor = if name == "null" { "3" } else { "7" };
    let made = Command::new("mknod").arg(&own).args(["c", "1", minor]).output();
    let usable = |path: &Path| std::fs::OpenOptions::new().write(true).open(path).is_ok();
    if made.is_ok_and(|made| made.status.success()) && usable(&own) {
        return Some(own);
    }
    tempfile::tempfile_in("/dev").is_err().then(|| Path::new("/dev").join(name))
}

fn plot(folder: &Path) -> Vec<u8> {
    assert_eq!(savings(folder, "--svg plain.svg").code, 0);
    std::fs::read(folder.join("plain.svg")).expect("a plot")
}

#[test]
fn symbolic_links_are_followed_and_stay() {
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let plot = plot(folder.path());
    std::fs::create_dir(at("store")).expect("a folder");
    std::fs::write(at("store/old.svg"), "old").expect("written");
    for (link, target) in [
        ("to-a-file", "store/old.svg"),
        ("to-a-link", "to-a-file"),
        ("dangling", "store/new.svg"),
        ("dangling-deep", "store/deep/new.svg"),
    ] {
        symlink(target, at(link)).expect("a link");
        let ran = savings(folder.path(), &format!("--svg {link}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(at(link).is_symlink(), "{link}");
        assert_eq!(std::fs::read(at(link)).expect("read"), plot, "{link}");
    }
    assert!(at("store/old.svg").is_file() && at("store/new.svg").is_file());
    // A model in the folder of a run likewise.
    std::fs::create_dir(at("run")).expect("a folder");
    symlink("../store/model.safetensors", at("run/model.safetensors")).expect("a link");
    succeed_in(folder.path(), &words("train mnist-mlp --epochs 1 --limit 64 --out run -q"));
    assert!(at("run/model.safetensors").is_symlink());
    assert_eq!(read_tensors(&at("store/model.safetensors")).tensors["0.bias"].0, [20]);
}

#[test]
fn devices_and_pipes_are_written_through_and_stay() {
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let plot = plot(folder.path());
    if let Some(null) = device(folder.path(), "null") {
        symlink(&null, at("to-null")).expect("a link");
        for path in [&null, &at("to-null")] {
            let ran = savings(folder.path(), &format!("--svg {0} --html {0}", path.display()));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(path.metadata().expect("it is there").file_type().is_char_device());
        }
        assert!(at("to-null").is_symlink());
    }
    if let Some(full) = device(folder.path(), "full") {
        symlink(&full, at("to-full")).expect("a link");
        let ran = savings(folder.path(), "--svg to-full");
        assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: cannot write to-full: no space left"), "{}", ran.stderr);
    }
    make_fifo(&at("fifo"));
    let read = reader(&at("fifo"));
    assert_eq!(savings(folder.path(), "--svg fifo").code, 0);
    assert_eq!(read.join().expect("read"), plot);
    assert!(at("fifo").metadata().expect("it is there").file_type().is_fifo());
}

#[test]
fn the_files_of_a_run_can_be_pipes() {
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("run")).expect("a folder");
    let names = ["metrics.jsonl", "model.safetensors", "trace.json"];
    let readers = names.map(|name| {
        make_fifo(&at("run").join(name));
        reader(&at("run").join(name))
    });
    let all = "train mnist-mlp --epochs 2 --limit 64 --out run --trace run/trace.json -q";
    succeed_in(folder.path(), &words(all));
    let [metrics, model, trace] = readers.map(|reader| reader.join().expect("read"));
    assert_eq!(String::from_utf8(metrics).expect("UTF-8").lines().count(), 2);
    std::fs::write(at("model.safetensors"), model).expect("written");
    let Tensors { tensors, .. } = read_tensors(&at("model.safetensors"));
    assert_eq!(tensors["2.weight"].0, [10, 20]);
    let trace: serde_json::Value = serde_json::from_slice(&trace).expect("JSON");
    assert!(keys(&trace).contains(&"traceEvents"));
}

#[test]
fn descriptors_are_written_through() {
    let folder = temporary();
    let plot = plot(folder.path());
    let written = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
    // As /dev/stdout, which is left in peace.
    let own = Path::new("/proc/self/fd/1");
    symlink(if own.exists() { own } else { Path::new("/dev/fd/1") }, folder.path().join("out"))
        .expect("a link");
    // As a shell's process substitution has it.
    let ran = shell(
        folder.path(),
        &format!("{{ fedfunnel {SAVINGS} --svg /dev/fd/3 3>&1 >/dev/null; }} | cat >piped"),
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(written("piped"), plot);
    for (option, redirection) in
        [("--svg /dev/fd/3", "3>file >/dev/null"), ("--svg out", ">file 2>/dev/null"), ("--svg -", ">file")]
    {
        let ran = shell(folder.path(), &format!("fedfunnel {SAVINGS} {option} {redirection}"));
        assert_eq!(ran.code, 0, "{option}: {}", ran.stderr);
        assert!(written("file") == plot, "{option}");
    }
    // What stands before and after it in the same stream stays.
    let line = format!("{{ echo before; fedfunnel {SAVINGS} --svg out; echo after; }} >file 2>/dev/null");
    assert_eq!(shell(folder.path(), &line).code, 0);
    assert_eq!(written("file"), [b"before\n", &plot[..], b"after\n"].concat());
}

#[test]
fn standard_output_is_for_one_and_people_read_stderr() {
    let folder = temporary();
    let ran = savings(folder.path(), "--svg -");
    assert!(ran.code == 0 && ran.stdout.starts_with("<svg") && ran.stdout.ends_with("</svg>\n"));
    assert!(ran.stderr.contains("323 rounds") && !ran.stderr.lines().any(|line| line == "-"));
    let ran = savings(folder.path(), "--html - --svg plot.svg");
    assert!(ran.stdout.starts_with("<!") && ran.stderr.ends_with("plot.svg\n"), "{}", ran.stderr);
    for verb in ["bench dispatch --profile", "train mnist-mlp --epochs 1 --limit 64 --out run --profile"] {
        let ran = run_in(folder.path(), &words(&format!("{verb} --trace -")));
        let trace: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON alone");
        assert!(keys(&trace).contains(&"traceEvents"));
        assert!(ran.stderr.contains("Kernels on the device"), "{}", ran.stderr);
    }
    let ran = run_in(folder.path(), &words("bench dispatch --json - -q"));
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&ran.stdout).is_ok_and(|all| all.len() == 1));
    for (verb, option) in [
        (format!("{SAVINGS} --svg - --json"), "--svg"),
        (format!("{SAVINGS} --svg - --html -"), "--svg"),
        ("bench dispatch --json --trace -".into(), "--trace"),
        ("demo --json --trace - --out demo".into(), "--trace"),
    ] {
        let ran = run_in(folder.path(), &words(&verb));
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{verb}");
        let begins = format!("error: {option}: standard output is for --");
        assert!(ran.stderr.starts_with(&begins) && ran.stderr.ends_with("name a file\n"), "{}", ran.stderr);
    }
    assert!(!folder.path().join("demo").exists() && !folder.path().join("-").exists());
}

#[test]
fn what_can_be_neither_replaced_nor_written_is_refused_in_words() {
    let folder = temporary();
    symlink("loop", folder.path().join("loop")).expect("a link");
    let socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    for (verb, said) in [
        (
            format!("{SAVINGS} --svg loop"),
            "--svg: loop leads through symbolic links without end; name another file",
        ),
        (format!("{SAVINGS} --html socket"), "--html: socket is a socket; name a file, a pipe or a device"),
        ("bench dispatch --trace socket".into(), "--trace: socket is a socket"),
        (format!("{SAVINGS} --svg ."), "--svg: . is a folder; name a file"),
    ] {
        let ran = run_in(folder.path(), &words(&verb));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{verb}");
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    drop(socket);
    let snapshots = fixtures().snapshots().display().to_string();
    for verb in [
        "demo".to_string(),
        "simulate demo".into(),
        "experiment fig10-savings-single-decoder".into(),
        "train mnist-mlp".into(),
        format!("autoencoder train --model ae-mnist --snapshots {snapshots}"),
    ] {
        let ran = run_in(folder.path(), &words(&format!("{verb} --out -")));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{verb}");
        let said = "--out: - is standard output, and this takes a folder; name a folder, or ./-";
        assert!(ran.stderr.contains(said), "{verb}: {}", ran.stderr);
    }
}

#[test]
fn a_new_file_has_the_mode_that_the_umask_leaves_and_an_old_one_keeps_its_own() {
    let folder = temporary();
    let mode = |name: &str| {
        let there = folder.path().join(name).metadata().expect("a file");
        there.permissions().mode() & 0o7777
    };
    for (umask, expected) in [("027", 0o640), ("002", 0o664), ("077", 0o600)] {
        let line = format!("umask {umask} && fedfunnel {SAVINGS} --svg new-{umask}.svg");
        assert_eq!(shell(folder.path(), &line).code, 0);
        assert_eq!(mode(&format!("new-{umask}.svg")), expected, "{umask}");
    }
    for kept in [0o600, 0o664, 0o755] {
        let path = folder.path().join("old.svg");
        std::fs::write(&path, "old").expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(kept)).expect("allowed");
        assert_eq!(savings(folder.path(), "--svg old.svg").code, 0);
        assert!(std::fs::read(&path).expect("read").starts_with(b"<svg"));
        assert_eq!(mode("old.svg"), kept);
    }
    let line = "umask 027 && fedfunnel train mnist-mlp --epochs 1 --limit 64 --out run -q";
    assert_eq!(shell(folder.path(), line).code, 0);
    assert_eq!(
        [mode("run/model.safetensors"), mode("run/metrics.jsonl"), mode("run")],
        [0o640, 0o640, 0o750]
    );
}

/// The verbs that print and are quick, and what each writes besides.
fn printing() -> Vec<(String, &'static str)> {
    let snapshots = fixtures().epochs().join("snapshots.safetensors").display().to_string();
    let autoencoder = fixtures().autoencoder().display().to_string();
    let train = format!(
        "autoencoder train --snapshots {snapshots} --model ae-mnist --epochs 2 --hold-out 0 --out out"
    );
    let trace = "--trace trace.json";
    let sim = "--set rounds=1 --set prepass.epochs=1 --set autoencoder.epochs=2 --out out";
    [
        ("devices".to_string(), ""),
        ("devices --check".into(), ""),
        ("data list".into(), ""),
        (format!("{SAVINGS} --svg plot.svg"), "plot.svg"),
        (format!("train mnist-mlp --epochs 1 --limit 64 --out out {trace}"), "trace.json"),
        (format!("{train} {trace}"), "trace.json"),
        (format!("{train} --space small {trace}"), "trace.json"),
        (format!("{train} --plan {trace}"), "trace.json"),
        (
            format!("autoencoder evaluate --autoencoder {autoencoder} --snapshots {snapshots} {trace}"),
            "trace.json",
        ),
        (format!("simulate demo {sim} {trace}"), "trace.json"),
        (format!("demo {sim} {trace}"), "trace.json"),
        ("experiment list".into(), ""),
        (format!("bench dispatch {trace}"), "trace.json"),
    ]
    .into()
}

/// Runs a verb with a standard output of our choice, as it is and with `--json`, and checks its code and its files.
fn check_printing(stdout: impl Fn() -> std::process::Stdio, code: impl Fn(&str) -> i32, quiet: bool) {
    for (verb, file) in printing() {
        for json in ["", " --json"] {
            let folder = temporary();
            let all = format!("{verb}{json} -q");
            let output = Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"))
                .args(words(&all))
                .current_dir(folder.path())
                .stdout(stdout())
                .output()
                .expect("the program starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code(&all)), "{all}: {said}");
            // The remark of an autoencoder that was trained for two epochs.
            let lines = said.lines().filter(|line| !line.starts_with("warning: "));
            assert!(!quiet || lines.count() == 0, "{all}: {said}");
            assert!(folder.path().join(file).exists(), "{all}: no {file}");
        }
    }
}

#[test]
fn a_closed_standard_output_is_silent_and_no_failure_and_no_file_is_lost() {
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        writer.into()
    };
    check_printing(closed, |_| 0, true);
    for help in ["--help", "--version", "train --help", "data"] {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"));
        let output = command.args(words(help)).stdout(closed()).output().expect("the program starts");
        let open = Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel")).args(words(help)).output();
        assert_eq!(output.status, open.expect("the program starts").status, "{help}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error_after_the_files() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device").into();
    // Lines of training are in a file too, and that nobody can read them stops no training.
    let only_lines = |verb: &str| verb.starts_with("train ") && verb.contains("--json");
    check_printing(full, |verb| i32::from(!only_lines(verb)), false);
}

#[test]
fn help_says_which_files_can_be_standard_output() {
    for (verb, options) in
        [("savings", &["--html", "--svg"][..]), ("bench", &["--json", "--trace"]), ("train", &["--trace"])]
    {
        let text = succeed_in(Path::new("."), &[verb, "--help"]).stdout;
        for option in options {
            let (_, about) = text.split_once(&format!("      {option} ")).expect("the option");
            let about: Vec<_> = about.lines().take_while(|line| !line.trim().starts_with("--")).collect();
            let about = about.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(about.contains("standard output"), "{verb} {option}: {about}");
        }
    }
}

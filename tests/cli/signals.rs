//! Signals: those that are heeded, those that are ignored, and exit codes.
#![cfg(unix)]

use crate::support::{small_colour_models, temporary};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SIGNALS: [(&str, libc::c_int); 3] =
    [("HUP", libc::SIGHUP), ("INT", libc::SIGINT), ("TERM", libc::SIGTERM)];

/// The program, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn send(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.0.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    fn code(&mut self) -> Option<i32> {
        self.0.wait().expect("it ends").code()
    }
}

/// Starts a simulation in `out` with `ignored` signals, and waits until it listens.
fn start(folder: &Path, out: &str, rounds: u32, ignored: &[&str]) -> Running {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"));
    command.args(["simulate", "colour.toml", "--out", out, "--resume", "--set", "codecs=[\"raw\"]", "--set"]);
    command.arg(format!("rounds={rounds}")).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    let ignored: Vec<_> = SIGNALS.map(|(name, number)| (number, ignored.contains(&name))).into();
    // SAFETY: `signal` may be called between fork and exec, and nothing else is.
    unsafe {
        command.pre_exec(move || {
            for &(number, ignored) in &ignored {
                libc::signal(number, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
            }
            Ok(())
        });
    }
    let running = Running(command.spawn().expect("the program starts"));
    let start = Instant::now();
    while !folder.join(out).join("state").is_dir() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(2));
    }
    running
}

#[test]
fn each_signal_stops_a_run_where_it_can_be_gone_on_with_and_has_its_exit_code() {
    let folder = temporary();
    small_colour_models(folder.path());
    for (signal, expected) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let mut running = start(folder.path(), signal, 100_000, &[]);
        running.send(signal);
        assert_eq!(running.code(), Some(expected), "{signal}");
        assert!(folder.path().join(signal).join("state").is_dir(), "{signal}: it can be gone on with");
        let page = std::fs::read_to_string(folder.path().join(signal).join("report.html"))
            .expect("a page to follow");
        assert!(page.contains(&format!("<h1>{signal}, so far</h1>")), "{page}");
        assert!(page.contains(" of 100000 of raw is done."), "{page}");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let folder = temporary();
    small_colour_models(folder.path());
    for signal in ["HUP", "INT", "TERM"] {
        let mut running = start(folder.path(), signal, 30, &[signal]);
        running.send(signal);
        assert_eq!(running.code(), Some(0), "{signal}");
        let page = std::fs::read_to_string(folder.path().join(signal).join("report.html")).expect("a report");
        assert!(!page.contains("so far</h1>"), "{page}");
    }
    // The others still stop it.
    let mut running = start(folder.path(), "nohup", 100_000, &["HUP"]);
    running.send("HUP");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(running.0.try_wait().expect("a child"), None);
    running.send("TERM");
    assert_eq!(running.code(), Some(143));
}

#[test]
fn a_second_signal_ends_the_program_at_once_with_its_own_code() {
    let folder = temporary();
    small_colour_models(folder.path());
    let mut running = start(folder.path(), "out", 100_000, &[]);
    let mut lines = BufReader::new(running.0.stderr.take().expect("a pipe")).lines();
    // A stopped process acts on both at once, in the middle of an epoch.
    running.send("STOP");
    running.send("TERM");
    running.send("HUP");
    running.send("CONT");
    let code = running.code();
    // Signals that wait for a process have no order.
    assert!(matches!(code, Some(129 | 143)), "{code:?}");
    assert!(
        !lines.any(|line| line.expect("UTF-8").starts_with("go on with: ")),
        "it does not wait for the epoch"
    );
}

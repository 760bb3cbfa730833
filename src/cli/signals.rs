//! Signals that ask the program to stop: Ctrl-C, a request to terminate, a terminal that hangs up.

use super::stdout::whisper;
use anyhow::Context;
use std::sync::atomic::{AtomicI32, Ordering};

/// The number of Ctrl-C's signal.
const INTERRUPT: i32 = 2;

/// The signal that asked the program to stop; 0 while none did.
static STOPPED_BY: AtomicI32 = AtomicI32::new(0);

/// Makes a signal ask the work to save its state and stop, and a second one end the program at once. A signal that is ignored, as `nohup` has it, stays ignored.
pub fn listen(quiet: bool) -> anyhow::Result<()> {
    platform::listen(move |signal| {
        if STOPPED_BY.swap(signal, Ordering::Relaxed) != 0 {
            platform::exit(code_of(signal));
        }
        if !quiet {
            whisper("stopping at the end of this epoch or round; once more to stop at once");
        }
    })
    .context("cannot listen to signals")
}

/// Whether a signal asked the program to stop.
pub fn asked_to_stop() -> bool {
    STOPPED_BY.load(Ordering::Relaxed) != 0
}

/// The exit code of a program that stopped because it was asked to.
pub fn exit_code() -> u8 {
    match STOPPED_BY.load(Ordering::Relaxed) {
        0 => code_of(INTERRUPT),
        signal => code_of(signal),
    }
}

/// As a shell reports what a signal ended.
fn code_of(signal: i32) -> u8 {
    (128 + signal) as u8
}

#[cfg(unix)]
mod platform {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// Calls `heed` in a thread of its own for each signal that is not ignored.
    pub fn listen(heed: impl Fn(i32) + Send + 'static) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(|s| !is_ignored(*s)))?;
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(move || signals.forever().for_each(heed)).map(drop)
    }

    /// Ends the program without waiting for anything.
    pub fn exit(code: u8) -> ! {
        signal_hook::low_level::exit(code.into())
    }

    fn is_ignored(signal: i32) -> bool {
        // SAFETY: zeros are a valid value of this plain struct.
        let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: without a new action the call only fills in the current one, which outlives it.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut now) };
        asked == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(windows)]
mod platform {
    /// Calls `heed` for Ctrl-C and for a console that is closed.
    pub fn listen(heed: impl Fn(i32) + Send + 'static) -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(move || heed(super::INTERRUPT))
    }

    /// Ends the program.
    pub fn exit(code: u8) -> ! {
        std::process::exit(code.into())
    }
}

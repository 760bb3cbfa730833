//! How long the program takes from nothing to the answer of a first dispatch.

use super::harness::{Ready, Unit};
use super::work::{Work, work};
use crate::gpu::Gpu;
use crate::{Error, Result};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The work of this file: `program` is fedfunnel's executable.
pub(super) fn works(program: PathBuf) -> Vec<Work> {
    let what = "fedfunnel devices --check: from the start of the process to the answer of its first dispatch";
    vec![work("start", what, move |gpu| start(gpu, &program))]
}

fn start<'g>(gpu: &'g Gpu, program: &Path) -> Result<Ready<'g>> {
    let program = program.to_path_buf();
    let index = gpu.adapter.index.to_string();
    let mut ready = Ready::wall(Unit::Milliseconds, || Ok(()));
    ready.repeat = Box::new(move || {
        let began = Instant::now();
        let mut child = Command::new(&program)
            .args(["devices", "--check", "--device", &index])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("run", &program))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(Error::io("read the output of", &program))?;
        }
        // What comes after the answer is not counted.
        let seconds = began.elapsed().as_secs_f64();
        let status = child.wait().map_err(Error::io("run", &program))?;
        if line.is_empty() || !status.success() {
            let problem = format!("{} devices --check gave no answer", program.display());
            return Err(Error::device(problem, "run it by itself to see why"));
        }
        Ok(vec![seconds])
    });
    Ok(ready)
}

//! The works of `fedfunnel bench` under criterion, which keeps what was measured before and says what has changed:
//! `cargo bench --bench works -- mnist-epoch`. What does not fit the device's memory is left out.

use criterion::Criterion;
use fedfunnel::bench::{self, Work};
use fedfunnel::gpu::{Gpu, GpuOptions};
use std::time::Duration;

fn main() {
    // SAFETY: nothing has started a thread yet.
    unsafe { fedfunnel::gpu::quieten_drivers() };
    let gpu = Gpu::open(&GpuOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    // Whole epochs and rounds are long; ten samples are the fewest that criterion takes.
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    for work in bench::works(Some(env!("CARGO_BIN_EXE_fedfunnel").into())) {
        time(&mut criterion, &gpu, &work).unwrap_or_else(|error| panic!("{}: {error}", work.name));
    }
    criterion.final_summary();
}

fn time(criterion: &mut Criterion, gpu: &Gpu, work: &Work) -> fedfunnel::Result<()> {
    if work.excess(gpu)?.is_some() {
        eprintln!("{} is left out: there is too little memory", work.name);
        return Ok(());
    }
    // Prepared only where criterion's filter lets it through, and once.
    let mut ready = None;
    criterion.bench_function(work.name, |bencher| {
        bencher.iter_custom(|times| {
            let mut repeats = || -> fedfunnel::Result<f64> {
                let ready = match &mut ready {
                    Some(ready) => ready,
                    none => none.insert(work.prepare(gpu)?),
                };
                // A repeat gives the seconds of one or of several.
                let mut seconds = Vec::new();
                while (seconds.len() as u64) < times {
                    seconds.extend((ready.repeat)()?);
                }
                Ok(seconds.iter().take(times as usize).sum())
            };
            Duration::from_secs_f64(repeats().unwrap_or_else(|error| panic!("{}: {error}", work.name)))
        });
    });
    Ok(())
}

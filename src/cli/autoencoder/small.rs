//! `fedfunnel autoencoder train --space small`

use super::job::{Job, STAGE, check_finite};
use crate::cli::stdout::{say, say_json};
use fedfunnel::autoencoder::Reconstruction;
use fedfunnel::autoencoder::small::{Precision, SmallPoint, SmallState, SmallTrainer};
use fedfunnel::codec::{DecoderCost, decoder_costs};
use fedfunnel::files;
use fedfunnel::report::{Table, format, text_table};
use fedfunnel::run::Run;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

/// A form of the decoder: what it costs, and what comes back through it.
#[derive(Serialize)]
struct Shipped {
    #[serde(flatten)]
    cost: DecoderCost,
    relative_l2: f64,
    validation_relative_l2: Option<f64>,
}

/// What came of a training.
pub struct Trained {
    trainer: SmallTrainer,
    shipped: Vec<Shipped>,
    seconds: f64,
}

/// Where a training stands after a look.
#[derive(Default, Serialize, Deserialize)]
struct Notes {
    curve: Vec<SmallPoint>,
    state: SmallState,
}

/// Trains, or goes on with it, expands, and saves.
pub fn train(run: &mut Run<'_>, job: &Job<'_>) -> fedfunnel::Result<Box<Trained>> {
    let (args, start) = (job.args, Instant::now());
    let (train, held_out) = (&job.train[0], &job.held_out[0]);
    let mut trainer = SmallTrainer::new(job.gpu, job.spec, train, held_out, job.settings, args.epochs)?;
    let mut notes = Notes::default();
    if let Some((saved, _)) = run.load::<Notes>(STAGE)? {
        trainer.resume(&saved.state)?;
        saved.curve.iter().try_for_each(|point| run.log(point))?;
        notes = saved;
    }
    let mut seconds = notes.curve.last().map_or(0.0, |point| point.seconds) + start.elapsed().as_secs_f64();
    run.observer.begin(&job.spec.name, "epochs", args.epochs as u64);
    run.observer.advance(trainer.epochs());
    while (trainer.epochs() as usize) < args.epochs {
        let now = args.eval_every.min(args.epochs - trainer.epochs() as usize);
        let start = Instant::now();
        trainer.train(now, &mut |finished| run.observer.advance(u64::from(finished)));
        let is_over = trainer.epochs() as usize == args.epochs;
        if is_over {
            trainer.expand()?;
            job.gpu.wait()?;
        }
        seconds += start.elapsed().as_secs_f64();
        let mut point = trainer.look(now, seconds);
        run.observer.note(&format!("loss {:.4}  relative L2 {:.3}", point.loss, point.relative_l2));
        if is_over && point.loss.is_finite() {
            let (train, held_out) = trainer.measure()?;
            at_full_width(&mut point, train, held_out);
        }
        run.log(&point)?;
        job.say_point(&point);
        check_finite(point.epoch, point.loss)?;
        notes.curve.push(point);
        if !is_over {
            notes.state = trainer.state();
            run.pause(0, |run| run.save(STAGE, &notes, &[], |_| Ok(())))?;
        }
    }
    run.observer.end();
    job.save(trainer.network(), &trainer.read_standard()?)?;
    let factored = trainer.factored(Precision::F32)?;
    files::write_atomic(&args.out.join("decoder.factored"), &factored.to_bytes())?;
    let shipped = ship(&trainer, decoder_costs(job.spec, Some(&factored)))?;
    Ok(Box::new(Trained { trainer, shipped, seconds }))
}

/// Says what shipping the decoder costs. Gives the error of the snapshots.
pub fn say_costs(job: &Job<'_>, trained: &Trained, path: &Path) -> anyhow::Result<f64> {
    let Trained { trainer, shipped, seconds } = trained;
    if job.args.json {
        say_json(&serde_json::json!({ "optimizer": trainer.optimizer_name(), "decoders": shipped }))?;
    } else {
        say(&format!(
            "{} ({} parameters, {} floats to {}), trained by {} in the span of the snapshots in {seconds:.2} s",
            path.display(),
            format::count(job.spec.parameters() as u64),
            format::count(job.spec.inputs() as u64),
            job.spec.latent(),
            trainer.optimizer_name()
        ))?;
        say(&text_table(&table(shipped)))?;
    }
    Ok(shipped.first().map_or(0.0, |dense| dense.relative_l2))
}

/// Puts what full width measures in the place of what coordinates say.
fn at_full_width(point: &mut SmallPoint, train: Reconstruction, held_out: Option<Reconstruction>) {
    point.relative_l2 = train.relative_l2;
    point.argmax_match = Some(train.argmax_match);
    point.validation_loss = held_out.map(|m| m.loss);
    point.validation_relative_l2 = held_out.map(|m| m.relative_l2);
    point.validation_argmax_match = held_out.map(|m| m.argmax_match);
}

/// Measures each form of the decoder at full width.
fn ship(trainer: &SmallTrainer, costs: Vec<DecoderCost>) -> fedfunnel::Result<Vec<Shipped>> {
    costs
        .into_iter()
        .map(|cost| {
            let (train, held_out) = match cost.precision {
                None => trainer.measure()?,
                Some(precision) => trainer.measure_factored(&trainer.factored(precision)?)?,
            };
            Ok(Shipped {
                cost,
                relative_l2: train.relative_l2,
                validation_relative_l2: held_out.map(|m| m.relative_l2),
            })
        })
        .collect()
}

fn table(shipped: &[Shipped]) -> Table {
    let columns = ["decoder", "bytes", "break-even rounds", "training", "held out"];
    let title = "What shipping the decoder costs, and the centred relative L2 error (1 is the mean alone)";
    let mut table = Table::new("decoders", title, &columns);
    for row in shipped {
        table.push([
            row.cost.decoder.replace('_', " "),
            format::count(row.cost.bytes),
            format!("{:.1}", row.cost.break_even_rounds),
            format!("{:.4}", row.relative_l2),
            row.validation_relative_l2.map_or("-".into(), |error| format!("{error:.4}")),
        ]);
    }
    table
}

//! Codecs side by side, in the same bytes where a budget is given, over several seeds.

mod resolve;
mod seed;
mod spec;

pub use spec::CodecsExperiment;

use super::{Kind, Run, signed};
use crate::codec::Stages;
use crate::data::DataDir;
use crate::federation::{Parts, PrepassKind, check, simulate_past_divergence};
use crate::report::{Report, markdown};
use crate::run::Identity;
use crate::story::codecs::{CodecsResult, SeedResult, codecs_report, results_csv};
use crate::{Error, Result, files};
use resolve::Resolved;
use serde::Serialize;

/// The lines of the table for machines.
pub const JSON: &str = "compare.json";
const CSV: &str = "compare.csv";
const MARKDOWN: &str = "report.md";

/// The state in which the codecs are kept as they are run.
const CODECS: &str = "codecs";

/// The table as it is written for machines.
#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    version: &'static str,
    collaborators: usize,
    rounds: u32,
    seeds: Vec<u32>,
    parameters: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_bytes: Option<u64>,
    null: NullWritten,
    codecs: Vec<crate::story::codecs::CodecRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diverged: Vec<crate::story::codecs::DivergedRow>,
}

/// What has to be beaten.
#[derive(Serialize)]
struct NullWritten {
    name: String,
    accuracy: f64,
}

impl CodecsExperiment {
    /// The codecs as they are run: found now, or before this run was left.
    fn resolve(&self, run: &mut Run<'_>) -> Result<Resolved> {
        if let Some((resolved, file)) = run.load::<Resolved>(CODECS)? {
            return if resolved.is_of(&self.federation) {
                Ok(resolved)
            } else {
                Err(file.damaged("its codecs are those of another comparison"))
            };
        }
        let resolved = Resolved::find(self, run)?;
        run.save(CODECS, &resolved, &[], |_| Ok(()))?;
        Ok(resolved)
    }

    fn write(&self, run: &Run<'_>, result: &CodecsResult) -> Result<()> {
        let rows = result.rows();
        let (name, accuracy) = result.null();
        let written = Written {
            name: &self.about.name,
            version: env!("CARGO_PKG_VERSION"),
            collaborators: result.collaborators,
            rounds: result.rounds,
            seeds: result.seeds.iter().map(|seed| seed.seed).collect(),
            parameters: result.seeds.first().map_or(0, |seed| seed.parameters),
            budget_bytes: result.budget,
            null: NullWritten { name, accuracy },
            codecs: rows.clone(),
            diverged: result.diverged(),
        };
        let text = serde_json::to_vec_pretty(&written)
            .map_err(|e| Error::fault(format!("the comparison could not be written: {e}")))?;
        files::write_atomic(&run.path(JSON), &text)?;
        files::write_atomic(&run.path(CSV), results_csv(&rows).as_bytes())
    }
}

impl Kind for CodecsExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        self.federation.identify(own, &Parts::default(), data_dir).map_err(in_its_table)
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        self.check_own()?;
        // What is looked for does not decide whether the rest can be run.
        let smallest = Resolved::smallest(self, &Stages::default()).map_err(in_its_table)?;
        check(&smallest, &Parts::default(), data_dir).map_err(in_its_table)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let resolved = self.resolve(run).map_err(in_its_table)?;
        let simulation = resolved.simulation()?;
        let mut seeds = Vec::new();
        for number in 0..self.seeds {
            let spec = self.of_seed(&simulation, number);
            let (part, done) = (format!("seed-{}", spec.seed), format!("done-{}", spec.seed));
            if let Some((result, file)) = run.load::<SeedResult>(&done)? {
                seed::check(&result, &spec).map_err(|problem| file.damaged(problem))?;
                result.lines.iter().try_for_each(|line| run.log(line))?;
                seeds.push(result);
                continue;
            }
            run.enter(&part);
            let outcome = simulate_past_divergence(run, &spec, &Parts::default());
            let lines = run.leave();
            let result = seed::result(&outcome.map_err(in_its_table)?, lines)?;
            run.save(&done, &result, &[], |_| Ok(()))?;
            run.forget_part(&part)?;
            seeds.push(result);
            if number + 1 < self.seeds {
                // It is saved already.
                run.pause(0, |_| Ok(()))?;
            }
        }
        let has_equal_work = simulation.codecs.iter().any(|codec| codec.stages.is_raw() && !codec.is_raw());
        let is_federated = simulation.prepass.as_ref().is_some_and(|own| own.kind == PrepassKind::Federated);
        let result = CodecsResult {
            lacks_equal_work: is_federated && resolved.tunes && !has_equal_work,
            asked: resolved.asked,
            seeds,
            budget: resolved.budget,
            collaborators: simulation.collaborators,
            rounds: simulation.rounds,
        };
        self.write(run, &result)?;
        let report = codecs_report(&result);
        let report = Report { configuration: simulation.to_toml()?, ..signed(report, run, None) };
        files::write_atomic(&run.path(MARKDOWN), markdown(&report).as_bytes())?;
        Ok(report)
    }
}

/// The field as it is called in the experiment.
fn in_its_table(error: Error) -> Error {
    let own = ["budget", "ratio", "seeds"];
    let is_field = |field: &str| field.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c));
    let is_its = |field: &str| is_field(field) && !own.contains(&field);
    error.renamed(|field| if is_its(&field) { format!("federation.{field}") } else { field })
}

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use posteria::io;
use posteria::model::Model;
use posteria::posterior::exact::ExactPosterior;
use posteria::problem::{Evaluation, Problem, RunFolder};
use posteria::uq::advice::advice;
use posteria::uq::diagnosis::{Diagnosis, Judging, diagnose_model, measure};
use posteria::uq::drawn::diagnose_file;
use posteria::uq::judgement::Judgement;
use posteria::uq::shuffled;
use posteria::uq::verdict::Diagnostics;

use super::device::DeviceArgument;
use super::progress::Progress;
use super::sample::BATCH;
use super::trained::{Trained, test_pairs};
use super::{Ended, Result, interrupt, output};

/// Judge posteriors: calibration, coverage, scores, and the distance from the exact posterior where it is known.
///
/// Of a run: its model, by its test pairs; writes RUN/diagnostics.json and RUN/calibration.json. Of a file: any draws in it
/// (`samples`, `[observation, draw, …]`) against the `truth`, in the cells where `fixed` is NaN where there is such an array.
#[derive(Args)]
pub struct Diagnose {
    /// The folder of a run, or an HDF5 file with samples and truth.
    what: PathBuf,
    /// Test pairs, at most; those of the problem where nothing is said.
    #[arg(long)]
    pairs: Option<usize>,
    /// Draws for each.
    #[arg(long)]
    draws: Option<usize>,
    /// Draws held in memory at a time.
    #[arg(long, default_value_t = BATCH)]
    batch: usize,
    /// Where to write the numbers, as JSON, instead of RUN/diagnostics.json.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
}

impl Diagnose {
    pub fn execute(self) -> Result {
        if self.batch == 0 {
            bail!("--batch 0: give the number of draws to hold in memory, such as {BATCH}");
        }
        if let Some(output) = &self.output {
            output::check(output, &["json"], &[&self.what.to_string_lossy()])?;
        }
        let device = self.device.open()?;
        let is_plain = self.pairs.is_none() && self.draws.is_none();
        if self.what.is_file() {
            if !is_plain {
                bail!("--pairs and --draws are for runs: the draws of a file are all judged");
            }
            return file(&self.what, self.output.as_deref());
        }
        let trained = Trained::open(&self.what, &device)?;
        let Some(run) = trained.run.clone() else {
            bail!("{} is a model, not a run: judging it takes test pairs", self.what.display());
        };
        let _lock = run.lock()?;
        let problem = trained.problem()?;
        let exact = problem.as_ref().map(Problem::exact).transpose()?.flatten();
        let mut evaluation = problem.map_or_else(Evaluation::default, |problem| problem.evaluation);
        evaluation.pairs = self.pairs.unwrap_or(evaluation.pairs);
        evaluation.draws = self.draws.unwrap_or(evaluation.draws);
        if let Some(output) = &self.output {
            let Some(diagnosis) = judge(&trained, &run, exact.as_deref(), &evaluation, self.batch)? else {
                return Ok(Ended::Interrupted);
            };
            return tell(&verdict(&diagnosis, &evaluation), Some(output));
        }
        if !is_plain {
            bail!("{} is judged as its problem says: name another file with -o", run.diagnostics().display());
        }
        model(&trained, &run, exact.as_deref(), &evaluation, self.batch)
    }
}

/// Judges the model of a run, into its folder.
pub fn model(
    trained: &Trained,
    run: &RunFolder,
    exact: Option<&dyn ExactPosterior>,
    evaluation: &Evaluation,
    at_once: usize,
) -> Result {
    let Some(diagnosis) = judge(trained, run, exact, evaluation, at_once)? else {
        return Ok(Ended::Interrupted);
    };
    run.discard_report()?;
    let mut verdict = verdict(&diagnosis, evaluation);
    if let Some(judgement) = verdict.judgement.as_mut().filter(|judgement| judgement.wants_advice()) {
        let log = run.training_log();
        let entries = if log.exists() { posteria::train::read_log(&log)? } else { Vec::new() };
        judgement.advice = advice(entries.iter().map(|entry| (entry.step, entry.nll, entry.validation)));
    }
    run.write_judgement(&serde_json::to_vec_pretty(&verdict)?, &serde_json::to_vec_pretty(&diagnosis.calibration)?)?;
    tell(&verdict, None)
}

fn judge(
    trained: &Trained,
    run: &RunFolder,
    exact: Option<&dyn ExactPosterior>,
    evaluation: &Evaluation,
    at_once: usize,
) -> anyhow::Result<Option<Diagnosis>> {
    let pairs = test_pairs(run)?;
    let seed = trained.model.provenance().seed;
    let judging = Judging { seed, pairs: evaluation.pairs.min(pairs.len()), draws: evaluation.draws, at_once };
    let total = (judging.pairs as u64).saturating_mul(judging.draws as u64);
    let mut progress = Progress::new("diagnose", "draws", total, 0);
    let diagnosis = diagnose_model(&trained.model, &pairs, exact, &judging, &mut |done| {
        let rate = progress.rate(done as u64);
        progress.say(format!("{rate:.0} draws/s"));
        progress.at(done as u64);
        !interrupt::asked()
    })?;
    let Some(mut diagnosis) = diagnosis else { return Ok(None) };
    progress.finish(&format!("{} pairs, {} draws each", judging.pairs, judging.draws));
    let without = run.shuffled();
    if without.is_trained()
        && let Some(own) = diagnosis.metrics.get("nll_nats_per_dim").map(|measured| measured.value)
    {
        let model = Model::load(&without.model(), trained.model.device())?;
        let nll = shuffled::nll_nats_per_dim(&model, &pairs, judging.pairs)?;
        measure(&mut diagnosis.metrics, GAIN, nll - own, "nat");
    }
    Ok(Some(diagnosis))
}

/// Prints a verdict, and writes it where that is wanted.
fn tell(verdict: &Diagnostics, output: Option<&Path>) -> Result {
    if let Some(output) = output {
        io::replace(output, serde_json::to_string_pretty(verdict)?.as_bytes())?;
    }
    print(verdict);
    Ok(Ended::Done)
}

/// Judges the draws in a file.
fn file(path: &Path, output: Option<&Path>) -> Result {
    tell(&verdict(&diagnose_file(path)?, &Evaluation::default()), output)
}

/// What a model has learned from observations.
const GAIN: &str = "nll_gain_over_shuffled";

/// The numbers and what the problem accepts of them. A metric that the problem names and nobody measured fails.
fn verdict(diagnosis: &Diagnosis, evaluation: &Evaluation) -> Diagnostics {
    let mut diagnostics = Diagnostics { judgement: Some(diagnosis.judgement.clone()), ..Diagnostics::default() };
    let accept = |name: &str| evaluation.accept.get(name).map_or([None; 2], |interval| [interval.least, interval.most]);
    for (name, measured) in &diagnosis.metrics {
        diagnostics.judge(name, measured.value, &measured.unit, accept(name));
    }
    // Without a shuffled training there is nothing to compare with, and nothing to judge.
    let unmeasured = |name: &&String| !diagnosis.metrics.contains_key(*name) && *name != GAIN;
    for name in evaluation.accept.keys().filter(unmeasured) {
        diagnostics.judge(name, f64::NAN, "1", accept(name));
    }
    diagnostics
}

/// A table on the standard output.
pub fn print(diagnostics: &Diagnostics) {
    let width = diagnostics.metrics.keys().map(String::len).max().unwrap_or(0);
    for (name, metric) in &diagnostics.metrics {
        let value = metric.value.map_or("not a number".into(), io::number);
        let bound = |bound: Option<f64>| bound.map_or("…".into(), |bound| bound.to_string());
        let [low, high] = metric.accept;
        let verdict = match metric.is_judged() {
            false => String::new(),
            true => format!(
                "  [{}, {}] {}",
                bound(low),
                bound(high),
                if metric.pass == Some(true) { "pass" } else { "FAIL" }
            ),
        };
        let unit = if metric.unit == "1" { "" } else { &metric.unit };
        output::print(&format!("{name:<width$}  {value:>12} {unit:<4}{verdict}\n"));
    }
    for line in diagnostics.judgement.iter().flat_map(Judgement::headline) {
        output::print(&format!("verdict   {line}\n"));
    }
}

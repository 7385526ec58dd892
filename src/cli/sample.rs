use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use posteria::io::Rows;
use posteria::model::likeness::Likeness;
use posteria::posterior::amortized::{Listener, ObservationFile, Observations, Reference, Sampling, write_posteriors};
use posteria::posterior::exact::ExactPosterior;
use posteria::problem::{Evaluation, Problem, RunFolder};
use posteria::uq::best_classical;

use super::device::DeviceArgument;
use super::progress::Progress;
use super::trained::{Trained, test_pairs};
use super::{Ended, Result, interrupt, likeness, output};

/// Draws held in memory at a time, where nothing else is said.
pub const BATCH: usize = 256;
/// Test pairs that decide which classical image is shown, where the truth of those shown has no say.
const JUDGES: usize = 8;

/// Sample the posterior of observations: mean, variance, standard deviation, quantiles and draws, as HDF5.
///
/// Without OBSERVATIONS: the first test observations of the run, into RUN/posterior.h5.
#[derive(Args)]
pub struct Sample {
    /// The folder of a run, or of a model.
    run: PathBuf,
    /// file.h5:/dataset or file.npy: one observation, or several along a first axis.
    #[arg(requires = "output")]
    observations: Option<String>,
    /// The images that made the observations, where they are known: their log-density is written beside the maps.
    #[arg(long, value_name = "FILE", requires = "observations")]
    truth: Option<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draws an observation.
    #[arg(long)]
    draws: Option<usize>,
    /// How many of them are kept in the file.
    #[arg(long, value_name = "DRAWS")]
    keep: Option<usize>,
    /// Probabilities of the quantile maps.
    #[arg(long, value_delimiter = ',', value_name = "LEVELS")]
    quantiles: Option<Vec<f64>>,
    /// Draws held in memory at a time.
    #[arg(long, default_value_t = BATCH)]
    batch: usize,
    /// Of the latent draws.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    device: DeviceArgument,
}

impl Sample {
    pub fn execute(self) -> Result {
        let inputs: Vec<&str> = self.observations.iter().chain(&self.truth).map(String::as_str).collect();
        if let Some(output) = &self.output {
            output::check(output, output::HDF5, &inputs)?;
        }
        let trained = Trained::open(&self.run, &self.device.open()?)?;
        let problem = trained.problem()?;
        let exact = problem.as_ref().map(Problem::exact).transpose()?.flatten();
        let defaults = problem.map_or_else(Evaluation::default, |problem| problem.evaluation);
        let is_plain = self.draws.is_none() && self.keep.is_none() && self.quantiles.is_none() && self.seed.is_none();
        let sampling = Sampling {
            seed: self.seed.unwrap_or(trained.model.provenance().seed),
            draws: self.draws.unwrap_or(defaults.draws),
            kept_draws: self.keep.unwrap_or(defaults.kept_draws),
            quantiles: self.quantiles.unwrap_or(defaults.quantiles),
            at_once: self.batch,
        };
        if let (Some(spec), Some(output)) = (&self.observations, &self.output) {
            let y = Rows::open_preferring(spec, &["y", "observation"])?;
            let truth = self.truth.as_deref().map(|spec| Rows::open_preferring(spec, &["x", "truth"])).transpose()?;
            let observations = ObservationFile::new(&trained.model, y, truth)?;
            let count = observations.count();
            let reference = exact.as_deref().map(Reference::Exact);
            let mut likenesses = Vec::new();
            let ended = sample(&trained, reference, &observations, count, &sampling, &mut likenesses, output);
            likeness::tell(&trained.model, &likenesses);
            return ended;
        }
        let Some(run) = &trained.run else {
            bail!("{} is a model, not a run: name observations and an output file", self.run.display());
        };
        let (count, _lock) = (defaults.observations, run.lock()?);
        if let Some(output) = &self.output {
            return test_observations(&trained, run, exact.as_deref(), count, &sampling, output);
        }
        if !is_plain {
            bail!("{} is sampled as its problem says: name another file with -o", run.posterior().display());
        }
        run.discard_report()?;
        test_observations(&trained, run, exact.as_deref(), count, &sampling, &run.posterior())
    }
}

/// Posteriors of the first test observations of a run, beside the exact ones or the best classical image.
pub fn test_observations(
    trained: &Trained,
    run: &RunFolder,
    exact: Option<&dyn ExactPosterior>,
    count: usize,
    sampling: &Sampling,
    output: &Path,
) -> Result {
    let pairs = test_pairs(run)?;
    let count = count.min(pairs.len());
    let classical = match exact {
        Some(_) => None,
        None => best_classical(&trained.model, &pairs, count..pairs.len().min(count + JUDGES))?,
    };
    let reference = exact.map(Reference::Exact).or(classical.as_ref().map(Reference::Classical));
    sample(trained, reference, &pairs, count, sampling, &mut Vec::new(), output)
}

fn sample(
    trained: &Trained,
    reference: Option<Reference<'_>>,
    observations: &dyn Observations,
    count: usize,
    sampling: &Sampling,
    likenesses: &mut Vec<Likeness>,
    output: &Path,
) -> Result {
    let total = (count as u64).saturating_mul(sampling.draws as u64);
    let mut progress = Progress::new("sample", "draws", total, 0);
    let mut at = |done| {
        let rate = progress.rate(done as u64);
        progress.say(format!("{rate:.0} draws/s"));
        progress.at(done as u64);
        !interrupt::asked()
    };
    let (model, listener) = (&trained.model, Listener { likenesses, progress: &mut at });
    let all = write_posteriors(output, model, observations, 0..count, reference, sampling, listener)?;
    if !all {
        return Ok(Ended::Interrupted);
    }
    let rate = progress.rate(total);
    progress.finish(&format!(
        "{count} observations, {} draws each, {rate:.0} draws/s, in {}",
        sampling.draws,
        output.display()
    ));
    Ok(Ended::Done)
}

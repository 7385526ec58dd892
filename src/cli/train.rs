use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use burn::tensor::Device;
use clap::Args;
use posteria::model::Model;
use posteria::problem::{Experiment, ExperimentBatches, RunFolder, Set};
use posteria::train::{Batches, Entry, Observer, Outcome, PairSource, Task, first_pairs, train};

use super::device::DeviceArgument;
use super::experiment::ExperimentArguments;
use super::progress::Progress;
use super::{Ended, Result, interrupt};

/// Pairs that normalisation and the data-dependent start are taken from.
const FIRST_PAIRS: usize = 512;

/// Train a model on a problem: RUN/model.
///
/// Goes on from the last checkpoint, with the same numbers as if it had never been stopped.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Training pairs: a file, a folder of shards or a pattern with *, instead of RUN/pairs/training.
    #[arg(long, value_name = "PAIRS")]
    pairs: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
}

impl Train {
    pub fn execute(self) -> Result {
        let device = self.device.open()?;
        let (experiment, folder) = self.experiment.open()?;
        if folder.is_trained() {
            eprintln!("train     {} is trained; delete it to train again", folder.model().display());
            return Ok(Ended::Done);
        }
        let pairs = self.pairs.unwrap_or_else(|| folder.pairs(Set::Training));
        if experiment.problem().training.source == PairSource::Stored && !pairs.exists() && !has_pattern(&pairs) {
            bail!("no pairs in {}: give `posteria simulate` first, or name pairs with --pairs", pairs.display());
        }
        model(&experiment, &folder, &pairs, &device)
    }
}

fn has_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains('*')
}

/// Trains the model of an experiment into its folder.
pub fn model(experiment: &Experiment, folder: &RunFolder, pairs: &Path, device: &Device) -> Result {
    folder.discard_results()?;
    let (problem, training) = (experiment.problem(), experiment.problem().training.clone());
    let batches: Arc<dyn Batches> = Arc::new(ExperimentBatches::new(experiment, pairs)?);
    let (x, y) = first_pairs(&*batches, FIRST_PAIRS)?;
    let info = experiment.pairs_info(posteria::io::NoiseTag::Included)?;
    let operator = Some(problem.operator.clone());
    let (x_shape, y_shape) = (experiment.x_shape(), experiment.y_shape());
    let model = Model::new(problem.model_config(), operator, x_shape, y_shape, problem.seed, device)?
        .describe(info.x, info.y, info.provenance)
        .fit(&x, &y)?;
    let held_out = training.validation_pairs as u64;
    let (x, mut y) = experiment.clean_pairs(Set::Validation, 0..held_out)?;
    experiment.add_noise(Set::Validation, 0, &mut y);
    let floor = experiment.exact().map(|exact| exact.entropy_per_dim());
    let mut watch = Watch { progress: None, steps: training.steps, batch: training.batch, floor, validation: None };
    let task = Task { model, batches, validation: (x, y), training };
    match train(task, folder.root(), device, &mut watch)? {
        Outcome::Interrupted { .. } => Ok(Ended::Interrupted),
        Outcome::Finished { steps, validation } => {
            if let Some(progress) = watch.progress {
                progress
                    .finish(&format!("{steps} steps, validation {validation:.4} nats per dimension{}", beside(floor)));
            }
            Ok(Ended::Done)
        }
    }
}

fn beside(floor: Option<f64>) -> String {
    floor.map(|floor| format!(", exact floor {floor:.4}")).unwrap_or_default()
}

/// Shows a run and stops it at Ctrl-C.
struct Watch {
    progress: Option<Progress>,
    steps: u64,
    batch: usize,
    floor: Option<f64>,
    validation: Option<f64>,
}

impl Observer for Watch {
    fn step(&mut self, done: u64, nll: f64) {
        let progress = self.progress.get_or_insert_with(|| Progress::new("train", "steps", self.steps, done - 1));
        let rate = progress.rate(done) * self.batch as f64;
        let validation = self.validation.map(|v| format!(", validation {v:.4}")).unwrap_or_default();
        progress.say(format!("loss {nll:.4}{validation}{}  {rate:.0} pairs/s", beside(self.floor)));
        progress.at(done);
    }

    fn validated(&mut self, entry: &Entry) {
        self.validation = Some(entry.validation);
    }

    fn wants_to_stop(&self) -> bool {
        interrupt::asked()
    }
}

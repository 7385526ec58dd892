use std::sync::Arc;

use anyhow::bail;
use burn::tensor::Device;
use bytesize::ByteSize;
use clap::Args;
use posteria::flow::Plan;
use posteria::model::Model;
use posteria::problem::cost::peak_memory;
use posteria::problem::{Experiment, ExperimentBatches, RunFolder, Set};
use posteria::train::{
    Batches, Entry, Observer, Outcome, PairSource, Shuffled, Task, Training, first_pairs, of_the_next, train,
};

use super::device::DeviceArgument;
use super::experiment::{ExperimentArguments, Opened};
use super::interrupt::{self, Listening};
use super::memory::MemoryArgument;
use super::progress::Progress;
use super::{Ended, Result, output, pairs, simulate};

/// Pairs that normalisation and the data-dependent start are taken from: as many as make so many numbers, within limits.
const FIRST_NUMBERS: usize = 1 << 20;

/// Train a model on a problem: RUN/model.
///
/// Goes on from the last checkpoint, with the same numbers as if it had never been stopped.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    experiment: ExperimentArguments,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    memory: MemoryArgument,
    /// Each x with the y of another pair, into RUN/shuffled: what the same model knows without observations. `diagnose` then
    /// reports nll_gain_over_shuffled.
    #[arg(long)]
    shuffled: bool,
}

/// Which y belongs to an x.
#[derive(Clone, Copy, PartialEq)]
pub enum Pairing {
    /// Its own.
    Own,
    /// That of another pair.
    Shuffled,
}

impl Train {
    pub fn execute(self) -> Result {
        let device = self.device.open()?;
        let Opened { experiment, folder, .. } = &self.experiment.open()?;
        let (pairing, target) = match self.shuffled {
            true => (Pairing::Shuffled, folder.shuffled()),
            false => (Pairing::Own, folder.clone()),
        };
        if target.is_trained() {
            output::note(&format!("train     {} is trained; delete it to train again", target.model().display()));
            return Ok(Ended::Done);
        }
        let stored = folder.pairs(Set::Training);
        let stores = !experiment.has_own_pairs() && experiment.problem().training.source == PairSource::Stored;
        if stores && !stored.exists() {
            bail!("no pairs in {}: give `posteria simulate` first", stored.display());
        }
        if let Ended::Interrupted = pairs::of_run(experiment, folder)? {
            return Ok(Ended::Interrupted);
        }
        // What is held out of the user's files is what the model is not trained on: the run keeps it from the start.
        if experiment.has_own_pairs()
            && let Ended::Interrupted = simulate::pairs(experiment, folder)?
        {
            return Ok(Ended::Interrupted);
        }
        model(experiment, folder, pairing, &device, self.memory.plan())
    }
}

/// Relative error of recomputation at which gradients begin to suffer.
const ALARMING: f64 = 1e-3;

/// Trains the model of an experiment into its folder, or into that of its shuffled observations.
pub fn model(experiment: &Experiment, folder: &RunFolder, pairing: Pairing, device: &Device, plan: Plan) -> Result {
    let training = experiment.problem().training.clone();
    if pairing == Pairing::Shuffled {
        can_be_shuffled(&training)?;
    }
    let mut batches: Arc<dyn Batches> = Arc::new(ExperimentBatches::new(experiment, &folder.pairs(Set::Training))?);
    let mut validation = experiment.noisy_pairs(Set::Validation, 0..training.validation_pairs as u64)?;
    // The folder of shuffled observations is a run like any other, which can be watched and drawn.
    let shuffled = folder.shuffled();
    let (target, _lock) = match pairing {
        Pairing::Own => {
            folder.discard_results()?;
            (folder, None)
        }
        Pairing::Shuffled => {
            folder.discard_diagnostics()?;
            batches = Arc::new(Shuffled(batches));
            validation.1 = of_the_next(&validation.1);
            let lock = shuffled.lock()?;
            shuffled.claim(experiment.problem())?;
            (&shuffled, Some(lock))
        }
    };
    let model = fresh(experiment, &*batches, device)?;
    let floor = experiment.exact().map(|exact| target.floor(exact));
    let mut watch = Watch {
        progress: None,
        steps: training.steps,
        batch: training.batch,
        floor,
        validation: None,
        _listening: Listening::new(),
    };
    let task = Task { model, batches, validation, training, plan };
    match train(task, target.root(), device, &mut watch)? {
        Outcome::Interrupted { .. } => Ok(Ended::Interrupted),
        Outcome::Finished { steps, validation } => {
            if let Some(progress) = watch.progress {
                let (floor, memory) = (beside(floor), memory());
                progress
                    .finish(&format!("{steps} steps, validation {validation:.4} nats per dimension{floor}{memory}"));
            }
            Ok(Ended::Done)
        }
    }
}

/// An error where some pair would be left with its own observation.
fn can_be_shuffled(training: &Training) -> anyhow::Result<()> {
    let counts = [("batch", training.batch), ("validation_pairs", training.validation_pairs)];
    match counts.into_iter().find(|(_, count)| *count < 2) {
        Some((key, _)) => {
            bail!("training.{key} = 1: each x gets the observation of another pair; give two pairs or more")
        }
        None => Ok(()),
    }
}

/// The model of an experiment before its first step, fitted to the first pairs.
pub fn fresh(experiment: &Experiment, batches: &dyn Batches, device: &Device) -> anyhow::Result<Model> {
    let problem = experiment.problem();
    let numbers: usize = experiment.x_shape().iter().product();
    let (x, y) = first_pairs(batches, (FIRST_NUMBERS / numbers).clamp(16, 512))?;
    let info = experiment.pairs_info(posteria::io::NoiseTag::Included)?;
    Ok(experiment.model(device)?.describe(info.x, info.y, problem.provenance()?).fit(&x, &y)?)
}

fn beside(floor: Option<f64>) -> String {
    floor.map(|floor| format!(", exact floor {floor:.4}")).unwrap_or_default()
}

/// The most memory of this process, where the system tells.
fn memory() -> String {
    peak_memory().map(|bytes| format!("; {} of memory at most", ByteSize(bytes))).unwrap_or_default()
}

/// Shows a run and stops it at Ctrl-C.
struct Watch {
    progress: Option<Progress>,
    steps: u64,
    batch: usize,
    floor: Option<f64>,
    validation: Option<f64>,
    /// Also while the first step is not done.
    _listening: Listening,
}

impl Observer for Watch {
    fn step(&mut self, done: u64, nll: f64) {
        let progress = self.progress.get_or_insert_with(|| Progress::new("train", "steps", self.steps, done - 1));
        let rate = progress.rate(done) * self.batch as f64;
        let validation = self.validation.map(|v| format!(", validation {v:.4}")).unwrap_or_default();
        progress.say(format!("{rate:.0} pairs/s, loss {nll:.4}{validation}{}", beside(self.floor)));
        progress.at(done);
    }

    fn validated(&mut self, entry: &Entry) {
        self.validation = Some(entry.validation);
        if entry.reconstruction_error > ALARMING
            && let Some(progress) = &mut self.progress
        {
            let (step, error) = (entry.step, entry.reconstruction_error);
            progress.warn(&format!(
                "step {step}: the inverse misses its input by {error:.1e}, and gradients with it; use fewer steps or a smaller bound"
            ));
        }
    }

    fn compared(&mut self, done: usize, total: usize) {
        let steps = self.steps;
        let progress = self.progress.get_or_insert_with(|| Progress::new("train", "steps", steps, steps));
        progress.say(format!("{done} of {total} held-out records looked at"));
        progress.at(steps);
    }

    fn wants_to_stop(&self) -> bool {
        interrupt::asked()
    }
}

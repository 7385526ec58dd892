use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use ndarray::{ArrayD, Axis};

use crate::flow::{ParameterGradients, Plan};
use crate::io::{self, folder};
use crate::model::Model;
use crate::train::batches::prefetch;
use crate::train::checkpoint::{Checkpoint, Progress};
use crate::train::log::{Entry, Log, Since, read_log};
use crate::train::optimiser::Norm;
use crate::train::{Batches, Optimiser, TrainError, Training, learning_rate};

/// Validation pairs computed together.
const AT_ONCE: usize = 16;
const OTHER_MEMORY: &str = "this training was begun with another --memory: by rounding alone, its numbers will differ from \
    those of a training that keeps it";

/// Who watches a run, and may stop it.
pub trait Observer {
    /// After every step: steps done, loss of this step in nats per dimension.
    fn step(&mut self, done: u64, nll: f64);
    /// After every validation.
    fn validated(&mut self, entry: &Entry);
    /// At the end, while the model is shown records that it was not trained on: so many of as many at most.
    fn compared(&mut self, _done: usize, _total: usize) {}
    /// Asked after every step, and then: true ends the run with a checkpoint.
    fn wants_to_stop(&self) -> bool;
    /// Told what is worth knowing and no reason to stop.
    fn warn(&mut self, _what: &str) {}
}

/// Nobody watches.
pub struct Silent;

impl Observer for Silent {
    fn step(&mut self, _done: u64, _nll: f64) {}
    fn validated(&mut self, _entry: &Entry) {}
    fn wants_to_stop(&self) -> bool {
        false
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The model is in `RUN/model`; it had this validation loss in nats per dimension.
    Finished {
        /// Steps done, fewer than planned where training stopped early.
        steps: u64,
        /// The best validation loss.
        validation: f64,
    },
    /// Stopped by the observer; a checkpoint has everything.
    Interrupted {
        /// Steps done.
        steps: u64,
    },
}

/// What is trained on what.
pub struct Task {
    /// The model before the first step, fitted to data; a resumed run takes its weights from the checkpoint.
    pub model: Model,
    /// Training pairs, by step.
    pub batches: Arc<dyn Batches>,
    /// x and y held out while training.
    pub validation: (ArrayD<f32>, ArrayD<f32>),
    /// How it is trained.
    pub training: Training,
    /// What the gradient of a step may keep; its lanes share it.
    pub plan: Plan,
}

/// Trains a model into the folder `run`, which is made where it is missing, from the checkpoint there where there is one.
///
/// At the end the model is shown records that are in no batch, see [`Model::beside`].
///
/// Writes `run/model`, `run/training.jsonl`, and while it works `run/checkpoint`. What is validated and kept is the moving
/// average of the weights; the best of all validations becomes the model.
///
/// # Errors
/// Data that cannot be read, or is other than that of the checkpoint; a loss or gradient that is not finite (the last
/// checkpoint is kept), a full disk.
pub fn train(task: Task, run: &Path, device: &Device, observer: &mut dyn Observer) -> Result<Outcome, TrainError> {
    let Task { model: fresh, batches, validation, training, plan } = task;
    training.validate()?;
    io::create_folder(run)?;
    let (checkpoint, log) = (run.join("checkpoint"), run.join("training.jsonl"));
    let (mut state, entries) = if folder::exists(&checkpoint) {
        let mut kept = Checkpoint::load(&checkpoint, &fresh, device)?;
        if !kept.progress.fitted.agrees_with(&fresh.fitted()) {
            return Err(TrainError::OtherPairs { path: checkpoint });
        }
        if kept.progress.memory.is_some_and(|before| before != plan.bytes() as u64) {
            observer.warn(OTHER_MEMORY);
        }
        let entries = match kept.log.take() {
            Some(entries) => entries,
            None if log.exists() => read_log(&log)?.into_iter().filter(|e| e.step <= kept.progress.step).collect(),
            None => Vec::new(),
        };
        (State::resume(kept, &training), entries)
    } else {
        (State::start(fresh, &training), Vec::new())
    };
    state.progress.memory = Some(plan.bytes() as u64);
    let mut log = Log::begin(&log, entries)?;
    let mut kept = state.progress.step;

    let stream = prefetch(batches.clone(), state.progress.step..training.steps);
    while state.progress.step < training.steps && !state.is_exhausted(&training) {
        let batch = stream.recv().map_err(|_| TrainError::Worker)??;
        let kept_now = match kept {
            0 => "there is no checkpoint yet".to_string(),
            step => format!("the checkpoint of step {step} is kept"),
        };
        let at = batch.step + 1;
        let not_finite = |what: String| TrainError::NotFinite { step: at, what, kept: kept_now.clone() };
        let visit = batch.step * batch.x.len_of(Axis(0)) as u64;
        let gradient = state.model.gradient(&batch.x, &batch.y, visit, plan.in_lanes(training.lanes));
        let gradient = gradient.map_err(|source| TrainError::Step { step: at, source, kept: kept_now.clone() })?;
        let pairs = batch.x.shape()[0] as f64;
        let nll = gradient.nll.iter().sum::<f64>() / (pairs * state.model.dimension() as f64);
        let parameters = gradient.parameters.scale(1.0 / pairs);
        let norm = match Optimiser::norm(&state.model, &parameters)? {
            Norm::Finite(norm) if nll.is_finite() => norm,
            Norm::Finite(_) => return Err(not_finite("the loss".into())),
            Norm::NotFinite(path) => return Err(not_finite(format!("the loss or the gradient of {path}"))),
        };
        state.step(&parameters, norm, learning_rate(&training, batch.step), training.average)?;
        state.progress.since_entry.add(nll, norm, gradient.reconstruction_error);
        let done = state.progress.step;
        observer.step(done, nll);
        if done.is_multiple_of(training.validate_every) || done == training.steps {
            let value = validation_loss(&state.average, &validation)?;
            if !value.is_finite() {
                return Err(not_finite("the validation loss".into()));
            }
            let entry = state.progress.since_entry.entry(done, value, learning_rate(&training, batch.step));
            state.judge(value);
            observer.validated(&entry);
            log.add(entry)?;
            state.progress.since_entry = Since::default();
        }
        let stop = observer.wants_to_stop();
        if done.is_multiple_of(training.checkpoint_every) || stop {
            state.checkpoint(log.on_disk()?).save(&checkpoint)?;
            kept = done;
        }
        if stop && done < training.steps {
            return Ok(Outcome::Interrupted { steps: done });
        }
    }
    let Some(best) = beside_held_out(&state.best, &*batches, &validation.1, &training, observer)? else {
        state.checkpoint(log.on_disk()?).save(&checkpoint)?;
        return Ok(Outcome::Interrupted { steps: state.progress.step });
    };
    log.finish()?;
    best.save(&run.join("model"))?;
    folder::remove(&checkpoint)?;
    let validation = state.progress.best.unwrap_or(f64::NAN);
    Ok(Outcome::Finished { steps: state.progress.step, validation })
}

/// Held-out records that a model is shown, the fewest and the most where there are as many.
const HELD_OUT: [usize; 2] = [200, 1000];
/// Numbers of x and y of all of them together, at most: volumes take long to draw.
const HELD_OUT_NUMBERS: usize = 1 << 23;
/// Pairs that a model is trained on for each held-out record: looking at one takes about as long as training on two.
const TRAINED_A_RECORD: u64 = 8;

/// The model knowing what held-out records are like; none where the observer stops it.
fn beside_held_out(
    model: &Model,
    batches: &dyn Batches,
    validation: &ArrayD<f32>,
    training: &Training,
    observer: &mut dyn Observer,
) -> Result<Option<Model>, TrainError> {
    let numbers: usize = [model.x_shape(), model.y_shape()].into_iter().map(|s| s.iter().product::<usize>()).sum();
    let trained = training.steps.saturating_mul(training.batch as u64) / TRAINED_A_RECORD;
    let total = (trained as usize).clamp(HELD_OUT[0], HELD_OUT[1]).min((HELD_OUT_NUMBERS / numbers.max(1)).max(64));
    let held_out = |index: u64| batches.held_out(index).map_err(|source| TrainError::HeldOut { index, source });
    let mut made = (0..total as u64).map_while(|index| held_out(index).transpose()).peekable();
    let mut kept = validation.axis_iter(Axis(0)).take(total).map(|y| Ok(y.to_owned().insert_axis(Axis(0))));
    let records: &mut dyn Iterator<Item = _> = if made.peek().is_some() { &mut made } else { &mut kept };
    model.clone().beside(records, &mut |done| {
        observer.compared(done, total);
        !observer.wants_to_stop()
    })
}

/// Nats per dimension of held-out pairs.
fn validation_loss(model: &Model, (x, y): &(ArrayD<f32>, ArrayD<f32>)) -> Result<f64, TrainError> {
    let pairs = x.shape()[0];
    let mut sum = 0.0;
    for first in (0..pairs).step_by(AT_ONCE) {
        let range = first..(first + AT_ONCE).min(pairs);
        let part = |array: &ArrayD<f32>| array.slice_axis(Axis(0), range.clone().into()).to_owned();
        sum -= model.log_prob(&part(x), &part(y))?.iter().sum::<f64>();
    }
    Ok(sum / (pairs * model.dimension()) as f64)
}

/// A run between two steps.
struct State {
    model: Model,
    average: Model,
    best: Model,
    optimiser: Optimiser,
    progress: Progress,
}

impl State {
    fn start(model: Model, training: &Training) -> Self {
        let since_entry = Since::default();
        let progress =
            Progress { step: 0, best: None, since_best: 0, since_entry, fitted: model.fitted(), memory: None };
        let optimiser = Optimiser::new(training);
        Self { average: model.clone(), best: model.clone(), model, optimiser, progress }
    }

    fn resume(checkpoint: Checkpoint, training: &Training) -> Self {
        let Checkpoint { progress, models: [model, average, best], moments, log: _ } = checkpoint;
        Self { model, average, best, optimiser: Optimiser::resume(training, moments), progress }
    }

    fn checkpoint(&self, log: &[Entry]) -> Checkpoint {
        let models = [self.model.clone(), self.average.clone(), self.best.clone()];
        Checkpoint {
            progress: self.progress.clone(),
            models,
            moments: self.optimiser.moments(),
            log: Some(log.to_vec()),
        }
    }

    fn step(&mut self, gradient: &ParameterGradients, norm: f64, rate: f64, decay: f64) -> Result<(), TrainError> {
        self.model = self.optimiser.step(self.model.clone(), gradient, norm, rate)?;
        self.progress.step += 1;
        // The average of a young run is that of its few steps, not of its start.
        let step = self.progress.step as f64;
        let decay = decay.min((1.0 + step) / (10.0 + step));
        let mut values = self.model.parameters().into_iter().map(|(_, value)| value);
        self.average = self.average.clone().map_parameters(&mut |_, average| match values.next() {
            Some(value) => average * decay + value * (1.0 - decay),
            None => average,
        });
        Ok(())
    }

    fn judge(&mut self, validation: f64) {
        if self.progress.best.is_none_or(|best| validation < best) {
            self.progress.best = Some(validation);
            self.progress.since_best = 0;
            self.best = self.average.clone();
        } else {
            self.progress.since_best += 1;
        }
    }

    fn is_exhausted(&self, training: &Training) -> bool {
        training.patience > 0 && self.progress.since_best >= training.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{ConvolutionalConfig, GlowConfig};
    use crate::model::{ModelConfig, host};
    use burn::tensor::Tensor;

    fn constant(value: f64) -> Model {
        let conditioner = ConvolutionalConfig { hidden: 2, ..ConvolutionalConfig::default() };
        let network = GlowConfig { scales: 1, steps: 1, conditioner, ..GlowConfig::default() }.into();
        let config = ModelConfig { network, ..ModelConfig::default() };
        let model = Model::new(config, None, &[1, 2, 2], &[1, 2, 2], 1, &Device::flex()).unwrap();
        model.map_parameters(&mut |_, v| Tensor::full(v.dims(), value, &Device::flex()))
    }

    fn first(model: &Model) -> f64 {
        f64::from(host(model.parameters().swap_remove(0).1).unwrap()[0])
    }

    /// The decay of a young average is (1 + k) / (10 + k) at step k, so that its start is soon forgotten.
    #[test]
    fn the_average_follows_the_weights() {
        let mut state = State::start(constant(1.0), &Training::default());
        state.average = constant(0.0);
        let none = ParameterGradients::new();
        let mut expected = 0.0;
        for step in 1..=40 {
            state.step(&none, 0.0, 1e-3, 0.8).unwrap();
            let decay = (f64::from(1 + step) / f64::from(10 + step)).min(0.8);
            expected = expected * decay + (1.0 - decay);
            assert!((first(&state.average) - expected).abs() < 1e-5, "step {step}");
        }
        assert_eq!((first(&state.model), state.progress.step), (1.0, 40));
    }

    #[test]
    fn the_best_average_is_kept_and_patience_ends() {
        let training = Training { patience: 2, ..Training::default() };
        let mut state = State::start(constant(1.0), &training);
        let mut judge = |average: f64, validation| {
            state.average = constant(average);
            state.judge(validation);
            (first(&state.best), state.is_exhausted(&training))
        };
        assert_eq!(judge(1.0, 5.0), (1.0, false));
        assert_eq!(judge(2.0, 4.0), (2.0, false));
        assert_eq!(judge(3.0, 4.5), (2.0, false));
        assert_eq!(judge(4.0, 4.0), (2.0, true));
        assert_eq!(judge(5.0, 3.0), (5.0, false));
    }

    /// The first moment after one step is (1 − β₁) = 0.1 times the clipped gradient.
    #[test]
    fn a_gradient_beyond_the_bound_is_clipped_to_it() {
        let model = constant(1.0);
        let mut gradient = ParameterGradients::new();
        for (parameter, value) in model.parameters() {
            gradient.add_flat(parameter.id, value * 3.0);
        }
        let count: f64 = model.parameters().iter().map(|(_, value)| value.dims()[0] as f64).sum();
        let Norm::Finite(norm) = Optimiser::norm(&model, &gradient).unwrap() else { panic!("a finite gradient") };
        assert!((norm - 3.0 * count.sqrt()).abs() < 1e-6);
        for (clip, expected) in [(2.0 * norm, 0.3), (0.5 * norm, 0.15)] {
            let mut optimiser = Optimiser::new(&Training { clip, ..Training::default() });
            optimiser.step(model.clone(), &gradient, norm, 1e-3).unwrap();
            for moments in optimiser.moments().into_values() {
                assert!(host(moments.first).unwrap().iter().all(|v| (f64::from(*v) - expected).abs() < 1e-6));
            }
        }
        let (parameter, value) = model.parameters().swap_remove(1);
        gradient.add_flat(parameter.id, value * f64::NAN);
        assert_eq!(Optimiser::norm(&model, &gradient).unwrap(), Norm::NotFinite(parameter.path));
    }
}

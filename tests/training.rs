//! Training on batches that are not what they should be.

use burn::tensor::Device;
use ndarray::{ArrayD, Axis, IxDyn};
use posteria::flow::{ConvolutionalConfig, GlowConfig, Plan};
use posteria::model::likeness::HeldOut;
use posteria::model::{Model, ModelConfig, UnknownConfig};
use posteria::operator::{Noise, OperatorConfig};
use posteria::random::{Purpose, stream};
use posteria::train::{
    BatchError, Batches, Entry, Observer, Outcome, Silent, Task, Training, first_pairs, read_log, train,
};
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;
use std::sync::Arc;

/// y is x with noise; at one step, something goes wrong.
struct Noisy {
    /// Standard deviation of the noise.
    noise: f32,
    fault: Option<(u64, Fault)>,
}

#[derive(Clone, Copy)]
enum Fault {
    /// In y: found where it has made a gradient that is none.
    NotANumber,
    /// In x: found where it stands.
    ImpossibleUnknown,
    NoBatch,
}

impl Batches for Noisy {
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
        let mut rng = stream(1, Purpose::Prior, step);
        let mut draw = || ArrayD::<f32>::from_shape_simple_fn(IxDyn(&[4, 1, 4, 4]), || StandardNormal.sample(&mut rng));
        let (mut x, e) = (draw(), draw());
        let mut y = &x + &(e * self.noise);
        match self.fault {
            Some((at, Fault::NotANumber)) if at == step => y[[1, 0, 2, 3]] = f32::NAN,
            Some((at, Fault::ImpossibleUnknown)) if at == step => x[[1, 0, 2, 3]] = f32::NAN,
            Some((at, Fault::NoBatch)) if at == step => return Err("the disk is gone".into()),
            _ => {}
        }
        Ok((x, y))
    }
}

fn run(fault: Option<(u64, Fault)>, training: &Training, folder: &Path) -> Result<Outcome, String> {
    run_on(0.5, fault, training, folder)
}

fn run_on(noise: f32, fault: Option<(u64, Fault)>, training: &Training, folder: &Path) -> Result<Outcome, String> {
    let device = Device::flex();
    let conditioner = ConvolutionalConfig { hidden: 6, ..ConvolutionalConfig::default() };
    let network = GlowConfig { scales: 1, steps: 2, conditioner, ..GlowConfig::default() }.into();
    // Padding too: what fills it is the same after a restart.
    let unknown = UnknownConfig { padded: Some(vec![4, 6]), ..UnknownConfig::default() };
    let config = ModelConfig { network, unknown, ..ModelConfig::default() };
    let whole = Noisy { noise, fault: None };
    let (x, y) = first_pairs(&whole, 30).map_err(|e| e.to_string())?;
    assert_eq!(x.shape(), [32, 1, 4, 4]);
    let model = Model::new(config, None, &[1, 4, 4], &[1, 4, 4], 1, &device).unwrap().fit(&x, &y).unwrap();
    let validation = whole.batch(1 << 40).unwrap();
    let task = Task {
        model,
        batches: Arc::new(Noisy { noise, fault }),
        validation,
        training: training.clone(),
        plan: Plan::default(),
    };
    train(task, folder, &device, &mut Silent).map_err(|e| e.to_string())
}

fn settings() -> Training {
    Training { steps: 30, batch: 4, warm_up: 3, validate_every: 5, checkpoint_every: 10, ..Training::default() }
}

#[test]
fn a_number_that_is_none_stops_the_run_and_keeps_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, ill] = ["whole", "ill"].map(|name| dir.path().join(name));
    for folder in [&whole, &ill] {
        std::fs::create_dir(folder).unwrap();
    }
    run(None, &settings(), &whole).unwrap();
    for (fault, says) in [
        (Fault::NotANumber, "is not finite"),
        (Fault::ImpossibleUnknown, "at [0, 2, 3] is NaN"),
        (Fault::NoBatch, "the disk is gone"),
    ] {
        let error = run(Some((14, fault)), &settings(), &ill).unwrap_err();
        assert!(error.contains("step 15") && error.contains(says), "{error}");
        assert!(ill.join("checkpoint").is_dir() && !ill.join("model").exists());
    }
    let error = run(Some((14, Fault::NotANumber)), &settings(), &ill).unwrap_err();
    assert!(error.contains("checkpoint of step 10 is kept") && error.contains("layers."), "{error}");
    let error = run(Some((14, Fault::ImpossibleUnknown)), &settings(), &ill).unwrap_err();
    assert!(error.contains("checkpoint of step 10 is kept"), "{error}");
    run(None, &settings(), &ill).unwrap();
    let weights = |folder: &Path| std::fs::read(folder.join("model/model.safetensors")).unwrap();
    assert!(weights(&whole) == weights(&ill), "what went wrong left a trace");
    let error = run(Some((2, Fault::NotANumber)), &settings(), dir.path()).unwrap_err();
    assert!(error.contains("step 3") && error.contains("no checkpoint yet"), "{error}");
}

/// Weights of one set of pairs under the normalisation of another would be those of neither.
#[test]
fn a_checkpoint_of_other_pairs_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    run(Some((14, Fault::NoBatch)), &settings(), dir.path()).unwrap_err();
    let state = || std::fs::read(dir.path().join("checkpoint/state.json")).unwrap();
    let before = state();
    let error = run_on(0.6, None, &settings(), dir.path()).unwrap_err();
    assert!(error.contains("checkpoint") && error.contains("other pairs") && error.contains("--out"), "{error}");
    assert!(state() == before && !dir.path().join("model").exists());
    run(None, &settings(), dir.path()).unwrap();
}

#[test]
fn training_stops_early_when_validation_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let still = Training { learning_rate: 1e-30, final_learning_rate: 0.0, patience: 2, ..settings() };
    let outcome = run(None, &still, dir.path()).unwrap();
    assert!(matches!(outcome, Outcome::Finished { steps: 15, .. }), "{outcome:?}");
    let log = read_log(&dir.path().join("training.jsonl")).unwrap();
    assert_eq!(log.iter().map(|entry| entry.step).collect::<Vec<_>>(), [5, 10, 15]);
}

/// A batch has four pairs: no more lanes are used.
#[test]
fn lanes_beyond_the_batch_stand_empty() {
    let losses = |lanes: usize| {
        let dir = tempfile::tempdir().unwrap();
        run(None, &Training { lanes, ..settings() }, dir.path()).unwrap();
        let log = read_log(&dir.path().join("training.jsonl")).unwrap();
        log.into_iter().map(|entry| [entry.nll, entry.validation]).collect::<Vec<_>>()
    };
    assert_eq!(losses(9), losses(4));
}

#[test]
fn settings_that_train_nothing_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(None, &Training { lanes: 0, ..settings() }, dir.path()).unwrap_err();
    assert!(error.contains("training.lanes = 0") && error.contains("give 1 to"), "{error}");
}

/// Ninety records are held out.
struct HoldingOut(Noisy);

impl Batches for HoldingOut {
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
        self.0.batch(step)
    }

    fn held_out(&self, index: u64) -> Result<Option<ArrayD<f32>>, BatchError> {
        if index == 90 {
            return Ok(None);
        }
        let (_, y) = self.0.batch((1 << 41) + index)?;
        Ok(Some(y.slice_axis(Axis(0), (0..1).into()).to_owned()))
    }
}

/// Stops a training when it has looked at some of them.
struct StopsAt(usize, std::cell::Cell<bool>);

impl Observer for StopsAt {
    fn step(&mut self, _done: u64, _nll: f64) {}
    fn validated(&mut self, _entry: &Entry) {}
    fn compared(&mut self, done: usize, total: usize) {
        assert!(done <= 90 && total == 200);
        self.1.set(done >= self.0);
    }
    fn wants_to_stop(&self) -> bool {
        self.1.get()
    }
}

#[test]
fn a_training_that_is_stopped_among_its_held_out_records_ends_with_the_same_model() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| dir.path().join(name));
    let batches = || HoldingOut(Noisy { noise: 0.5, fault: None });
    let run = |folder: &Path, stop: usize| {
        let device = Device::flex();
        let conditioner = ConvolutionalConfig { hidden: 6, ..ConvolutionalConfig::default() };
        let network = GlowConfig { scales: 1, steps: 2, conditioner, ..GlowConfig::default() }.into();
        let config = ModelConfig { network, ..ModelConfig::default() };
        let (x, y) = first_pairs(&batches(), 30).unwrap();
        let model = Model::new(config, Some(OperatorConfig::Identity {}), &[1, 4, 4], &[1, 4, 4], 1, &device).unwrap();
        let model = model.with_noise(Some(Noise { sigma: 0.5 })).fit(&x, &y).unwrap();
        let validation = batches().batch(1 << 40).unwrap();
        let task = Task {
            model,
            batches: Arc::new(batches()),
            validation,
            training: Training { checkpoint_every: 100, ..settings() },
            plan: Plan::default(),
        };
        train(task, folder, &device, &mut StopsAt(stop, false.into())).unwrap()
    };
    assert!(matches!(run(&whole, usize::MAX), Outcome::Finished { steps: 30, .. }));
    assert_eq!(run(&stopped, 40), Outcome::Interrupted { steps: 30 });
    assert!(stopped.join("checkpoint").is_dir() && !stopped.join("model").exists());
    assert!(matches!(run(&stopped, usize::MAX), Outcome::Finished { steps: 30, .. }));
    for file in ["held_out.json", "model.json", "model.safetensors"] {
        let [a, b] = [&whole, &stopped].map(|folder| std::fs::read(folder.join("model").join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    let model = Model::load(&whole.join("model"), &Device::flex()).unwrap();
    assert_eq!(model.held_out().map(HeldOut::count), Some(90));
    // A record of training's kind, and one of another noise.
    let y = batches().held_out(5).unwrap().unwrap();
    assert!(!model.likeness(&y).unwrap().is_unlike());
    assert!(model.likeness(&y.mapv(|v| 4.0 * v)).unwrap().is_unlike());
}

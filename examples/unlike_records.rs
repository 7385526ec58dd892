//! Whether records unlike those of training are told, and ordinary ones are not.
//!
//!     cargo run --release --example unlike_records -- FOLDER [PROBLEM]
//!
//! Trains a small photoacoustic problem for a few seconds, then asks of 1,000 ordinary test records, and of 100 changed in
//! each of several ways, which of them the model finds unlike those of training. It fails where fewer than 95 of 100 changed
//! records are told, or more than 2 of 100 ordinary ones. With PROBLEM, `problems/photoacoustic/problem.toml` say, the quick
//! size of that problem is trained. A model that is in FOLDER/unlike_records already is taken.

use std::error::Error;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use ndarray::{ArrayD, Axis};
use posteria::flow::Plan;
use posteria::io::folder;
use posteria::model::Model;
use posteria::model::likeness::{FIRST_DRAWS, HeldOut, Likeness, Side, Standing};
use posteria::posterior::PosteriorError;
use posteria::posterior::amortized::{Listener, Observation, Observations, Sampling, write_posteriors};
use posteria::prior::PriorConfig;
use posteria::problem::{Experiment, ExperimentBatches, Problem, Set, Size};
use posteria::random::{Purpose, stream};
use posteria::train::{Silent, Task, first_pairs, train};
use rand::seq::SliceRandom;

const PROBLEM: &str = r#"
name = "small-photoacoustic"
[prior]
kind = "vessels"
shape = [32, 32]
texture = 0.02
grain = 0.02
[operator]
kind = "photoacoustic"
spacing = [1e-4, 1e-4]
sound_speed = 1500.0
time_step = 6.666666666666667e-8
first_time = 6.666666666666667e-8
times = 44
sensors = { kind = "line", count = 32, first = [-1e-4, 0.0], last = [-1e-4, 31e-4] }
[noise]
sigma = 0.02
[condition]
sources = ["adjoint"]
[network]
scales = 2
steps = 3
[network.conditioner]
hidden = 24
[training]
source = "on-the-fly"
steps = 250
warm_up = 20
validation_pairs = 32
validate_every = 125
"#;

/// Records asked for: ordinary ones, and of each change.
const ORDINARY: u64 = 1000;
const CHANGED: u64 = 100;

/// Images of other kinds than those trained on.
const OTHER_PRIORS: [(&str, &str); 3] = [
    ("images of vessels", r#"{ "kind": "vessels", "shape": SHAPE, "texture": 0.02, "grain": 0.02 }"#),
    ("images of ellipses", r#"{ "kind": "ellipses", "shape": SHAPE }"#),
    ("images of a Matérn field", r#"{ "kind": "matern", "shape": SHAPE, "smoothness": 1.5, "length": 4.0 }"#),
];

/// Records in memory.
struct Records(ArrayD<f32>);

impl Observations for Records {
    fn count(&self) -> usize {
        self.0.len_of(Axis(0))
    }

    fn truth_is_known(&self) -> bool {
        false
    }

    fn get(&self, index: usize) -> Result<Observation, PosteriorError> {
        let y = self.0.index_axis(Axis(0), index).to_owned().insert_axis(Axis(0));
        Ok(Observation { y, truth: None })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("unlike_records");
    let problem = match arguments.next() {
        Some(path) => Problem::read(Path::new(&path), Size::Quick)?,
        None => Problem::parse(PROBLEM, Path::new("problem.toml"), Size::Plain)?,
    };
    std::fs::create_dir_all(&folder)?;
    let experiment = Experiment::new(problem.clone())?;
    let model = trained(&experiment, &folder)?;
    let held_out = model.held_out().ok_or("the model keeps no held-out records")?.count();
    println!("{held_out} held-out records; by chance {:.1} % are told to be unlike", 100.0 * HeldOut::BY_CHANCE);

    let asked = |name: &str, y: ArrayD<f32>| -> Result<f64, Box<dyn Error>> {
        let file = folder.join(format!("{}.h5", name.replace(' ', "-")));
        let found = likenesses(&model, &Records(y), &file)?;
        let share =
            |of: &dyn Fn(&Likeness) -> bool| 100.0 * found.iter().filter(|l| of(l)).count() as f64 / found.len() as f64;
        let is_off = |number: Option<Standing>| number.is_some_and(|found| found.side != Side::Among);
        println!(
            "{name:<32} {:5.1} % of {} are unlike ({:.1} % by their misfit, {:.1} % by their distance)",
            share(&Likeness::is_unlike),
            found.len(),
            share(&|l| is_off(l.misfit_standing)),
            share(&|l| is_off(l.distance)),
        );
        Ok(share(&Likeness::is_unlike))
    };
    let by_chance = asked("ordinary records", experiment.noisy_pairs(Set::Test, 0..ORDINARY)?.1)?;
    let others = ORDINARY..ORDINARY + CHANGED;
    let (_, clean) = experiment.clean_pairs(Set::Test, others.clone())?;
    let (_, y) = experiment.noisy_pairs(Set::Test, others.clone())?;
    let mut told = vec![
        asked("noise doubled", &y * 2.0 - &clean)?,
        asked("a third of the sensors silent", with_silent_sensors(&y))?,
        asked("gain of two", &y * 2.0)?,
    ];
    // Harder, for the noise is as ever: a faint image of twice the brightness is one that the prior may well make.
    asked("images twice as bright", &y + &clean)?;
    let shape = serde_json::to_string(&experiment.x_shape()[1..])?;
    for (name, prior) in OTHER_PRIORS {
        let prior: PriorConfig = serde_json::from_str(&prior.replace("SHAPE", &shape))?;
        if problem.prior.as_ref().is_some_and(|own| discriminant(own) == discriminant(&prior)) {
            continue;
        }
        let other = Experiment::new(Problem { prior: Some(prior), ..problem.clone() })?;
        told.push(asked(name, other.noisy_pairs(Set::Test, others.clone())?.1)?);
    }
    let least = told.into_iter().fold(100.0, f64::min);
    println!("at least {least:.0} % of the changed records are told, of the ordinary ones {by_chance:.1} %");
    if least < 95.0 || by_chance > 2.0 {
        return Err("too few of the changed records are told, or too many of the ordinary ones".into());
    }
    Ok(())
}

/// The model in the folder, trained where there is none.
fn trained(experiment: &Experiment, folder: &Path) -> Result<Model, Box<dyn Error>> {
    let (device, place) = (Device::flex(), folder.join("model"));
    if !folder::exists(&place) {
        let batches = Arc::new(ExperimentBatches::new(experiment, Path::new(""))?);
        let (x, y) = first_pairs(&*batches, 128)?;
        let training = experiment.problem().training.clone();
        let validation = experiment.noisy_pairs(Set::Validation, 0..training.validation_pairs as u64)?;
        let model = experiment.model(&device)?.fit(&x, &y)?;
        let task = Task { model, batches, validation, training, plan: Plan::default() };
        train(task, folder, &device, &mut Silent)?;
    }
    Ok(Model::load(&place, &device)?)
}

/// How each record is beside those of training, as `posteria sample` finds it with the draws that it makes.
fn likenesses(model: &Model, records: &Records, file: &Path) -> Result<Vec<Likeness>, PosteriorError> {
    let sampling = Sampling { seed: 2, draws: FIRST_DRAWS, kept_draws: 0, quantiles: vec![], at_once: FIRST_DRAWS };
    let mut found = Vec::new();
    let listener = Listener { likenesses: &mut found, progress: &mut |_| true };
    write_posteriors(file, model, records, 0..records.count(), None, &sampling, listener)?;
    Ok(found)
}

/// The records with a third of their sensors at zero, others in each.
fn with_silent_sensors(y: &ArrayD<f32>) -> ArrayD<f32> {
    let mut y = y.clone();
    for (index, mut record) in y.outer_iter_mut().enumerate() {
        let sensor_axis = Axis(record.ndim() - 1);
        let mut sensors: Vec<usize> = (0..record.len_of(sensor_axis)).collect();
        sensors.shuffle(&mut stream(1, Purpose::Diagnostic, index as u64));
        for &sensor in &sensors[..sensors.len() / 3] {
            record.index_axis_mut(sensor_axis, sensor).fill(0.0);
        }
    }
    y
}

//! From a problem to the posterior of one observation, with the library alone.
//!
//!     cargo run --release --example amortized_posterior -- FOLDER
//!
//! Trains a small model of a 16×16 deblurring problem for some seconds, samples the posterior of an observation it has
//! never seen, compares mean and standard deviation with the exact ones, and draws them into FOLDER.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use posteria::figure::{Content, Figure, Palette, Panel, extent};
use posteria::flow::Plan;
use posteria::model::Model;
use posteria::posterior::stats::Reduction;
use posteria::problem::{Experiment, ExperimentBatches, Problem, Set, Size};
use posteria::random::{Purpose, stream};
use posteria::train::{Entry, Observer, Task, first_pairs, train};
use posteria::uq::score::relative_error;

const PROBLEM: &str = r#"
name = "small-deblur"
[prior]
kind = "periodic-gaussian-field"
shape = [16, 16]
[operator]
kind = "circular-blur"
sigma = 1.5
[noise]
sigma = 0.05
[network]
scales = 2
steps = 4
[network.conditioner]
hidden = 32
border = "periodic"
[training]
source = "on-the-fly"
steps = 600
learning_rate = 3e-3
validate_every = 150
"#;

/// Prints every validation.
struct Print {
    floor: f64,
}

impl Observer for Print {
    fn step(&mut self, _done: u64, _nll: f64) {}

    fn validated(&mut self, entry: &Entry) {
        let Entry { step, validation, .. } = entry;
        println!("step {step:3}: {validation:.3} nats per dimension; the exact posterior has {:.3}", self.floor);
    }

    fn wants_to_stop(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from).join("amortized_posterior");
    let device = Device::flex();
    let experiment = Experiment::new(Problem::parse(PROBLEM, Path::new("problem.toml"), Size::Plain)?)?;
    let exact = experiment.exact().ok_or("the posterior of a blurred Gaussian field is known")?;

    // Normalisation and the data-dependent start come from the first pairs.
    let batches = Arc::new(ExperimentBatches::new(&experiment, Path::new(""))?);
    let (x, y) = first_pairs(&*batches, 256)?;
    let (config, operator) = (experiment.problem().model_config(), experiment.problem().operator.clone());
    let model = Model::new(config, operator, experiment.x_shape(), experiment.y_shape(), 1, &device)?.fit(&x, &y)?;

    let training = experiment.problem().training.clone();
    let task = Task {
        model,
        batches,
        validation: experiment.noisy_pairs(Set::Validation, 0..64)?,
        training,
        plan: Plan::default(),
    };
    std::fs::create_dir_all(&folder)?;
    train(task, &folder, &device, &mut Print { floor: exact.entropy_per_dim() })?;

    // Any observation is answered by the same model, at once.
    let model = Model::load(&folder.join("model"), &device)?;
    let (truth, y) = experiment.noisy_pairs(Set::Test, 0..1)?;
    let sampler = model.sampler(&y)?;
    let mut rng = stream(1, Purpose::Latent, 0);
    let mut reduction = Reduction::new(model.x_shape(), &[0.05, 0.95], 512)?;
    for _ in 0..8 {
        reduction.add(sampler.images(64, &mut rng)?.view())?;
    }
    let summary = reduction.finish()?;
    let mean = exact.mean(y.mapv(f64::from).view())?.mapv(|v| v as f32);
    let mean = mean.index_axis(ndarray::Axis(0), 0);
    let deviation = exact.standard_deviation().mapv(|v| v as f32);
    println!("{} draws", summary.draws);
    println!("mean: {:.3} off the exact one", relative_error(summary.mean.view(), mean.view())?);
    println!(
        "deviation: {:.3} off the exact one",
        relative_error(summary.standard_deviation.view(), deviation.view())?
    );

    let (values, deviations) = (extent(&truth), [0.0, extent(&summary.standard_deviation)[1]]);
    let grid = model.x().grid;
    let panel = |title: &str, map: ndarray::ArrayViewD<f32>, palette, range| Panel {
        title: title.into(),
        unit: String::new(),
        grid: grid.clone(),
        content: Content::Map { values: map.index_axis_move(ndarray::Axis(0), 0).to_owned(), palette, range },
    };
    let rows = vec![vec![
        panel("Truth", truth.index_axis(ndarray::Axis(0), 0), Palette::Value, values),
        panel("Posterior mean", summary.mean.view(), Palette::Value, values),
        panel("Exact mean", mean, Palette::Value, values),
        panel("Standard deviation", summary.standard_deviation.view(), Palette::Deviation, deviations),
    ]];
    let path = folder.join("posterior.png");
    Figure { title: "A small deblurring problem".into(), rows }.write_png(&path)?;
    println!("{}", path.display());
    Ok(())
}

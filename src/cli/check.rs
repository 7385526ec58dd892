use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::Args;
use posteria::figure::pairs_figure;
use posteria::flow::Plan;
use posteria::io::{self, NoiseTag};
use posteria::model::Model;
use posteria::problem::cost::{self, Measured, Stopwatch};
use posteria::problem::survey::{Survey, Values, survey};
use posteria::problem::{Experiment, ExperimentBatches, Set, simulate};
use posteria::random::{Purpose, stream};
use posteria::train::{Batches, PairSource, Task, Training, train};

use super::device::DeviceArgument;
use super::experiment::ProblemArguments;
use super::memory::MemoryArgument;
use super::progress::duration;
use super::scratch::Scratch;
use super::train::fresh;
use super::{Ended, Result, output};

/// Pairs that are drawn.
const DRAWN: u64 = 3;
/// Simulated pairs that are looked at, at most; of files all that can be read in time.
const SURVEYED: u64 = 512;
const PATIENCE: Duration = Duration::from_secs(5);
/// Draws and pairs with which sampling and validation are timed.
const TIMED: usize = 16;

/// Look at a problem and its pairs before training: what is wrong, what a run will cost, and some pairs as a picture.
///
/// Takes seconds: a few steps are trained in a folder that is removed again.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    problem: ProblemArguments,
    /// The picture of the pairs, PNG, instead of runs/NAME-pairs.png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    memory: MemoryArgument,
}

impl Check {
    pub fn execute(self) -> Result {
        let device = self.device.open()?;
        let experiment = &self.problem.experiment()?;
        let problem = experiment.problem();
        output::print(&format!(
            "problem   {}: x {:?}, y {:?}\n",
            problem.name,
            experiment.x_shape(),
            experiment.y_shape()
        ));

        let found = survey(experiment, SURVEYED, PATIENCE)?;
        output::print(&values(experiment, &found));

        let picture = self.output.unwrap_or_else(|| {
            let folder = self.problem.folder(experiment);
            folder.with_file_name(format!("{}-pairs.png", folder.file_name().unwrap_or_default().to_string_lossy()))
        });
        draw(experiment, &picture)?;
        output::print(&format!("drawn     {DRAWN} pairs in {}\n", picture.display()));

        let (measured, parameters) = measure(experiment, &found, &device, self.memory.plan())?;
        output::print(&costs(experiment, &measured, parameters));
        for warning in &found.warnings {
            output::print(&format!("warning   {warning}\n"));
        }
        let verdict = match found.warnings.len() {
            0 => "nothing to object to".into(),
            1 => "one warning".into(),
            count => format!("{count} warnings"),
        };
        output::print(&format!("checked   {verdict}\n"));
        Ok(Ended::Done)
    }
}

/// Ranges of x and y, channel by channel.
fn values(experiment: &Experiment, found: &Survey) -> String {
    let mut text = match experiment.count(Set::Training) {
        Some(all) => format!(
            "pairs     {} of {all} to train on, {} for validation and {} for the test held out\n",
            found.pairs,
            experiment.problem().training.validation_pairs,
            experiment.problem().evaluation.pairs
        ),
        None => format!("pairs     {} simulated\n", found.pairs),
    };
    text += "          least        greatest     mean         deviation\n";
    for (name, channels) in [("x", &found.x), ("y", &found.y)] {
        for (channel, values) in channels.iter().enumerate() {
            let which = if channels.len() > 1 { format!("{name}[{channel}]") } else { name.to_owned() };
            let Values { least, greatest, mean, standard_deviation: deviation, .. } = values;
            let numbers = [least, greatest, mean, deviation].map(|v| format!("{:<12}", number(*v))).join(" ");
            text += &format!("{which:<9} {}\n", numbers.trim_end());
        }
    }
    if let Some(ratio) = found.signal_to_noise {
        text += &format!("noise     {ratio:.1} dB below the signal\n");
    }
    text
}

/// Five digits, in powers of ten where there are many places.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e6).contains(&size) => format!("{value:.*}", (4 - size.log10().floor() as i32).max(0) as usize),
        _ => format!("{value:.4e}"),
    }
}

fn draw(experiment: &Experiment, picture: &Path) -> anyhow::Result<()> {
    if let Some(folder) = picture.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        io::create_folder(folder)?;
    }
    output::check(picture, &[])?;
    let count = experiment.count(Set::Training).map_or(DRAWN, |count| DRAWN.min(count as u64));
    let (x, y) = experiment.noisy_pairs(Set::Training, 0..count)?;
    let info = experiment.pairs_info(NoiseTag::Included)?;
    let title = format!("Pairs of {}", experiment.problem().name);
    Ok(pairs_figure(&title, (&x, &info.x), (&y, &info.y), experiment.adjoint(&y)?.as_ref(), picture)?)
}

/// Trains a few steps and draws a few images; the times, and the number of parameters.
fn measure(
    experiment: &Experiment,
    found: &Survey,
    device: &burn::tensor::Device,
    plan: Plan,
) -> anyhow::Result<(Measured, u64)> {
    let scratch = Scratch::new()?;
    let problem = experiment.problem();
    let stored = scratch.path().join("pairs");
    if !experiment.has_own_pairs() && problem.training.source == PairSource::Stored {
        simulate(experiment, Set::Training, problem.training.batch.max(TIMED), &stored, &mut |_| true)?;
    }
    let batches: Arc<dyn Batches> = Arc::new(ExperimentBatches::new(experiment, &stored)?);
    let model = fresh(experiment, &*batches, device)?;
    let timed = TIMED.min(problem.training.validation_pairs) as u64;
    let validation = experiment.noisy_pairs(Set::Validation, 0..timed)?;

    let per = |start: Instant, count: u64| start.elapsed().as_secs_f64() / count as f64;
    let start = Instant::now();
    model.log_prob(&validation.0, &validation.1)?;
    let density = per(start, timed);
    let draw = seconds_a_draw(&model, &experiment.noisy_pairs(Set::Validation, 0..1)?.1)?;

    let parameters = model.parameters().iter().map(|(_, value)| value.dims()[0] as u64).sum();
    let training =
        Training { patience: 0, checkpoint_every: u64::MAX, validate_every: u64::MAX, ..problem.training.clone() };
    let mut watch = Stopwatch::start();
    train(Task { model, batches, validation, training, plan }, scratch.path(), device, &mut watch)?;
    Ok((Measured { pair: found.seconds_a_pair, step: watch.median(), density, draw }, parameters))
}

fn seconds_a_draw(model: &Model, y: &ndarray::ArrayD<f32>) -> anyhow::Result<f64> {
    let mut rng = stream(0, Purpose::Latent, 0);
    let sampler = model.sampler(y)?;
    let start = Instant::now();
    // As many for every thread: draws are computed in parallel.
    let draws = TIMED * rayon::current_num_threads();
    sampler.draw(draws, &mut rng)?;
    Ok(start.elapsed().as_secs_f64() / draws as f64)
}

/// Time, memory and disk of a run.
fn costs(experiment: &Experiment, measured: &Measured, parameters: u64) -> String {
    let problem = experiment.problem();
    let stores = !experiment.has_own_pairs() && problem.training.source == PairSource::Stored;
    let stored = problem.evaluation.pairs as u64 + if stores { problem.simulation.pairs as u64 } else { 0 };
    let time = cost::seconds(problem, stored, measured);
    let size = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let disk = cost::bytes(problem, stored, [size(experiment.x_shape()), size(experiment.y_shape()), parameters]);
    let bytes = |count: u64| ByteSize(count).to_string();
    let memory = match cost::peak_memory() {
        Some(peak) => format!("memory    {} at most, measured\n", bytes(peak)),
        None => String::new(),
    };
    format!(
        "time      {} in all, as this machine is now: {} for {stored} stored pairs, {} for {} steps of {:.3} s, {} for draws\n\
         {memory}\
         disk      {} in the end: pairs {}, model {}, posterior {}; a checkpoint of {} while training\n",
        duration(time.pairs + time.training + time.posterior),
        duration(time.pairs),
        duration(time.training),
        problem.training.steps,
        measured.step,
        duration(time.posterior),
        bytes(disk.pairs + disk.model + disk.posterior),
        bytes(disk.pairs),
        bytes(disk.model),
        bytes(disk.posterior),
        bytes(disk.checkpoint),
    )
}

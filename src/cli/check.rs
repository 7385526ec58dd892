use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use bytesize::ByteSize;
use clap::Args;
use ndarray::ArrayD;
use posteria::figure::pairs_figure;
use posteria::flow::Plan;
use posteria::io::{NoiseTag, number};
use posteria::model::Model;
use posteria::problem::cost::{self, Measured, Stopwatch};
use posteria::problem::survey::{Survey, Values};
use posteria::problem::{Experiment, ExperimentBatches, Set, simulate};
use posteria::random::{Purpose, stream};
use posteria::train::{Batches, PairSource, Task, Training, train};

use super::device::DeviceArgument;
use super::experiment::ProblemArguments;
use super::memory::MemoryArgument;
use super::progress::duration;
use super::scratch::Scratch;
use super::train::fresh;
use super::{Ended, Result, output, pairs};

/// Pairs that are drawn.
const DRAWN: u64 = 3;
/// Simulated pairs that are looked at, at most; of files all that can be read in time.
const SURVEYED: u64 = 512;
const PATIENCE: Duration = Duration::from_secs(5);
/// Draws and pairs with which sampling and validation are timed.
const TIMED: usize = 16;

/// Look at a problem and its pairs before training: what is wrong, what a run will cost, and some pairs as a picture.
///
/// Takes seconds, half a minute for large problems: a few steps are trained in a folder that is removed again.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    problem: ProblemArguments,
    /// The picture of the pairs, PNG, instead of NAME-pairs.png here.
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

        let picture = self.output.unwrap_or_else(|| {
            let folder = self.problem.folder(experiment);
            PathBuf::from(format!("{}-pairs.png", folder.file_name().unwrap_or_default().to_string_lossy()))
        });
        output::check(&picture, &["png"], &[])?;

        let Some(found) = pairs::looked_at(experiment, SURVEYED, PATIENCE)? else { return Ok(Ended::Interrupted) };
        output::print(&values(experiment, &found));
        if let Err(unusable) = found.usable() {
            bail!("{unusable}");
        }

        // A picture takes memory that a training does not: the training is measured before it. The picture may show why
        // there is nothing to measure.
        let trial = measure(experiment, &found, &device, self.memory.plan());
        let drawn = draw(experiment, &picture);
        if drawn.is_ok() {
            output::print(&format!("drawn     {DRAWN} pairs in {}\n", picture.display()));
        }
        let trial = trial?;
        drawn?;
        output::print(&costs(experiment, &trial));
        let others = self.problem.other_sizes()?;
        if !others.is_empty() {
            output::print(&format!("sizes     {} can be built too\n", others.join(" and ")));
        }
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
            "pairs     {} of {all} to train on looked at; {} for validation and {} for the test held out, {} of them read\n",
            found.pairs,
            experiment.problem().training.validation_pairs,
            experiment.problem().evaluation.pairs,
            found.held_out
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
    if experiment.white_noise() > 0.0 {
        let dither = experiment.white_noise();
        let variance = found.x.iter().map(|v| v.standard_deviation.powi(2)).sum::<f64>() / found.x.len() as f64;
        let share = 100.0 * dither * dither / variance;
        text += &format!("dither    {} of white noise in x, {} % of its variance\n", number(dither), number(share));
    }
    if let Some(ratio) = found.signal_to_noise {
        text += &format!("noise     {ratio:.1} dB below the signal\n");
    }
    text
}

fn draw(experiment: &Experiment, picture: &Path) -> anyhow::Result<()> {
    let count = experiment.count(Set::Training).map_or(DRAWN, |count| DRAWN.min(count as u64));
    let (x, y) = experiment.noisy_pairs(Set::Training, 0..count)?;
    let info = experiment.pairs_info(NoiseTag::Included)?;
    let title = format!("Pairs of {}", experiment.problem().name);
    Ok(pairs_figure(&title, (&x, &info.x), (&y, &info.y), experiment.adjoint(&y)?.as_ref(), picture)?)
}

/// What a few steps and a few draws told.
struct Trial {
    measured: Measured,
    /// Of the model.
    parameters: u64,
    /// Bytes, until the last step.
    memory: Option<u64>,
}

/// Trains a few steps, draws a few images and judges an observation.
fn measure(
    experiment: &Experiment,
    found: &Survey,
    device: &burn::tensor::Device,
    plan: Plan,
) -> anyhow::Result<Trial> {
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

    let parameters = model.parameters().iter().map(|(_, value)| value.dims()[0] as u64).sum();
    let training =
        Training { patience: 0, checkpoint_every: u64::MAX, validate_every: u64::MAX, ..problem.training.clone() };
    let mut watch = Stopwatch::start();
    let task = Task { model: model.clone(), batches, validation, training, plan };
    train(task, scratch.path(), device, &mut watch)?;
    let memory = cost::peak_memory();
    let y = experiment.noisy_pairs(Set::Validation, 0..1)?.1;
    let [draw, misfit] = seconds_a_draw(&model, &y)?;
    let classical = seconds_of_classical_images(experiment, &y)?;
    let (pair, step) = (found.seconds_a_pair, watch.median());
    Ok(Trial { measured: Measured { pair, step, density, draw, misfit, classical }, parameters, memory })
}

/// To draw an image, and to apply the operator to it.
fn seconds_a_draw(model: &Model, y: &ArrayD<f32>) -> anyhow::Result<[f64; 2]> {
    let mut rng = stream(0, Purpose::Latent, 0);
    let sampler = model.sampler(y)?;
    let start = Instant::now();
    // As many for every thread: draws are computed in parallel.
    let draws = TIMED * rayon::current_num_threads();
    let drawn = sampler.draw(draws, &mut rng)?;
    let draw = start.elapsed().as_secs_f64() / draws as f64;
    let Some(operator) = model.operator() else { return Ok([draw, 0.0]) };
    let operator = operator.build::<f32>(model.x_shape())?;
    let start = Instant::now();
    operator.apply(drawn.x.view())?;
    Ok([draw, start.elapsed().as_secs_f64() / draws as f64])
}

/// What a model is held against where the posterior is not known.
fn seconds_of_classical_images(experiment: &Experiment, y: &ArrayD<f32>) -> anyhow::Result<f64> {
    let (Some(operator), None) = (&experiment.problem().operator, experiment.exact()) else { return Ok(0.0) };
    let methods = operator.classical_methods::<f32>(experiment.x_shape())?;
    let start = Instant::now();
    methods.methods.iter().try_for_each(|method| method.reconstruct(y.view()).map(drop))?;
    Ok(start.elapsed().as_secs_f64())
}

/// Time, memory and disk of a run.
fn costs(experiment: &Experiment, trial: &Trial) -> String {
    let Trial { measured, parameters, memory } = trial;
    let problem = experiment.problem();
    let stores = !experiment.has_own_pairs() && problem.training.source == PairSource::Stored;
    let stored = problem.evaluation.pairs as u64 + if stores { problem.simulation.pairs as u64 } else { 0 };
    let time = cost::seconds(problem, stored, measured);
    let size = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let disk = cost::bytes(problem, stored, [size(experiment.x_shape()), size(experiment.y_shape()), *parameters]);
    let bytes = |count: u64| ByteSize(count).to_string();
    let memory = match memory {
        Some(peak) => format!("memory    {} at most while training, measured\n", bytes(*peak)),
        None => String::new(),
    };
    format!(
        "time      {} in all, as this machine is now: {} for {stored} stored pairs, {} for {} steps of {:.3} s, {} for draws, \
         {} to judge them\n\
         {memory}\
         disk      {} in the end: pairs {}, model {}, posterior {}; a checkpoint of {} while training\n",
        duration(time.pairs + time.training + time.posterior + time.judging),
        duration(time.pairs),
        duration(time.training),
        problem.training.steps,
        measured.step,
        duration(time.posterior),
        duration(time.judging),
        bytes(disk.pairs + disk.model + disk.posterior),
        bytes(disk.pairs),
        bytes(disk.model),
        bytes(disk.posterior),
        bytes(disk.checkpoint),
    )
}

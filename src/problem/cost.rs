//! What a run will cost, from a few steps of it.

use std::path::Path;
use std::time::Instant;

use crate::problem::Problem;
use crate::train::{Entry, Observer};

/// Steps that are taken to measure one; the first has more to do than the others.
const STEPS: u64 = 6;
/// Seconds after which no more of them are taken.
const PATIENCE: f64 = 10.0;

/// Lets a training take a few steps and stops it: the time of one.
#[derive(Debug)]
pub struct Stopwatch {
    last: Instant,
    seconds: Vec<f64>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { last: Instant::now(), seconds: Vec::new() }
    }

    /// Seconds of one step: the median, without the first where there are others.
    pub fn median(&self) -> f64 {
        let mut seconds = self.seconds[usize::from(self.seconds.len() > 1)..].to_vec();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Observer for Stopwatch {
    fn step(&mut self, _done: u64, _nll: f64) {
        self.seconds.push(self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
    }

    fn validated(&mut self, _entry: &Entry) {}

    fn wants_to_stop(&self) -> bool {
        self.seconds.len() as u64 >= STEPS || self.seconds.iter().sum::<f64>() > PATIENCE
    }
}

/// What was measured: seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// To simulate or read one pair.
    pub pair: f64,
    /// One training step.
    pub step: f64,
    /// The density of one validation pair.
    pub density: f64,
    /// One posterior draw.
    pub draw: f64,
    /// The operator applied to a draw, where there is one.
    pub misfit: f64,
    /// All classical images of one observation, where it is judged against them.
    pub classical: f64,
}

/// What a run of a problem will take: seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds {
    /// To simulate or copy the pairs that are stored.
    pub pairs: f64,
    /// To train, with all validations.
    pub training: f64,
    /// To sample the observations that are shown.
    pub posterior: f64,
    /// To judge the model by its test pairs.
    pub judging: f64,
}

/// The time of a run in which `stored` pairs are written.
pub fn seconds(problem: &Problem, stored: u64, measured: &Measured) -> Seconds {
    let (training, evaluation) = (&problem.training, &problem.evaluation);
    let validations = (training.steps / training.validate_every + 1) as f64;
    let draws = evaluation.draws as f64;
    // Of each test pair the density and the latent are computed, which cost the same.
    let judged = draws * (measured.draw + measured.misfit) + 2.0 * measured.density + measured.classical;
    Seconds {
        pairs: stored as f64 * measured.pair,
        training: training.steps as f64 * measured.step
            + validations * training.validation_pairs as f64 * measured.density,
        posterior: evaluation.observations as f64 * draws * measured.draw,
        judging: evaluation.pairs as f64 * judged,
    }
}

/// What a run of a problem will store: bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bytes {
    /// Simulated or copied pairs.
    pub pairs: u64,
    /// Weights.
    pub model: u64,
    /// While training: three models and the optimiser's two moments.
    pub checkpoint: u64,
    /// Maps and kept draws, before compression.
    pub posterior: u64,
}

/// The size of a run in which `stored` pairs are written; x and y have so many numbers, the model so many parameters.
pub fn bytes(problem: &Problem, stored: u64, [x, y, parameters]: [u64; 3]) -> Bytes {
    let float = size_of::<f32>() as u64;
    let evaluation = &problem.evaluation;
    // Truth, mean, variance, standard deviation, perhaps two exact maps; quantiles; draws.
    let maps = 6 + evaluation.quantiles.len() as u64 + evaluation.kept_draws as u64;
    Bytes {
        pairs: stored * (x + y) * float,
        model: parameters * float,
        checkpoint: 5 * parameters * float,
        posterior: evaluation.observations as u64 * (maps * x + y) * float,
    }
}

/// The largest resident memory of this process so far, in bytes; where the system tells (Linux).
pub fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Size;

    #[test]
    fn costs_follow_from_the_problem() {
        let text = "name = 'p'\n[pairs]\ntraining = 'a.h5'\n[training]\nsteps = 100\nvalidate_every = 50\nvalidation_pairs = 10\n\
                    [evaluation]\npairs = 20\nobservations = 2\ndraws = 30\nkept_draws = 4\nquantiles = [0.5]";
        let problem = Problem::parse(text, Path::new("p.toml"), Size::Plain).unwrap();
        let measured = Measured { pair: 0.5, step: 2.0, density: 0.1, draw: 0.01, misfit: 0.02, classical: 3.0 };
        let found = seconds(&problem, 20, &measured);
        assert!((found.pairs - 10.0).abs() < 1e-9);
        assert!((found.training - 203.0).abs() < 1e-9);
        assert!((found.posterior - 0.6).abs() < 1e-9);
        assert!((found.judging - 20.0 * (30.0 * 0.03 + 0.2 + 3.0)).abs() < 1e-9);
        let found = bytes(&problem, 20, [64, 16, 1000]);
        assert_eq!(found, Bytes { pairs: 6400, model: 4000, checkpoint: 20000, posterior: 2 * (11 * 64 + 16) * 4 });
    }

    #[test]
    fn a_stopwatch_stops_and_leaves_the_first_step_out() {
        let mut watch = Stopwatch::start();
        for step in 1..=STEPS {
            assert!(!watch.wants_to_stop());
            watch.step(step, 0.0);
        }
        assert!(watch.wants_to_stop());
        watch.seconds = vec![100.0, 1.0, 3.0, 2.0];
        assert!((watch.median() - 2.0).abs() < 1e-12);
        assert!(Stopwatch::start().median().is_nan());
    }
}

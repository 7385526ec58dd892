//! What `run`, `simulate` and `train` share: a problem at a size, and the folder of its run.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use posteria::problem::{Experiment, Problem, RunFolder, Size};

#[derive(Args)]
pub struct ExperimentArguments {
    /// A problem file, or a folder with a problem.toml such as problems/deblur.
    problem: PathBuf,
    /// Three minutes: a first look, less to show. Goes to runs/NAME-quick.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Sized for a GPU. Goes to runs/NAME-full.
    #[arg(long)]
    full: bool,
    /// The folder of the run, instead of runs/NAME.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Of all random numbers, instead of the problem's.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
}

impl ExperimentArguments {
    /// Reads the problem, builds the experiment, and makes the folder its own, until the end of the command.
    pub fn open(&self) -> anyhow::Result<Opened> {
        let (size, suffix) = match (self.quick, self.full) {
            (true, _) => (Size::Quick, "-quick"),
            (_, true) => (Size::Full, "-full"),
            _ => (Size::Plain, ""),
        };
        let mut problem = Problem::read(&self.problem, size)?;
        if let Some(seed) = self.seed {
            problem.seed = seed;
        }
        let root = match &self.out {
            Some(out) => out.clone(),
            None => Path::new("runs").join(format!("{}{suffix}", problem.name)),
        };
        let experiment = Experiment::new(problem).map_err(|e| anyhow!("{}: {e}", self.problem.display()))?;
        let folder = RunFolder::new(root);
        let lock = folder.lock()?;
        folder.claim(experiment.problem())?;
        Ok(Opened { experiment, folder, _lock: lock })
    }
}

/// An experiment and the folder of its run.
pub struct Opened {
    pub experiment: Experiment,
    pub folder: RunFolder,
    /// Held until the command ends.
    _lock: File,
}

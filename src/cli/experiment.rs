//! What `run`, `simulate` and `train` share: a problem at a size, and the folder of its run.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use posteria::problem::survey::Survey;
use posteria::problem::{Experiment, Problem, ProblemError, RunFolder, Size};

use super::output;

/// A problem at a size.
#[derive(Args)]
pub struct ProblemArguments {
    /// A problem file, or a folder with a problem.toml such as problems/deblur.
    problem: PathBuf,
    /// Three minutes: a first look, less to show. Goes to runs/NAME-quick.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Sized for a GPU. Goes to runs/NAME-full.
    #[arg(long)]
    full: bool,
    /// Of all random numbers, instead of the problem's.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
}

impl ProblemArguments {
    /// Reads the problem and builds the experiment.
    pub fn experiment(&self) -> anyhow::Result<Experiment> {
        let mut problem = Problem::read(&self.problem, self.size())?;
        if let Some(seed) = self.seed {
            problem.seed = seed;
        }
        if problem.pairs.as_ref().is_some_and(|pairs| pairs.skip.is_some()) {
            output::note("pairs     reading all of them, to leave out those that are not finite");
        }
        Experiment::new(problem).map_err(|e| anyhow!("{}: {e}", self.problem.display()))
    }

    /// Builds the problem at its other sizes, as far as it has them, and names those.
    ///
    /// # Errors
    /// What can be read and cannot be built, such as an image that no scale of the network divides.
    pub fn other_sizes(&self) -> anyhow::Result<Vec<&'static str>> {
        let mut built = Vec::new();
        for (size, name) in [(Size::Plain, "plain"), (Size::Quick, "quick"), (Size::Full, "full")] {
            if size == self.size() {
                continue;
            }
            let at = |e: ProblemError| anyhow!("{}, at its size \"{name}\": {e}", self.problem.display());
            match Problem::read(&self.problem, size) {
                Err(ProblemError::NoOverlay { .. }) => continue,
                problem => Experiment::new(problem?).map_err(at)?,
            };
            built.push(name);
        }
        Ok(built)
    }

    /// The folder of its run where nothing else is said.
    pub fn folder(&self, experiment: &Experiment) -> PathBuf {
        let suffix = self.size().table().map(|table| format!("-{table}")).unwrap_or_default();
        Path::new("runs").join(format!("{}{suffix}", experiment.problem().name))
    }

    fn size(&self) -> Size {
        match (self.quick, self.full) {
            (true, _) => Size::Quick,
            (_, true) => Size::Full,
            _ => Size::Plain,
        }
    }
}

#[derive(Args)]
pub struct ExperimentArguments {
    #[command(flatten)]
    problem: ProblemArguments,
    /// The folder of the run, instead of runs/NAME.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl ExperimentArguments {
    /// Reads the problem, builds the experiment, and makes the folder its own, until the end of the command.
    pub fn open(&self) -> anyhow::Result<Opened> {
        let experiment = self.problem.experiment()?;
        let folder = RunFolder::new(self.out.clone().unwrap_or_else(|| self.problem.folder(&experiment)));
        let lock = folder.lock()?;
        match folder.claim(experiment.problem()) {
            Err(ProblemError::OtherFiles { .. }) if Survey::is_mended(&folder, &experiment)? => {
                output::note(
                    "pairs     those that were not finite were mended, and no others changed: the run goes on",
                );
                folder.accept_files(experiment.problem())?;
                folder.claim(experiment.problem())?;
            }
            claimed => {
                claimed?;
            }
        }
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

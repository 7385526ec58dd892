use std::path::{Path, PathBuf};

use clap::Args;
use posteria::io::inspect;
use posteria::problem::{Experiment, Problem, RunFolder, Set, Size};

use super::{Ended, Result, output};

/// Say what is in a file or folder: a whole run, pairs, posteriors, maps, models, checkpoints, diagnostics, logs, figures,
/// problem files, any HDF5 or npy file.
#[derive(Args)]
pub struct Inspect {
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

impl Inspect {
    pub fn execute(self) -> Result {
        let mut first = None;
        for path in self.paths {
            match describe(&path) {
                Ok(text) => output::print(&text),
                // The others are still described; the first error is the command's.
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(Ended::Done), Err)
    }
}

fn describe(path: &Path) -> anyhow::Result<String> {
    let run = RunFolder::new(path);
    if path.extension().is_some_and(|extension| extension == "toml") {
        return problem(path);
    }
    if !run.problem().is_file() {
        return Ok(inspect(path)?);
    }
    let mut text = problem(&run.problem())?;
    let parts = [
        run.pairs(Set::Training),
        run.pairs(Set::Test),
        run.checkpoint(),
        run.model(),
        run.training_log(),
        run.posterior(),
        run.diagnostics(),
        run.calibration(),
        run.report(),
    ];
    for part in parts.iter().filter(|part| part.exists()) {
        text += &inspect(part)?;
    }
    Ok(text)
}

fn problem(path: &Path) -> anyhow::Result<String> {
    let experiment = Experiment::new(Problem::read(path, Size::Plain)?)?;
    let problem = experiment.problem();
    let exact = match experiment.exact() {
        Some(exact) => format!(
            "  exact posterior: known; floor {:.6} nats per dimension, I(x; y) = {:.4} nats\n",
            exact.entropy_per_dim(),
            exact.mutual_information()
        ),
        None => String::new(),
    };
    let named = |name: &str| if name.is_empty() { String::new() } else { format!(" {name}") };
    Ok(format!(
        "{}: problem {}{}\n  x {:?}{}\n  y {:?}{}\n{exact}",
        path.display(),
        problem.name,
        if problem.title.is_empty() { String::new() } else { format!(": {}", problem.title) },
        experiment.x_shape(),
        named(&problem.x.name),
        experiment.y_shape(),
        named(&problem.y.name),
    ))
}

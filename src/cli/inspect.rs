use std::path::{Path, PathBuf};

use clap::Args;
use posteria::io::{NoiseTag, inspect};
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
            for part in parts(&path) {
                match describe(&part) {
                    Ok(text) => output::print(&text),
                    // The others are still described; the first error is the command's, which ends with it.
                    Err(error) if first.is_none() => first = Some(error),
                    Err(error) => output::note(&format!("error: {error:#}")),
                }
            }
        }
        first.map_or(Ok(Ended::Done), Err)
    }
}

/// What there is of a run; anything else as it is.
fn parts(path: &Path) -> Vec<PathBuf> {
    let run = RunFolder::new(path);
    if !run.problem().is_file() {
        return vec![path.into()];
    }
    let parts = [
        run.problem(),
        run.pairs(Set::Training),
        run.pairs(Set::Test),
        run.checkpoint(),
        run.model(),
        run.training_log(),
        run.shuffled().model(),
        run.shuffled().training_log(),
        run.posterior(),
        run.diagnostics(),
        run.calibration(),
        run.report(),
    ];
    parts.into_iter().filter(|part| part.exists()).collect()
}

fn describe(path: &Path) -> anyhow::Result<String> {
    match path.extension() {
        Some(extension) if extension == "toml" => problem(path),
        _ => Ok(inspect(path)?),
    }
}

fn problem(path: &Path) -> anyhow::Result<String> {
    let problem = Problem::read(path, Size::Plain)?;
    let title = if problem.title.is_empty() { String::new() } else { format!(": {}", problem.title) };
    let mut text = format!("{}: problem {}{title}\n", path.display(), problem.name);
    let own = problem.pairs.as_ref().map(|files| files.training.display().to_string());
    match (Experiment::new(problem), own) {
        (Ok(experiment), own) => {
            let info = experiment.pairs_info(NoiseTag::Included)?;
            for (letter, shape, quantity) in [("x", experiment.x_shape(), info.x), ("y", experiment.y_shape(), info.y)]
            {
                text += format!("  {letter} {shape:?} {}", quantity.name).trim_end();
                text.push('\n');
            }
            text.extend(own.map(|path| format!("  pairs {path}\n")));
            if let Some(exact) = experiment.exact() {
                text += &format!(
                    "  exact posterior: known; floor {:.6} nats per dimension, I(x; y) = {:.4} nats\n",
                    exact.entropy_per_dim(),
                    exact.mutual_information()
                );
            }
        }
        // A run is whole without the files that it was trained on.
        (Err(error), Some(_)) => text += &format!("  {error}\n"),
        (Err(error), None) => return Err(error.into()),
    }
    Ok(text)
}

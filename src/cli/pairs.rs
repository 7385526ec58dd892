//! The look at pairs that `check`, `run` and `train` take before anything is trained on them.

use std::time::Duration;

use posteria::problem::survey::{Survey, survey};
use posteria::problem::{Experiment, RunFolder};

use super::progress::Progress;
use super::{Ended, Result, interrupt, output};

/// Simulated pairs that a run looks at, and for how long: `check` looks at more.
const SIMULATED: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(2);

/// What is found in the pairs of an experiment: in all that are the user's own, in as many as `most` of simulated ones, or
/// fewer where patience ends. None where it was stopped.
pub fn looked_at(experiment: &Experiment, most: u64, patience: Duration) -> anyhow::Result<Option<Survey>> {
    let mut progress: Option<Progress> = None;
    Ok(survey(experiment, most, patience, &mut |done, all| {
        progress.get_or_insert_with(|| Progress::new("look at", "pairs", all, 0)).at(done);
        !interrupt::asked()
    })?)
}

/// Looks at the pairs of a run, says what may be a mistake, and keeps what it found of the user's own: they are read once. Of
/// simulated ones so few are looked at that they can be again.
///
/// # Errors
/// Pairs that cannot be trained on.
pub fn of_run(experiment: &Experiment, folder: &RunFolder) -> Result {
    if Survey::of_run(folder, experiment)?.is_some() {
        return Ok(Ended::Done);
    }
    let Some(found) = looked_at(experiment, SIMULATED, PATIENCE)? else { return Ok(Ended::Interrupted) };
    if experiment.has_own_pairs() {
        found.keep(folder, experiment)?;
        let (all, held_out) = (found.pairs + found.held_out, found.held_out);
        output::note(&format!("pairs     {all} looked at, {held_out} of them held out"));
    }
    for warning in &found.warnings {
        output::note(&format!("warning   {warning}"));
    }
    found.usable()?;
    Ok(Ended::Done)
}

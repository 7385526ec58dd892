use clap::Args;
use posteria::problem::{Experiment, RunFolder, Set, simulate};
use posteria::train::PairSource;

use super::experiment::{ExperimentArguments, Opened};
use super::progress::Progress;
use super::{Ended, Result, interrupt};

/// Simulate pairs (x, y) and write them as HDF5 shards into RUN/pairs.
///
/// Test pairs always; training pairs where the problem stores them. Whole shards that are there already are kept. Of pairs
/// of your own, those that are held out for the test are copied there.
#[derive(Args)]
pub struct Simulate {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

impl Simulate {
    pub fn execute(self) -> Result {
        let Opened { experiment, folder, .. } = &self.experiment.open()?;
        pairs(experiment, folder)
    }
}

/// All pairs that an experiment stores.
pub fn pairs(experiment: &Experiment, folder: &RunFolder) -> Result {
    let problem = experiment.problem();
    let mut wanted = vec![(Set::Test, problem.evaluation.pairs)];
    let own = experiment.has_own_pairs();
    if !own && problem.training.source == PairSource::Stored {
        wanted.push((Set::Training, problem.simulation.pairs));
    }
    for (set, count) in wanted {
        let mut progress = Progress::new(if own { "hold out" } else { "simulate" }, "pairs", count as u64, 0);
        progress.say(set.name().into());
        let path = folder.pairs(set);
        let all = simulate(experiment, set, count, &path, &mut |done| {
            progress.at(done as u64);
            !interrupt::asked()
        })?;
        if !all {
            return Ok(Ended::Interrupted);
        }
        progress.finish(&format!("{count} {} pairs in {}", set.name(), path.display()));
    }
    Ok(Ended::Done)
}

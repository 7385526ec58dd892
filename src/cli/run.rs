use clap::Args;
use posteria::posterior::amortized::Sampling;
use posteria::uq::verdict::Diagnostics;

use super::device::DeviceArgument;
use super::experiment::{ExperimentArguments, Opened};
use super::memory::MemoryArgument;
use super::train::Pairing;
use super::trained::Trained;
use super::{Ended, Result, diagnose, output, pairs, plot, sample, simulate, train};

/// Do everything for a problem: simulate, train, sample, diagnose, plot, into runs/NAME.
///
/// What is done already is skipped; a run that was stopped goes on where it was.
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    experiment: ExperimentArguments,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    memory: MemoryArgument,
}

impl Run {
    pub fn execute(self) -> Result {
        let device = self.device.open()?;
        let Opened { experiment, folder, .. } = &self.experiment.open()?;
        if !folder.is_trained()
            && let Ended::Interrupted = pairs::of_run(experiment, folder)?
        {
            return Ok(Ended::Interrupted);
        }
        if let Ended::Interrupted = simulate::pairs(experiment, folder)? {
            return Ok(Ended::Interrupted);
        }
        if !folder.is_trained()
            && let Ended::Interrupted = train::model(experiment, folder, Pairing::Own, &device, self.memory.plan())?
        {
            return Ok(Ended::Interrupted);
        }
        let trained = Trained::open(folder.root(), &device)?;
        let evaluation = &experiment.problem().evaluation;
        if !folder.posterior().exists() {
            let sampling = Sampling {
                seed: experiment.problem().seed,
                draws: evaluation.draws,
                kept_draws: evaluation.kept_draws,
                quantiles: evaluation.quantiles.clone(),
                at_once: sample::BATCH,
            };
            let (count, output) = (evaluation.observations, folder.posterior());
            let ended = sample::test_observations(&trained, folder, experiment.exact(), count, &sampling, &output)?;
            if let Ended::Interrupted = ended {
                return Ok(ended);
            }
        }
        if folder.diagnostics().exists() && folder.calibration().exists() {
            diagnose::print(&posteria::io::read_json::<Diagnostics>(&folder.diagnostics())?);
        } else if let Ended::Interrupted =
            diagnose::model(&trained, folder, experiment.exact(), evaluation, sample::BATCH)?
        {
            return Ok(Ended::Interrupted);
        }
        // Always: it takes a moment, and whatever was there may be of an earlier state of the run.
        plot::run(folder)?;
        output::note(&format!("done      open {}", folder.report().display()));
        Ok(Ended::Done)
    }
}

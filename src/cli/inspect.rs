use std::path::PathBuf;

use clap::Args;

use super::{Ended, Result};

/// Say what is in a file or folder: pairs, posteriors, maps, models, checkpoints, diagnostics, logs, problem files, any
/// HDF5 or npy file.
#[derive(Args)]
pub struct Inspect {
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

impl Inspect {
    pub fn execute(self) -> Result {
        for path in self.paths {
            print!("{}", posteria::io::inspect(&path)?);
        }
        Ok(Ended::Done)
    }
}

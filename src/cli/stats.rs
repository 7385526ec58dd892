use std::path::PathBuf;

use clap::Args;
use posteria::io::Rows;
use posteria::posterior::dataset::{Counts, reduce_dataset};

use super::progress::Progress;
use super::{Ended, Result, interrupt, output};

/// Statistics of draws by whomever: mean, variance, standard deviation and quantile maps of a dataset, 1D to 3D.
#[derive(Args)]
pub struct Stats {
    /// file.h5:/dataset or file.npy.
    draws: String,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The axis of the draws, counted from 0; else the one labelled "draw" with that labelled "chain", else the first.
    #[arg(long, value_name = "AXIS")]
    draw_axis: Option<usize>,
    /// Probabilities of the quantile maps; none: --quantiles=
    #[arg(long, value_delimiter = ',', default_value = "0.05,0.5,0.95", value_name = "LEVELS", value_parser = level)]
    quantiles: Vec<Option<f64>>,
    /// Memory to use, in MiB.
    #[arg(long, default_value_t = 1024, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    memory: u64,
}

/// An empty list is one empty text to clap.
fn level(text: &str) -> std::result::Result<Option<f64>, String> {
    match text.trim() {
        "" => Ok(None),
        number => number.parse().map(Some).map_err(|_| format!("{number:?} is no number")),
    }
}

impl Stats {
    pub fn execute(self) -> Result {
        output::check(&self.output, output::HDF5, &[&self.draws])?;
        let draws = Rows::open_preferring(&self.draws, &["samples"])?;
        let levels: Vec<f64> = self.quantiles.into_iter().flatten().collect();
        let mut progress = Progress::new("stats", "permille", 1000, 0);
        let memory = usize::try_from(self.memory).unwrap_or(usize::MAX).saturating_mul(1 << 20);
        let counts = reduce_dataset(&draws, self.draw_axis, &levels, &self.output, memory, &mut |share| {
            progress.at((1000.0 * share) as u64);
            !interrupt::asked()
        })?;
        let Some(Counts { draws: count, entries, not_finite }) = counts else {
            return Ok(Ended::Interrupted);
        };
        progress.finish(&format!("{count} draws of {}, in {}", draws.place(), self.output.display()));
        if not_finite > 0 {
            output::note(&format!(
                "warning   some draw is NaN or infinite in {not_finite} of {entries} entries: the maps are NaN there"
            ));
        }
        Ok(Ended::Done)
    }
}

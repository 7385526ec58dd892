use std::path::Path;

use super::sizes::Sizes;
use super::{condition_table, filled, quoted};
use crate::io::Pairs;
use crate::model::have_equal_extents;
use crate::problem::ProblemError;

/// Held out for validation and for the test: at least, and at most where a tenth of the pairs is more.
const HELD_OUT: [[usize; 2]; 2] = [[2, 128], [4, 200]];
/// Pairs of a step, at most.
const BATCH: usize = 16;

/// A problem whose pairs were written by a simulator of the user's own.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnTemplate {
    /// The files, as the problem file names them.
    pub pairs: String,
    /// Channel and axes of one x.
    pub x_shape: Vec<usize>,
    /// Channel and axes of one y.
    pub y_shape: Vec<usize>,
    /// How many pairs there are.
    pub count: usize,
    /// Standard deviation of the noise that is to be added to y; none where y has it.
    pub noise: Option<f64>,
}

impl OwnTemplate {
    /// A template for the pairs at `path`, named `pairs` in the problem file. Noise is added where y says that it has none.
    ///
    /// # Errors
    /// Pairs that cannot be read.
    pub fn of(path: &Path, pairs: String, noise: Option<f64>) -> Result<Self, ProblemError> {
        let found = Pairs::open(path)?;
        if noise.is_some() && !found.clean() {
            return Err(ProblemError::OwnPairs {
                path: path.into(),
                what: "y does not say that it has no noise yet".into(),
                remedy: "write that, y.attrs[\"noise\"] = \"none\" in h5py, or leave the noise out".into(),
            });
        }
        let (x_shape, y_shape) = (found.x_shape().into(), found.y_shape().into());
        Ok(Self { pairs, x_shape, y_shape, count: found.len(), noise })
    }

    /// The text of `problem.toml`.
    pub fn text(&self, name: &str) -> String {
        let noise = match self.noise {
            Some(sigma) => format!(
                "[noise] # y is stored without: every visit of a pair sees noise of its own, white and Gaussian\nsigma = {sigma:?} # \
                 standard deviation, in the unit of y"
            ),
            None => "# [noise]      # only where y is stored without noise and says so (attribute noise = \"none\")\n# sigma = 0.1  # \
                     standard deviation, in the unit of y"
                .into(),
        };
        let condition = match have_equal_extents(&self.x_shape, &self.y_shape) {
            true => condition_table("observation", "what the network is told: y itself"),
            false => {
                condition_table("reduced", "what the network is told: y brought to the extents of x, which it has not")
            }
        };
        let [validation, test] = HELD_OUT.map(|[least, most]| (self.count / 10).clamp(least, most));
        let batch = BATCH.min(self.count.saturating_sub(validation + test)).max(1);
        let sizes = Sizes::of(self.x_shape.get(1..).unwrap_or_default());
        filled(
            include_str!("own.toml"),
            &[
                ("{name}", quoted(name)),
                ("{pairs}", quoted(&self.pairs)),
                ("{noise}", noise),
                ("{condition}", condition),
                ("{unknown}", sizes.unknown_table()),
                ("{scales}", sizes.scales.to_string()),
                ("{batch}", batch.to_string()),
                ("{validation}", validation.to_string()),
                ("{test}", test.to_string()),
            ],
        )
    }
}

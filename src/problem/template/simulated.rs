use super::sizes::Sizes;
use super::{condition_table, filled, quoted};

/// A problem whose pairs are simulated here.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedTemplate {
    /// Pixels along each axis.
    pub shape: Vec<usize>,
    /// The operator.
    pub operator: OperatorTemplate,
    /// Standard deviation of the noise.
    pub noise: f64,
}

/// The operators that this template knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatorTemplate {
    /// Gaussian blur on a periodic grid.
    #[default]
    CircularBlur,
    /// The image itself.
    Identity,
}

impl OperatorTemplate {
    fn table(self) -> &'static str {
        match self {
            OperatorTemplate::CircularBlur => {
                "[operator] # what is observed: the image blurred by a Gaussian\nkind = \"circular-blur\"\nsigma = 1.5 # pixels"
            }
            OperatorTemplate::Identity => "[operator] # what is observed: the image itself\nkind = \"identity\"",
        }
    }
}

impl SimulatedTemplate {
    /// The text of `problem.toml`.
    pub fn text(&self, name: &str) -> String {
        let sizes = Sizes::of(&self.shape);
        filled(
            include_str!("operator.toml"),
            &[
                ("{name}", quoted(name)),
                ("{shape}", format!("{:?}", self.shape)),
                ("{operator}", self.operator.table().into()),
                ("{noise}", format!("{:?}", self.noise)),
                ("{condition}", condition_table("observation", "what the network is told: y itself")),
                ("{unknown}", sizes.unknown_table()),
                ("{scales}", sizes.scales.to_string()),
            ],
        )
    }
}

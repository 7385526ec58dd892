//! Generators of ground truth, each a distribution with a density.

mod field;

pub use field::PeriodicGaussianField;
pub(crate) use field::filtered_noise;

use ndarray::ArrayD;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A distribution of images.
pub trait Prior: Send + Sync {
    /// Shape of one image, `[channel, axes…]`.
    fn shape(&self) -> Vec<usize>;

    /// One image of shape [`Prior::shape`]: a function of the stream alone.
    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32>;
}

/// What is wrong with a prior's parameters, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PriorError {
    /// A parameter lies outside its domain.
    #[error("prior parameter `{name}` is {value}; {remedy}")]
    Parameter {
        /// Name in the problem file.
        name: &'static str,
        /// Value found.
        value: String,
        /// What to do next.
        remedy: &'static str,
    },
}

/// A prior as a problem file names it, `kind = "…"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PriorConfig {
    /// A Gaussian random field on a periodic grid, see [`PeriodicGaussianField`].
    PeriodicGaussianField {
        /// Pixels along each axis, one to three.
        shape: Vec<usize>,
        /// Added to |k|²: its root is the frequency, in cycles per image, below which the spectrum is flat.
        #[serde(default = "default_offset")]
        offset: f64,
        /// The spectrum falls as |k|^(−2 power).
        #[serde(default = "default_power")]
        power: f64,
    },
}

fn default_offset() -> f64 {
    4.0
}

fn default_power() -> f64 {
    2.0
}

impl PriorConfig {
    /// The prior itself.
    pub fn build(&self) -> Result<Box<dyn Prior>, PriorError> {
        Ok(match self {
            PriorConfig::PeriodicGaussianField { shape, offset, power } => {
                Box::new(PeriodicGaussianField::new(shape, *offset, *power)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_from_toml_with_its_defaults() {
        let text = "kind = \"periodic-gaussian-field\"\nshape = [32, 32]";
        let config = toml::from_str::<PriorConfig>(text).ok();
        let expected = PriorConfig::PeriodicGaussianField { shape: vec![32, 32], offset: 4.0, power: 2.0 };
        assert_eq!(config, Some(expected));
        assert!(toml::from_str::<PriorConfig>(&format!("{text}\npwoer = 3.0")).is_err());
    }

    #[test]
    fn impossible_parameters_are_errors() {
        let build = |shape: &[usize], offset, power| {
            PriorConfig::PeriodicGaussianField { shape: shape.to_vec(), offset, power }.build()
        };
        assert!(build(&[], 4.0, 2.0).is_err());
        assert!(build(&[8, 0], 4.0, 2.0).is_err());
        assert!(build(&[2, 2, 2, 2], 4.0, 2.0).is_err());
        assert!(build(&[8], 0.0, 2.0).is_err());
        assert!(build(&[8], f64::NAN, 2.0).is_err());
        assert!(build(&[8], 4.0, f64::INFINITY).is_err());
        assert!(build(&[8], 4.0, 2.0).is_ok());
    }
}

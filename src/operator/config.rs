use super::blur::CircularBlur;
use super::identity::Identity;
use super::symbol::Convolution;
use super::{LinearOperator, OperatorError, Real};
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

/// An operator as a problem file names it, `kind = "…"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OperatorConfig {
    /// The image itself.
    Identity {},
    /// Gaussian blur on a periodic grid.
    CircularBlur {
        /// Standard deviation in pixels.
        sigma: f64,
    },
}

impl OperatorConfig {
    /// The operator on images of shape `domain`, `[channel, axes…]`.
    pub fn build<T: Real>(&self, domain: &[usize]) -> Result<Box<dyn LinearOperator<T>>, OperatorError> {
        Ok(match self {
            OperatorConfig::Identity {} => Box::new(Identity::new(domain)?),
            OperatorConfig::CircularBlur { sigma } => Box::new(CircularBlur::new(domain, *sigma)?),
        })
    }

    /// The same as a circular convolution in double precision where it is one, and then a Gaussian field has a
    /// posterior in closed form.
    pub fn convolution(&self, domain: &[usize]) -> Result<Option<Convolution<f64>>, OperatorError> {
        Ok(match self {
            OperatorConfig::Identity {} => Some(Convolution::new(domain, |_| Complex::new(1.0, 0.0))?),
            OperatorConfig::CircularBlur { sigma } => Some(CircularBlur::new(domain, *sigma)?.convolution().clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_from_toml_and_names_what_it_does_not_know() {
        let read = |text: &str| toml::from_str::<OperatorConfig>(text).map_err(|e| e.to_string());
        assert_eq!(read("kind = \"identity\""), Ok(OperatorConfig::Identity {}));
        let blur = read("kind = \"circular-blur\"\nsigma = 1.5");
        assert_eq!(blur, Ok(OperatorConfig::CircularBlur { sigma: 1.5 }));
        let unknown = read("kind = \"circular-blur\"\nsigma = 1.5\nwidth = 2");
        assert!(unknown.is_err_and(|message| message.contains("width")));
        assert!(read("kind = \"identity\"\nsigma = 1.0").is_err());
    }
}

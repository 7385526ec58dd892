use super::blur::CircularBlur;
use super::classical::{ClassicalMethod, ClassicalMethods, LeastSquares};
use super::identity::Identity;
use super::photoacoustic::{BackProjection, Photoacoustic, PhotoacousticConfig, TimeReversal, time_reversal};
use super::symbol::Convolution;
use super::{LinearOperator, OperatorError, Real};
use crate::io::Quantity;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An operator as a problem file names it, `kind = "…"`.
///
/// ```
/// use ndarray::{ArrayD, IxDyn};
/// use posteria::operator::OperatorConfig;
///
/// let config: OperatorConfig = toml::from_str("kind = 'circular-blur'\nsigma = 1.5")?;
/// let blur = config.build::<f64>(&[1, 8, 8])?;
/// let x = ArrayD::from_shape_fn(IxDyn(&[1, 1, 8, 8]), |i| (i[2] * i[3]) as f64);
/// let y = ArrayD::from_shape_fn(IxDyn(&[1, 1, 8, 8]), |i| (i[2] as f64).sin());
/// // ⟨A x, y⟩ = ⟨x, A' y⟩
/// let (a_x, at_y) = (blur.apply(x.view())?, blur.adjoint(y.view())?);
/// assert!(((&a_x * &y).sum() - (&x * &at_y).sum()).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OperatorConfig {
    /// The image itself.
    Identity {},
    /// Gaussian blur on a periodic grid.
    CircularBlur {
        /// Standard deviation in pixels.
        sigma: f64,
    },
    /// The records of a photoacoustic scanner, see [`Photoacoustic`].
    Photoacoustic(PhotoacousticConfig),
}

/// Iterations of least squares, from strong to weak regularisation.
const ITERATIONS: [usize; 3] = [3, 10, 30];
/// Pixels times steps of a time reversal: about a minute an image. A volume of 64³ with 96 samples is within.
const MOST_WORK: usize = 1 << 30;

impl OperatorConfig {
    /// What may be a mistake in its settings for images of shape `domain`, `[channel, axes…]`: what it is and what to do.
    pub fn warnings(&self, domain: &[usize]) -> Vec<String> {
        match self {
            OperatorConfig::Photoacoustic(config) => config.silence(domain).warning().into_iter().collect(),
            OperatorConfig::Identity {} | OperatorConfig::CircularBlur { .. } => Vec::new(),
        }
    }

    /// The operator on images of shape `domain`, `[channel, axes…]`.
    pub fn build<T: Real>(&self, domain: &[usize]) -> Result<Box<dyn LinearOperator<T>>, OperatorError> {
        Ok(match self {
            OperatorConfig::Identity {} => Box::new(Identity::new(domain)?),
            OperatorConfig::CircularBlur { sigma } => Box::new(CircularBlur::new(domain, *sigma)?),
            OperatorConfig::Photoacoustic(config) => Box::new(Photoacoustic::new(config, domain)?),
        })
    }

    /// What images of shape `domain` and their observations are, as far as the operator knows.
    pub fn quantities(&self, domain: &[usize]) -> [Quantity; 2] {
        match self {
            OperatorConfig::Identity {} | OperatorConfig::CircularBlur { .. } => Default::default(),
            OperatorConfig::Photoacoustic(config) => config.quantities(domain),
        }
    }

    /// The same as a circular convolution in double precision where it is one, and then a Gaussian field has a
    /// posterior in closed form.
    pub fn convolution(&self, domain: &[usize]) -> Result<Option<Convolution<f64>>, OperatorError> {
        Ok(match self {
            OperatorConfig::Identity {} => Some(Convolution::new(domain, |_| Complex::new(1.0, 0.0))?),
            OperatorConfig::CircularBlur { sigma } => Some(CircularBlur::new(domain, *sigma)?.convolution().clone()),
            OperatorConfig::Photoacoustic(_) => None,
        })
    }

    /// The methods that reconstruct images of shape `domain` without a prior: those of the trade, and least squares.
    pub fn classical_methods<T: Real>(&self, domain: &[usize]) -> Result<ClassicalMethods<T>, OperatorError> {
        let mut methods: Vec<Box<dyn ClassicalMethod<T>>> = Vec::new();
        let mut left_out = Vec::new();
        if let OperatorConfig::Photoacoustic(config) = self {
            methods.push(Box::new(BackProjection::new(config, domain)?));
            match TimeReversal::<T>::work(config, domain)? <= MOST_WORK {
                true => methods.push(Box::new(TimeReversal::new(config, domain)?)),
                false => left_out.push(time_reversal::NAME.into()),
            }
        }
        let operator: Arc<dyn LinearOperator<T>> = Arc::from(self.build(domain)?);
        methods.push(Box::new(LeastSquares::new(operator, &ITERATIONS)));
        Ok(ClassicalMethods { methods, left_out })
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
        let sensors = "{ kind = \"line\", count = 4, first = [-1e-4, 0.0], last = [-1e-4, 3e-4] }";
        let scanner = |more: &str| {
            let keys = "spacing = [1e-4, 1e-4]\ntime_step = 5e-8\ntimes = 8";
            read(&format!("kind = \"photoacoustic\"\n{keys}\nsensors = {sensors}\n{more}"))
        };
        let plain = scanner("");
        assert!(
            matches!(&plain, Ok(OperatorConfig::Photoacoustic(config))
            if (config.sound_speed, config.first_time, &config.grid) == (1500.0, 0.0, &None)),
            "{plain:?}"
        );
        let all = scanner("bandwidth = { center_frequency = 2e6, fraction = 0.7 }\ngrid = [8, 9]");
        let text = all.as_ref().ok().and_then(|config| toml::to_string(config).ok()).unwrap_or_default();
        assert_eq!(read(&text), all);
        assert!(scanner("speed = 3.0").is_err_and(|message| message.contains("speed")));
    }
}

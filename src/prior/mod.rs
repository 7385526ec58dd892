//! Generators of ground truth, each a distribution with a density.

mod ellipses;
mod field;
mod files;
mod matern;
mod texture;
mod vessels;

pub use ellipses::{Ellipses, EllipsesConfig};
pub use field::PeriodicGaussianField;
pub(crate) use field::filtered_noise;
pub use files::{Files, FilesConfig};
pub use matern::MaternField;
pub use vessels::{Vessels, VesselsConfig};

use crate::io::IoError;
use ndarray::ArrayD;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A distribution of images.
pub trait Prior: Send + Sync {
    /// Shape of one image, `[channel, axes…]`.
    fn shape(&self) -> Vec<usize>;

    /// Standard deviation of the white noise that is added to images of files, which have no density without; zero elsewhere.
    fn white_noise(&self) -> f64 {
        0.0
    }

    /// One image of shape [`Prior::shape`]: a function of the stream alone.
    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32>;

    /// The same for one set of pairs. A prior made of a finite number of images keeps some for each set, so that tests see
    /// what training did not; to all others sets are the same.
    fn sample_part(&self, _part: Part, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        self.sample(rng)
    }
}

/// What images of a prior are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What weights are fitted to.
    Training,
    /// What decides which weights are kept.
    Validation,
    /// What judges them.
    Test,
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
    /// A file it is made of cannot be used.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Holds the ends of an interval, the least first, against the range they must lie in.
fn check_interval(
    name: &'static str,
    [least, most]: [f64; 2],
    [low, high]: [f64; 2],
    remedy: &'static str,
) -> Result<(), PriorError> {
    match low <= least && least <= most && most <= high {
        true => Ok(()),
        false => Err(PriorError::Parameter { name, value: format!("{:?}", [least, most]), remedy }),
    }
}

/// A uniform number of an interval.
fn between([low, high]: [f64; 2], rng: &mut ChaCha8Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// A prior as a problem file names it, `kind = "…"`.
///
/// ```
/// use posteria::prior::PriorConfig;
/// use posteria::random::{Purpose, stream};
///
/// let config: PriorConfig = toml::from_str("kind = 'matern'\nshape = [16, 16]\nlength = 4.0")?;
/// let prior = config.build()?;
/// let draw = |index| prior.sample(&mut stream(1, Purpose::Prior, index));
/// assert_eq!(draw(7).shape(), [1, 16, 16]);
/// assert!(draw(7) == draw(7) && draw(7) != draw(8), "an image is a function of its stream");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case", deny_unknown_fields)]
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
    /// A Gaussian random field with a Matérn covariance of variance one, not periodic, see [`MaternField`].
    Matern {
        /// Pixels along each axis, one to three; at most 4096 in all.
        shape: Vec<usize>,
        /// 0.5, 1.5 or 2.5: how smooth it is.
        #[serde(default = "default_smoothness")]
        smoothness: f64,
        /// Over which distance it varies, in pixels.
        length: f64,
    },
    /// Arteries, veins and capillaries, see [`Vessels`].
    Vessels(VesselsConfig),
    /// Ellipses or ellipsoids as in the phantoms of tomography, see [`Ellipses`].
    Ellipses(EllipsesConfig),
    /// Parts of images or volumes that are there already, see [`Files`].
    Files(FilesConfig),
}

fn default_offset() -> f64 {
    4.0
}

fn default_power() -> f64 {
    2.0
}

fn default_smoothness() -> f64 {
    1.5
}

impl PriorConfig {
    /// The prior itself.
    pub fn build(&self) -> Result<Box<dyn Prior>, PriorError> {
        Ok(match self {
            PriorConfig::PeriodicGaussianField { shape, offset, power } => {
                Box::new(PeriodicGaussianField::new(shape, *offset, *power)?)
            }
            PriorConfig::Matern { shape, smoothness, length } => {
                Box::new(MaternField::new(shape, *smoothness, *length)?)
            }
            PriorConfig::Vessels(config) => Box::new(Vessels::new(config)?),
            PriorConfig::Ellipses(config) => Box::new(Ellipses::new(config)?),
            PriorConfig::Files(config) => Box::new(Files::new(config)?),
        })
    }

    /// Makes relative paths absolute: they start from `folder`, that of the problem file.
    pub fn resolve(&mut self, folder: &Path) {
        if let PriorConfig::Files(config) = self {
            let path = folder.join(&config.path);
            config.path = std::path::absolute(&path).unwrap_or(path);
        }
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
        let matern = toml::from_str::<PriorConfig>("kind = \"matern\"\nshape = [8]\nlength = 2.0").ok();
        assert_eq!(matern, Some(PriorConfig::Matern { shape: vec![8], smoothness: 1.5, length: 2.0 }));
    }

    #[test]
    fn every_kind_has_defaults_and_knows_its_keys() {
        for (kind, expected) in [
            ("vessels", PriorConfig::Vessels(VesselsConfig { shape: vec![32, 32], ..VesselsConfig::default() })),
            ("ellipses", PriorConfig::Ellipses(EllipsesConfig { shape: vec![32, 32], ..EllipsesConfig::default() })),
        ] {
            let text = format!("kind = \"{kind}\"\nshape = [32, 32]");
            let config: PriorConfig = toml::from_str(&text).unwrap();
            assert_eq!(config, expected);
            assert_eq!(toml::from_str::<PriorConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
            assert_eq!(config.build().unwrap().shape(), [1, 32, 32]);
            let error = toml::from_str::<PriorConfig>(&format!("{text}\ncontrasts = 1")).unwrap_err().to_string();
            assert!(error.contains("contrasts") && error.contains("grain"), "{error}");
        }
    }

    #[test]
    fn files_are_sought_where_the_problem_is() {
        let text = "kind = \"files\"\npath = \"images/*.png\"\nshape = [32, 32]";
        let mut config: PriorConfig = toml::from_str(text).unwrap();
        config.resolve(Path::new("/data/problem"));
        config.resolve(Path::new("/elsewhere"));
        let PriorConfig::Files(files) = &config else { panic!("{config:?}") };
        assert_eq!(files.path, Path::new("/data/problem/images/*.png"));
        assert_eq!(toml::from_str::<PriorConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert!(toml::from_str::<PriorConfig>("kind = \"files\"\nshape = [8]").is_err(), "no path");
        let error = config.build().map(drop).unwrap_err().to_string();
        assert!(error.contains("/data/problem/images"), "{error}");
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
        let matern = |shape: &[usize], smoothness, length| {
            PriorConfig::Matern { shape: shape.to_vec(), smoothness, length }.build()
        };
        assert!(matern(&[65, 64], 1.5, 4.0).is_err());
        assert!(matern(&[8, 8], 1.0, 4.0).is_err());
        assert!(matern(&[8, 8], 1.5, f64::INFINITY).is_err());
        assert!(matern(&[8, 8], 2.5, 1e7).is_err());
        assert!(matern(&[8, 8], 1.5, 4.0).is_ok());
    }
}

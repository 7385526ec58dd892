use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::summary::{Pyramid, ResidualConfig, Summary, UNetConfig};

/// A summary network as a problem file names it, `kind = "…"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case")]
pub enum SummaryConfig {
    /// Nothing learned: see [`Pyramid`].
    Pyramid(Nothing),
    /// See [`UNet`](crate::summary::UNet).
    UNet(UNetConfig),
    /// See [`Residual`](crate::summary::Residual).
    Residual(ResidualConfig),
}

/// No settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Default for SummaryConfig {
    fn default() -> Self {
        SummaryConfig::Pyramid(Nothing {})
    }
}

/// Why there is no such summary network.
#[derive(Debug, Clone, PartialEq, Error)]
#[allow(missing_docs)] // the messages say it
pub enum SummaryError {
    #[error("[condition.{table}] {key} = {value} is not possible: {remedy}")]
    Setting { table: &'static str, key: &'static str, value: String, remedy: &'static str },
    #[error(
        "[condition.summary] halves its images {levels} times, and {axis} {size} is not divisible by {divisor}: set {key} = {possible} or fewer"
    )]
    Levels { levels: usize, axis: &'static str, size: usize, divisor: usize, key: &'static str, possible: usize },
}

/// The images that a summary network is built for, and the flow that it speaks to.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Of all images together.
    pub channels: usize,
    /// Depth, height and width of x.
    pub extents: [usize; 3],
    /// Which of them are spatial axes.
    pub axes: [bool; 3],
    /// Of the flow.
    pub scales: usize,
}

/// Beyond this, a slip of the keyboard asks for more memory than there is.
const MOST: usize = 4096;

/// The deepest level of a U-Net has at least so many pixels along every axis, where nothing else is asked for.
const COARSEST: usize = 4;

impl Layout {
    /// Of images with the extents of an x of shape `[channel, depth, height, width]`.
    pub fn new(channels: usize, [_, extents @ ..]: [usize; 4], scales: usize) -> Self {
        Self { channels, extents, axes: extents.map(|size| size > 1), scales }
    }

    /// How often the image can be halved with a few pixels left along every axis.
    pub fn deepest(&self) -> usize {
        let spatial = || self.extents.iter().filter(|&&size| size > 1);
        let halved = |level: u32| spatial().all(|size| size.is_multiple_of(1 << level) && size >> level >= COARSEST);
        (1..u32::BITS).take_while(|&level| spatial().count() > 0 && halved(level)).count()
    }

    /// An error unless every setting is between one and some thousand.
    pub fn check(&self, settings: &[(&'static str, usize)]) -> Result<(), SummaryError> {
        for &(key, value) in settings {
            if !(1..=MOST).contains(&value) {
                let remedy = "give 1 to 4096";
                return Err(SummaryError::Setting { table: "summary", key, value: value.to_string(), remedy });
            }
        }
        Ok(())
    }

    /// An error unless every axis can be halved so often, as `key` says.
    pub fn check_levels(&self, levels: usize, key: &'static str) -> Result<(), SummaryError> {
        if levels < self.scales {
            let remedy = "give at least as many levels as the flow has scales, or 0 for as many as make sense";
            return Err(SummaryError::Setting { table: "summary", key: "levels", value: levels.to_string(), remedy });
        }
        let divisor = u32::try_from(levels).ok().and_then(|levels| 1usize.checked_shl(levels)).unwrap_or(0);
        for (axis, &size) in ["depth", "height", "width"].into_iter().zip(&self.extents) {
            if size > 1 && (divisor == 0 || !size.is_multiple_of(divisor)) {
                let halvings = self.extents.iter().filter(|&&size| size > 1).map(|size| size.trailing_zeros() as usize);
                let possible = halvings.min().unwrap_or(0);
                return Err(SummaryError::Levels { levels, axis, size, divisor, key, possible });
            }
        }
        Ok(())
    }
}

impl SummaryConfig {
    /// The network, with random weights where it is learned.
    ///
    /// # Errors
    /// Settings that make no network.
    pub fn init(&self, layout: &Layout, rng: &mut ChaCha8Rng, device: &Device) -> Result<Summary, SummaryError> {
        Ok(match self {
            SummaryConfig::Pyramid(_) => Summary::Pyramid(Pyramid::new(layout.channels, layout.axes, layout.scales)),
            SummaryConfig::UNet(config) => Summary::UNet(config.init(layout, rng, device)?),
            SummaryConfig::Residual(config) => Summary::Residual(config.init(layout, rng, device)?),
        })
    }
}

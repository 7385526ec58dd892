//! Networks of layers, and how a problem file asks for them.

mod glow;
mod nice;
mod scales;

use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::{
    BaseConfig, ConvolutionalConditioner, ConvolutionalConfig, Flow, FlowError, Sequence, Squeezer, Transform,
};

pub use glow::{Glow, GlowConfig};
pub use nice::NiceConfig;

/// A flow of convolutional couplings, such as problem files ask for.
pub type ConvolutionalFlow = Flow<Sequence<ConvolutionalConditioner>>;

/// Which network, and its settings: the table `[network]` of a problem file. Its `kind` is "glow" where none is said.
///
/// ```
/// use burn::tensor::Device;
/// use posteria::flow::{BaseConfig, NetworkConfig};
/// use posteria::random::{Purpose, stream};
///
/// let text = "kind = 'nice'\nscales = 2\nbase = { kind = 'diagonal' }";
/// let network: NetworkConfig = toml::from_str(text)?;
/// assert!(matches!(&network, NetworkConfig::Nice(nice) if nice.base == BaseConfig::Diagonal));
/// let flow = network.build([1, 1, 8, 8], &[], &mut stream(1, Purpose::Weights, 0), &Device::flex())?;
/// assert_eq!(flow.dimension(), 64);
/// let error = toml::from_str::<NetworkConfig>("step = 3").unwrap_err().to_string();
/// assert!(error.contains("unknown field `step`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub enum NetworkConfig {
    /// ActNorm, channel mixing and affine couplings at every scale (Kingma and Dhariwal 2018).
    Glow(GlowConfig),
    /// Additive couplings alone (Dinh, Krueger and Bengio 2015).
    Nice(NiceConfig),
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::Glow(GlowConfig::default())
    }
}

impl From<GlowConfig> for NetworkConfig {
    fn from(config: GlowConfig) -> Self {
        Self::Glow(config)
    }
}

impl From<NiceConfig> for NetworkConfig {
    fn from(config: NiceConfig) -> Self {
        Self::Nice(config)
    }
}

impl NetworkConfig {
    /// Resolutions.
    pub fn scales(&self) -> usize {
        match self {
            Self::Glow(config) => config.scales,
            Self::Nice(config) => config.scales,
        }
    }

    /// The network inside every coupling.
    pub fn conditioner(&self) -> &ConvolutionalConfig {
        match self {
            Self::Glow(config) => &config.conditioner,
            Self::Nice(config) => &config.conditioner,
        }
    }

    /// Every reason why no network for samples of this shape can be built from these settings.
    pub fn validate(&self, shape: [usize; 4]) -> Result<(), FlowError> {
        match self {
            Self::Glow(config) => config.validate(shape),
            Self::Nice(config) => config.validate(shape),
        }
    }

    /// Multiply-adds of the networks of all couplings, see [`GlowConfig::multiply_adds`].
    pub fn multiply_adds(&self, shape: [usize; 4], condition: &[usize]) -> u64 {
        match self {
            Self::Glow(config) => config.multiply_adds(shape, condition),
            Self::Nice(config) => config.multiply_adds(shape, condition),
        }
    }

    /// The network for samples of shape `[channel, depth, height, width]` with random weights, conditioned on one field a
    /// scale with these channels, finest first.
    ///
    /// # Errors
    /// Settings that make no network, shapes that the squeezes do not divide, and a condition missing for a scale.
    pub fn build(
        &self,
        shape: [usize; 4],
        condition: &[usize],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<ConvolutionalFlow, FlowError> {
        match self {
            Self::Glow(config) => config.conditional_glow(shape, condition, rng, device),
            Self::Nice(config) => config.build(shape, condition, rng, device),
        }
    }
}

/// The keys of all kinds, as a file has them: so errors name the line of a key that no kind has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
struct Table {
    #[serde(skip_serializing_if = "Kind::is_glow")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    scales: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reflections: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    squeezer: Option<Squeezer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<Transform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditioner: Option<ConvolutionalConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<BaseConfig>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Glow,
    Nice,
}

impl Kind {
    fn is_glow(&self) -> bool {
        *self == Kind::Glow
    }
}

impl TryFrom<Table> for NetworkConfig {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let Table { kind, scales, steps, reflections, squeezer, transform, conditioner, base } = table;
        match kind {
            Kind::Glow => {
                let usual = GlowConfig::default();
                Ok(Self::Glow(GlowConfig {
                    scales: scales.unwrap_or(usual.scales),
                    steps: steps.unwrap_or(usual.steps),
                    reflections: reflections.unwrap_or(usual.reflections),
                    squeezer: squeezer.unwrap_or(usual.squeezer),
                    transform: transform.unwrap_or(usual.transform),
                    conditioner: conditioner.unwrap_or(usual.conditioner),
                    base: base.unwrap_or(usual.base),
                }))
            }
            Kind::Nice => {
                let said = [("reflections", reflections.is_some()), ("transform", transform.is_some())];
                if let Some((key, _)) = said.into_iter().find(|(_, is_said)| *is_said) {
                    return Err(format!("a network of kind \"nice\" has no {key}: leave it out"));
                }
                let usual = NiceConfig::default();
                Ok(Self::Nice(NiceConfig {
                    scales: scales.unwrap_or(usual.scales),
                    steps: steps.unwrap_or(usual.steps),
                    squeezer: squeezer.unwrap_or(usual.squeezer),
                    conditioner: conditioner.unwrap_or(usual.conditioner),
                    base: base.unwrap_or(usual.base),
                }))
            }
        }
    }
}

impl From<NetworkConfig> for Table {
    fn from(config: NetworkConfig) -> Self {
        match config {
            NetworkConfig::Glow(config) => Self {
                kind: Kind::Glow,
                scales: Some(config.scales),
                steps: Some(config.steps),
                reflections: Some(config.reflections),
                squeezer: Some(config.squeezer),
                transform: Some(config.transform),
                conditioner: Some(config.conditioner),
                base: Some(config.base).filter(|base| *base != BaseConfig::Normal),
            },
            NetworkConfig::Nice(config) => Self {
                kind: Kind::Nice,
                scales: Some(config.scales),
                steps: Some(config.steps),
                squeezer: Some(config.squeezer),
                conditioner: Some(config.conditioner),
                base: Some(config.base),
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_a_kind_is_a_glow_as_it_always_was() {
        let glow: NetworkConfig = toml::from_str("scales = 2\nsteps = 7").unwrap();
        assert_eq!(glow, NetworkConfig::Glow(GlowConfig { scales: 2, steps: 7, ..GlowConfig::default() }));
        let text = serde_json::to_string(&glow).unwrap();
        assert!(!text.contains("kind\":\"glow") && !text.contains("base"), "{text}");
        let nice: NetworkConfig = toml::from_str("kind = 'nice'\nbase = { kind = 'student-t', freedom = 5 }").unwrap();
        for config in [glow, nice] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<NetworkConfig>(&text).unwrap(), config);
        }
    }

    #[test]
    fn keys_that_a_kind_has_not_are_refused() {
        let said = |text: &str| toml::from_str::<NetworkConfig>(text).unwrap_err().to_string();
        assert!(said("kind = 'nice'\nreflections = 3").contains("\"nice\" has no reflections"));
        assert!(said("step = 3").contains("unknown field `step`"));
        assert!(said("kind = 'glown'").contains("unknown variant"));
    }
}

use burn::module::Module;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::convolution::Convolution;
use crate::flow::{Activation, Border, Field, Squeeze, Squeezer};
use crate::summary::block::{Blocks, Norm, Style};
use crate::summary::config::{Layout, SummaryError};

/// Settings of a [`Residual`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ResidualConfig {
    /// Channels inside.
    pub features: usize,
    /// Residual blocks, all at half of the extents of x.
    pub blocks: usize,
    /// Channels of the condition of each scale.
    pub channels: usize,
    /// Between two convolutions.
    pub activation: Activation,
    /// Inside blocks.
    pub norm: Norm,
    /// Beyond the border of the image.
    pub border: Border,
}

impl Default for ResidualConfig {
    fn default() -> Self {
        Self {
            features: 32,
            blocks: 3,
            channels: 16,
            activation: Activation::Silu,
            norm: Norm::None,
            border: Border::Zeros,
        }
    }
}

impl ResidualConfig {
    /// The network for images of this layout, with random weights.
    ///
    /// # Errors
    /// Settings that make no network, and more scales than the image can be halved.
    pub fn init(&self, layout: &Layout, rng: &mut ChaCha8Rng, device: &Device) -> Result<Residual, SummaryError> {
        layout.check(&[("features", self.features), ("channels", self.channels), ("blocks", self.blocks)])?;
        layout.check_levels(layout.scales, "[network] scales")?;
        let style = Style { activation: self.activation, norm: self.norm, border: self.border, axes: layout.axes };
        let squeeze = Squeeze::new(Squeezer::Haar, layout.axes);
        let group = squeeze.factor();
        let pointwise =
            |inputs, outputs, rng: &mut ChaCha8Rng| Convolution::new(inputs, outputs, [1; 3], 1.0, rng, device);
        let read = Convolution::new(layout.channels * group, self.features, style.kernel(3), 1.0, rng, device);
        let blocks = Blocks::new(self.blocks, self.features, style, rng, device);
        let down = (1..layout.scales).map(|_| pointwise(group * self.features, self.features, rng)).collect();
        let write = (0..layout.scales).map(|_| pointwise(self.features, self.channels, rng)).collect();
        Ok(Residual { read, blocks, down, write, squeeze, border: self.border })
    }
}

/// Residual blocks at one resolution, for what needs no wide view: each sees two pixels further.
///
///   r₁ = N(W ∗ s(I)),   r_{l+1} = W s(r_l),   c_l = W r_l,
///
/// with s the Haar squeeze and N the residual blocks (He et al. 2016, arXiv:1603.05027).
#[derive(Module, Debug)]
pub struct Residual {
    read: Convolution,
    blocks: Blocks,
    down: Vec<Convolution>,
    write: Vec<Convolution>,
    squeeze: Squeeze,
    #[module(skip)]
    border: Border,
}

impl Residual {
    /// One condition a scale, finest first.
    pub fn forward(&self, images: Field) -> Vec<Field> {
        let mut level = self.blocks.forward(self.read.whole(self.squeeze.coarser(images), self.border));
        let mut conditions = Vec::with_capacity(self.write.len());
        for (index, write) in self.write.iter().enumerate() {
            if let Some(down) = index.checked_sub(1).and_then(|before| self.down.get(before)) {
                level = down.whole(self.squeeze.coarser(level), self.border);
            }
            conditions.push(write.whole(level.clone(), self.border));
        }
        conditions
    }

    /// Channels of each condition.
    pub fn channels(&self) -> Vec<usize> {
        self.write.iter().map(Convolution::outputs).collect()
    }
}

use burn::module::Module;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::convolution::Convolution;
use crate::flow::{Activation, Border, Field, Squeeze, Squeezer};
use crate::summary::block::{Blocks, Norm, Style};
use crate::summary::config::{Layout, SummaryError};

/// Settings of a [`UNet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct UNetConfig {
    /// Channels at the finest level, which has half of the extents of x; twice as many at the next, four times from
    /// there on.
    pub features: usize,
    /// Residual blocks of a level, on the way down and on the way up.
    pub blocks: usize,
    /// Levels; 0: as many as leave four pixels along the shortest axis, at least those of the flow.
    pub levels: usize,
    /// Channels of the condition of each scale.
    pub channels: usize,
    /// Between two convolutions.
    pub activation: Activation,
    /// Inside blocks.
    pub norm: Norm,
    /// Beyond the border of the image.
    pub border: Border,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self {
            features: 32,
            blocks: 1,
            levels: 0,
            channels: 16,
            activation: Activation::Silu,
            norm: Norm::None,
            border: Border::Zeros,
        }
    }
}

/// A wider network than this is a slip of the keyboard.
const MOST_GROWTH: usize = 4;

impl UNetConfig {
    /// The network for images of this layout, with random weights.
    ///
    /// # Errors
    /// Settings that make no network, and more levels than the image can be halved.
    pub fn init(&self, layout: &Layout, rng: &mut ChaCha8Rng, device: &Device) -> Result<UNet, SummaryError> {
        let levels = match self.levels {
            0 => layout.deepest().max(layout.scales),
            levels => levels,
        };
        layout.check(&[("features", self.features), ("channels", self.channels), ("blocks", self.blocks)])?;
        layout.check_levels(levels, "levels")?;
        let style = Style { activation: self.activation, norm: self.norm, border: self.border, axes: layout.axes };
        let squeeze = Squeeze::new(Squeezer::Haar, layout.axes);
        let group = squeeze.factor();
        let width = |level: usize| self.features * MOST_GROWTH.min(1 << level.min(8));
        let blocks = |level, rng: &mut ChaCha8Rng| Blocks::new(self.blocks, width(level), style, rng, device);
        let pointwise =
            |inputs, outputs, rng: &mut ChaCha8Rng| Convolution::new(inputs, outputs, [1; 3], 1.0, rng, device);
        let read = Convolution::new(layout.channels * group, self.features, style.kernel(3), 1.0, rng, device);
        let down = (1..levels).map(|level| pointwise(group * width(level - 1), width(level), rng)).collect();
        let encoder = (0..levels).map(|level| blocks(level, rng)).collect();
        let up = (1..levels).map(|level| pointwise(width(level), group * width(level - 1), rng)).collect();
        let decoder = (1..levels).map(|level| blocks(level - 1, rng)).collect();
        let write = (0..layout.scales).map(|level| pointwise(width(level), self.channels, rng)).collect();
        Ok(UNet { read, down, encoder, up, decoder, write, squeeze, border: self.border })
    }
}

/// A U-Net that speaks at every scale of a flow (Ronneberger, Fischer and Brox 2015, arXiv:1505.04597).
///
/// Level 1 has half of the extents of the images I. With s the Haar squeeze, which loses nothing, and N residual blocks:
///
///   e₁ = N(W ∗ s(I)),   e_{l+1} = N(W s(e_l))                    down to level L,
///   d_L = e_L,          d_l = N(e_l + s⁻¹(W d_{l+1}))            up again,
///   c_l = W d_l                                                 the condition of scale l.
#[derive(Module, Debug)]
pub struct UNet {
    read: Convolution,
    down: Vec<Convolution>,
    encoder: Vec<Blocks>,
    up: Vec<Convolution>,
    decoder: Vec<Blocks>,
    write: Vec<Convolution>,
    squeeze: Squeeze,
    #[module(skip)]
    border: Border,
}

impl UNet {
    /// One condition a scale, finest first.
    pub fn forward(&self, images: Field) -> Vec<Field> {
        let mut level = self.read.whole(self.squeeze.coarser(images), self.border);
        let mut encoded = Vec::with_capacity(self.encoder.len());
        for (index, blocks) in self.encoder.iter().enumerate() {
            if let Some(down) = index.checked_sub(1).and_then(|before| self.down.get(before)) {
                level = down.whole(self.squeeze.coarser(level), self.border);
            }
            level = blocks.forward(level);
            encoded.push(level.clone());
        }
        let mut decoded = Vec::with_capacity(encoded.len());
        for (index, level) in encoded.into_iter().enumerate().rev() {
            let finer = match (decoded.last().cloned(), self.up.get(index), self.decoder.get(index)) {
                (Some(coarser), Some(up), Some(blocks)) => {
                    let coarser: Field = coarser;
                    blocks.forward(level + self.squeeze.finer(up.whole(coarser, self.border)))
                }
                _ => level,
            };
            decoded.push(finer);
        }
        let finest_first = decoded.into_iter().rev();
        self.write.iter().zip(finest_first).map(|(write, level)| write.whole(level, self.border)).collect()
    }

    /// Channels of each condition.
    pub fn channels(&self) -> Vec<usize> {
        self.write.iter().map(Convolution::outputs).collect()
    }
}

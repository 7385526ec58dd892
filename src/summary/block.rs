//! What learned summary networks are built from.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::convolution::{Convolution, RECTIFIED};
use crate::flow::{Activation, Border, Field};

/// What is done to the size of the values inside a network. Never over a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Nothing: blocks start as the identity and need none.
    #[default]
    None,
    /// Each sample over groups of up to eight channels (Wu and He 2018, arXiv:1803.08494).
    Group,
}

/// Channels of a group.
const GROUP: usize = 8;

/// What all blocks of a network share.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub activation: Activation,
    pub norm: Norm,
    pub border: Border,
    /// Which of depth, height and width are spatial axes.
    pub axes: [bool; 3],
}

impl Style {
    /// Kernel extents of `size` pixels on each spatial axis.
    pub fn kernel(&self, size: usize) -> [usize; 3] {
        self.axes.map(|spatial| if spatial { size } else { 1 })
    }
}

/// Two 3×3 convolutions beside the identity, which they start as (He et al. 2016, arXiv:1603.05027; Zhang, Dauphin and Ma
/// 2019, arXiv:1901.09321):
///
///   y = x + W₂ ∗ φ(n(W₁ ∗ φ(n(x)))),   W₂ = 0 at the start.
#[derive(Module, Debug)]
struct Block {
    norms: Vec<GroupNorm>,
    first: Convolution,
    second: Convolution,
}

/// Residual blocks of equal width.
#[derive(Module, Debug)]
pub struct Blocks {
    blocks: Vec<Block>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    border: Border,
}

impl Blocks {
    pub fn new(count: usize, features: usize, style: Style, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let block = |rng: &mut ChaCha8Rng| {
            let convolution =
                |gain, rng: &mut ChaCha8Rng| Convolution::new(features, features, style.kernel(3), gain, rng, device);
            let groups = (1..=features).find(|&groups| features.is_multiple_of(groups) && features / groups <= GROUP);
            let norm = || GroupNormConfig::new(groups.unwrap_or(1), features).init(device);
            let norms = match style.norm {
                Norm::None => Vec::new(),
                Norm::Group => vec![norm(), norm()],
            };
            Block { norms, first: convolution(RECTIFIED, rng), second: convolution(0.0, rng) }
        };
        let blocks = (0..count).map(|_| block(rng)).collect();
        Self { blocks, activation: style.activation, border: style.border }
    }

    pub fn forward(&self, x: Field) -> Field {
        self.blocks.iter().fold(x, |x, block| {
            let activated = |x: Field, which: usize| {
                let x = match block.norms.get(which) {
                    Some(norm) => norm.forward(x),
                    None => x,
                };
                self.activation.apply(x)
            };
            let h = block.first.whole(activated(x.clone(), 0), self.border);
            x + block.second.whole(activated(h, 1), self.border)
        })
    }
}

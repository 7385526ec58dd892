use burn::module::Module;

use crate::flow::{Field, Squeeze, Squeezer};

/// Images brought to every scale of a flow without loss: squeezed once for the first, twice for the second, by the
/// orthonormal Haar transform.
///
/// Field i has the extents of x at scale i and channels multiplied by 2 to the power of (i + 1) times the number of axes.
#[derive(Module, Debug)]
pub struct Pyramid {
    squeeze: Squeeze,
    #[module(skip)]
    channels: usize,
    #[module(skip)]
    scales: usize,
}

impl Pyramid {
    /// Of `channels` images with these of depth, height and width as spatial axes.
    pub fn new(channels: usize, axes: [bool; 3], scales: usize) -> Self {
        Self { squeeze: Squeeze::new(Squeezer::Haar, axes), channels, scales }
    }

    /// One field a scale, of `images` `[batch, channel, d, h, w]` with the extents of x.
    pub fn forward(&self, images: Field) -> Vec<Field> {
        let mut level = images;
        (0..self.scales)
            .map(|_| {
                level = self.squeeze.coarser(level.clone());
                level.clone()
            })
            .collect()
    }

    /// Channels of each field.
    pub fn channels(&self) -> Vec<usize> {
        (1..=self.scales).map(|level| self.channels * self.squeeze.factor().pow(level as u32)).collect()
    }
}

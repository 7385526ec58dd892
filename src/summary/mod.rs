//! What a flow is told of an observation: the condition at each of its scales.

use crate::flow::{Field, Squeeze, Squeezer};

/// An image brought to every scale of a flow without loss: squeezed once for the first, twice for the second, by the
/// orthonormal Haar transform.
///
/// `image`: `[batch, channel, d, h, w]` with the extents of x; field i has the extents of x at scale i and channels
/// multiplied by 2 to the power of (i + 1) times the number of axes.
pub fn pyramid(image: Field, axes: [bool; 3], scales: usize) -> Vec<Field> {
    let squeeze = Squeeze::new(Squeezer::Haar, axes);
    let mut level = image;
    (0..scales)
        .map(|_| {
            level = squeeze.apply(level.clone());
            level.clone()
        })
        .collect()
}

/// Channels of each field of [`pyramid`].
pub fn pyramid_channels(channels: usize, axes: [bool; 3], scales: usize) -> Vec<usize> {
    let factor = Squeeze::new(Squeezer::Haar, axes).factor();
    (1..=scales).map(|level| channels * factor.pow(level as u32)).collect()
}

//! What a flow is told of an observation: the condition at each of its scales.
//!
//! Images made of an observation, and a learned [`Reducer`] of its traces, are put side by side as channels and become one
//! field for every scale of the flow: without loss and without learning ([`Pyramid`]), or by a network that is trained
//! together with the flow ([`UNet`], [`Residual`]). These are ordinary Burn modules, differentiated by autodiff. The
//! condition of a sample never depends on the rest of its batch.

mod block;
mod config;
mod pyramid;
mod reducer;
mod residual;
mod u_net;

pub use block::Norm;
pub use config::{Layout, SummaryConfig, SummaryError};
pub use pyramid::Pyramid;
pub use reducer::{Reducer, ReducerConfig};
pub use residual::{Residual, ResidualConfig};
pub use u_net::{UNet, UNetConfig};

use burn::module::Module;

use crate::flow::Field;

/// The network that makes the conditions of a flow: `[batch, channel, d, h, w]` with the extents of x to one field a scale,
/// finest first, the first at half of those extents.
#[derive(Module, Debug)]
pub enum Summary {
    /// Fixed.
    Pyramid(Pyramid),
    /// Learned.
    UNet(UNet),
    /// Learned.
    Residual(Residual),
}

impl Summary {
    /// The conditions that these images make.
    pub fn forward(&self, images: Field) -> Vec<Field> {
        match self {
            Summary::Pyramid(network) => network.forward(images),
            Summary::UNet(network) => network.forward(images),
            Summary::Residual(network) => network.forward(images),
        }
    }

    /// Channels of each condition.
    pub fn channels(&self) -> Vec<usize> {
        match self {
            Summary::Pyramid(network) => network.channels(),
            Summary::UNet(network) => network.channels(),
            Summary::Residual(network) => network.channels(),
        }
    }

    /// Whether there is anything to train in it.
    pub fn is_learned(&self) -> bool {
        !matches!(self, Summary::Pyramid(_))
    }
}

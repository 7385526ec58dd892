use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::flow::base::tensor;
use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};
use crate::kernels::{gram, no_log_det, reflect, reflection_gradients};

/// An orthogonal 1×1 convolution: a product of Householder reflections over the channels.
///
///   z = W x at every pixel,   W = H₁ H₂ … H_r,   Hᵢ = I − 2 vᵢvᵢᵀ/(vᵢᵀvᵢ),   log_det = 0,   W⁻¹ = Wᵀ.
///
/// r reflections on k channels span a part of the orthogonal group; r = k spans one of its two halves. The gradient
/// of all vectors follows from one k×k Gram matrix, ∂L/∂W = Σ_pixels z̄ xᵀ (forward) or Σ z x̄ᵀ (inverse), see
/// [`reflection_gradients`] (Tomczak and Welling 2016, arXiv:1611.09630; Orozco et al. 2024).
#[derive(Module, Debug)]
pub struct ChannelMixing {
    /// One v a row: `[reflection, channel]`.
    vectors: Param<Tensor<2>>,
}

impl ChannelMixing {
    /// Random reflections; at most as many as there are channels are of use.
    pub fn new(channels: usize, reflections: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let values = (0..reflections * channels).map(|_| StandardNormal.sample(rng)).collect();
        let vectors = tensor(values, [reflections, channels], DType::F32, device);
        Self { vectors: Param::from_tensor(vectors) }
    }

    /// W x forward, Wᵀ x inverse.
    fn apply(&self, to: Direction, x: Field) -> Field {
        let vectors = self.vectors.val();
        let all = 0..vectors.dims()[0];
        match to {
            Direction::Forward => reflect(x, vectors, all.rev()),
            Direction::Inverse => reflect(x, vectors, all),
        }
    }
}

impl Invertible for ChannelMixing {
    fn output_shape(&self, _to: Direction, x: [usize; 5], _c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        match self.vectors.val().dims()[1] {
            expected if expected == x[1] => Ok(x),
            expected => Err(FlowError::Channels { layer: "channel mixing", expected, found: x[1] }),
        }
    }

    fn transform(&self, to: Direction, x: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = no_log_det(&x);
        (self.apply(to, x), log_det)
    }

    fn pull(&self, of: Direction, State { value, gradient }: State, pull: &mut Pull) -> State {
        let value = self.apply(of.reversed(), value);
        let dw = match of {
            Direction::Forward => gram(gradient.clone(), value.clone()),
            Direction::Inverse => gram(value.clone(), gradient.clone()),
        };
        pull.dparameters.add(&self.vectors, reflection_gradients(self.vectors.val(), dw));
        State { value, gradient: self.apply(of.reversed(), gradient) }
    }
}

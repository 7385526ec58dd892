use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::flow::base::tensor;
use crate::flow::{Condition, ConditionGradient, Field, FlowError, Invertible, ParameterGradients, PerSample, Tapes};
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

    fn apply(&self, x: Field) -> Field {
        let vectors = self.vectors.val();
        let count = vectors.dims()[0];
        reflect(x, vectors, (0..count).rev())
    }

    fn apply_transposed(&self, z: Field) -> Field {
        let vectors = self.vectors.val();
        let count = vectors.dims()[0];
        reflect(z, vectors, 0..count)
    }
}

impl Invertible for ChannelMixing {
    fn output_shape(&self, x: [usize; 5], _c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        match self.vectors.val().dims()[1] {
            expected if expected == x[1] => Ok(x),
            expected => Err(FlowError::Channels { layer: "channel mixing", expected, found: x[1] }),
        }
    }

    fn initialize(self, x: Field, c: &Condition) -> (Self, Field) {
        let (z, _) = self.forward(x, c, &mut Tapes::none());
        (self, z)
    }

    fn forward(&self, x: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = no_log_det(&x);
        (self.apply(x), log_det)
    }

    fn inverse(&self, z: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = no_log_det(&z);
        (self.apply_transposed(z), log_det)
    }

    fn forward_vjp(
        &self,
        (z, dz): (Field, Field),
        _dlog_det: &PerSample,
        _c: &Condition,
        _dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        _tapes: &mut Tapes,
    ) -> (Field, Field) {
        let x = self.apply_transposed(z);
        let dw = gram(dz.clone(), x.clone());
        dtheta.add(&self.vectors, reflection_gradients(self.vectors.val(), dw));
        (x, self.apply_transposed(dz))
    }

    fn inverse_vjp(
        &self,
        (x, dx): (Field, Field),
        _dlog_det: &PerSample,
        _c: &Condition,
        _dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        _tapes: &mut Tapes,
    ) -> (Field, Field) {
        let z = self.apply(x);
        let dw = gram(z.clone(), dx.clone());
        dtheta.add(&self.vectors, reflection_gradients(self.vectors.val(), dw));
        (z, self.apply(dx))
    }
}

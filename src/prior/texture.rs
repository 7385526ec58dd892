use super::{PeriodicGaussianField, Prior, PriorError};
use ndarray::{ArrayViewMutD, Zip};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// What lies behind the shapes of an image, so that it has a density: no pixel is constant, no region flat.
///
/// x = shapes + decay ∘ texture · f + grain · w, where f is a smooth Gaussian field of variance 1 with spectrum
/// (1 + |k|²)^(−(axes + 1)/2), as tissue has, and w is white noise of variance 1. The white part alone bounds the
/// log-density: it is at most that of pixels known to within `grain`.
pub(super) struct Texture {
    field: PeriodicGaussianField,
    texture: f32,
    grain: f32,
}

impl Texture {
    /// On `shape` pixels, with standard deviations in the unit of the image; `grain` is positive.
    pub fn new(shape: &[usize], texture: f64, grain: f64) -> Result<Self, PriorError> {
        let parameter =
            |name, value: f64, remedy| Err(PriorError::Parameter { name, value: value.to_string(), remedy });
        if !(texture >= 0.0 && texture.is_finite()) {
            return parameter("texture", texture, "give a standard deviation, zero or positive");
        }
        if !(grain > 0.0 && (grain as f32).is_normal()) {
            return parameter("grain", grain, "give a positive standard deviation: without it images have no density");
        }
        let field = PeriodicGaussianField::new(shape, 1.0, (shape.len() + 1) as f64 / 2.0)?;
        Ok(Self { field, texture: texture as f32, grain: grain as f32 })
    }

    /// Adds it to an image `[axes…]`; `decay` of its index along the first axis scales the smooth part.
    pub fn add(&self, mut image: ArrayViewMutD<f32>, decay: impl Fn(usize) -> f32, rng: &mut ChaCha8Rng) {
        let field = self.field.sample(rng);
        for (index, (mut slab, field)) in
            image.outer_iter_mut().zip(field.index_axis(ndarray::Axis(0), 0).outer_iter()).enumerate()
        {
            let size = self.texture * decay(index);
            Zip::from(&mut slab).and(&field).for_each(|x, &f| {
                let white: f32 = StandardNormal.sample(rng);
                *x += size * f + self.grain * white;
            });
        }
    }
}

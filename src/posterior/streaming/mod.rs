//! Moments and quantiles of draws that are seen once and not kept.

mod moments;
mod quantiles;

pub use moments::Moments;
pub use quantiles::Quantiles;

use super::PosteriorError;
use super::error::check_shape;
use ndarray::ArrayViewD;

fn check_draws<T>(draws: &ArrayViewD<T>, shape: &[usize]) -> Result<(), PosteriorError> {
    let count = draws.shape().first().copied().unwrap_or(0);
    let expected: Vec<usize> = std::iter::once(count).chain(shape.iter().copied()).collect();
    check_shape("batch of draws", draws.shape(), &expected)
}

#[cfg(test)]
mod tests {
    use super::PosteriorError;
    use crate::random::{Purpose, stream};
    use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
    use rand_distr::{Distribution, StandardNormal};

    pub type Outcome = Result<(), PosteriorError>;

    pub fn normals(draws: usize, entries: usize) -> ArrayD<f32> {
        let mut rng = stream(11, Purpose::Diagnostic, 0);
        ArrayD::from_shape_simple_fn(IxDyn(&[draws, entries]), || StandardNormal.sample(&mut rng))
    }

    pub fn slices(draws: &ArrayD<f32>, size: usize) -> impl Iterator<Item = ArrayViewD<'_, f32>> {
        draws.axis_chunks_iter(Axis(0), size)
    }
}

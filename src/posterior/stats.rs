//! Mean, variance, standard deviation and quantiles of draws, in one pass over slabs of them.

use super::PosteriorError;
use super::streaming::{Moments, Quantiles};
use ndarray::{ArrayD, ArrayViewD};

/// A reduction in progress: give it draws, then ask for the [`Summary`]. Memory does not depend on their number.
///
/// ```
/// use ndarray::{ArrayD, IxDyn};
/// use posteria::posterior::stats::Reduction;
///
/// let mut reduction = Reduction::new(&[1, 2], &[0.05, 0.95], 100)?;
/// for slab in 0..10 {
///     let draws = ArrayD::from_elem(IxDyn(&[10, 1, 2]), slab as f32);
///     reduction.add(draws.view())?;
/// }
/// let summary = reduction.finish()?;
/// assert_eq!((summary.draws, summary.mean[[0, 1]]), (100, 4.5));
/// assert!((summary.variance[[0, 1]] - 825.0 / 99.0).abs() < 1e-9);
/// assert_eq!(summary.quantiles.shape(), [2, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reduction {
    levels: Vec<f64>,
    moments: Moments,
    quantiles: Quantiles,
}

/// What is kept of many draws of an image: maps of the shape of one draw.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Number of draws.
    pub draws: u64,
    /// Their mean.
    pub mean: ArrayD<f32>,
    /// Their variance, divided by draws − 1: NaN for a single draw.
    pub variance: ArrayD<f64>,
    /// Its root.
    pub standard_deviation: ArrayD<f32>,
    /// The levels of the quantiles, between 0 and 1.
    pub levels: Vec<f64>,
    /// `[level, shape of a draw…]`.
    pub quantiles: ArrayD<f32>,
    /// Bound on the error of the quantiles' ranks as a share of the draws: zero for as many draws as were kept.
    pub rank_error: f64,
}

impl Reduction {
    /// Of draws of `shape`, with quantiles at `levels`, each between 0 and 1, that are exact for up to `capacity` draws
    /// (see [`Quantiles::capacity`]).
    pub fn new(shape: &[usize], levels: &[f64], capacity: usize) -> Result<Reduction, PosteriorError> {
        if let Some(level) = levels.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            let remedy = "give quantile levels between 0 and 1";
            return Err(PosteriorError::Parameter { name: "level", value: level.to_string(), remedy });
        }
        let quantiles = Quantiles::new(shape, capacity);
        Ok(Reduction { levels: levels.to_vec(), moments: Moments::new(shape), quantiles })
    }

    /// Adds a slab of draws, `[draw, shape…]`.
    pub fn add(&mut self, draws: ArrayViewD<f32>) -> Result<(), PosteriorError> {
        self.moments.add(draws.view())?;
        if self.levels.is_empty() { Ok(()) } else { self.quantiles.add(draws) }
    }

    /// The maps of all draws added so far; an error if there are none.
    pub fn finish(&self) -> Result<Summary, PosteriorError> {
        if self.moments.count() == 0 {
            return Err(PosteriorError::Empty);
        }
        let single = |map: ArrayD<f64>| map.mapv(|v| v as f32);
        let quantiles = if self.levels.is_empty() {
            let mut shape = vec![0];
            shape.extend(self.moments.mean().shape());
            ArrayD::zeros(shape)
        } else {
            self.quantiles.values(&self.levels)?
        };
        Ok(Summary {
            draws: self.moments.count(),
            mean: single(self.moments.mean()),
            variance: self.moments.variance(),
            standard_deviation: single(self.moments.standard_deviation()),
            levels: self.levels.clone(),
            quantiles,
            rank_error: self.quantiles.rank_error(),
        })
    }
}

/// Reduces slabs `[draw, shape…]`, each read when its turn comes, so that draws larger than memory can be reduced.
/// The first error of the slabs ends it.
pub fn reduce<E: From<PosteriorError>>(
    slabs: impl IntoIterator<Item = Result<ArrayD<f32>, E>>,
    levels: &[f64],
) -> Result<Summary, E> {
    let mut reduction: Option<Reduction> = None;
    for slab in slabs {
        let slab = slab?;
        let mut current = match reduction.take() {
            Some(current) => current,
            None => Reduction::new(slab.shape().get(1..).unwrap_or_default(), levels, Quantiles::CAPACITY)?,
        };
        current.add(slab.view())?;
        reduction = Some(current);
    }
    Ok(reduction.ok_or(PosteriorError::Empty)?.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn slab(from: usize, to: usize) -> Result<ArrayD<f32>, PosteriorError> {
        Ok(ArrayD::from_shape_fn(vec![to - from, 1, 2], |i| ((i[0] + from) * (i[2] + 1)) as f32))
    }

    #[test]
    fn slabs_of_any_size_reduce_alike() -> Result<(), PosteriorError> {
        let levels = [0.05, 0.5, 0.95];
        let one = reduce([slab(0, 101)], &levels)?;
        let many = reduce([slab(0, 1), slab(1, 60), slab(60, 101)], &levels)?;
        for summary in [one, many] {
            assert_eq!((summary.draws, summary.rank_error), (101, 0.0));
            assert_eq!(summary.mean.shape(), [1, 2]);
            assert_eq!(summary.quantiles.shape(), [3, 1, 2]);
            assert_abs_diff_eq!(summary.mean[[0, 1]], 100.0, epsilon = 1e-4);
            // Variance of 0 … n − 1 with n = 101: n (n + 1) / 12.
            assert_abs_diff_eq!(summary.variance[[0, 0]], 858.5, epsilon = 1e-3);
            assert_abs_diff_eq!(summary.standard_deviation[[0, 0]], 858.5_f32.sqrt(), epsilon = 1e-4);
            assert_abs_diff_eq!(summary.quantiles[[2, 0, 0]], 95.0, epsilon = 1e-4);
        }
        Ok(())
    }

    #[test]
    fn no_draws_bad_levels_and_broken_slabs_are_errors() {
        let none: [Result<ArrayD<f32>, PosteriorError>; 0] = [];
        assert!(matches!(reduce(none, &[]), Err(PosteriorError::Empty)));
        assert!(reduce([slab(0, 3)], &[-0.1]).is_err());
        let mixed = [slab(0, 3), Ok(ArrayD::zeros(vec![2, 3]))];
        assert!(matches!(reduce(mixed, &[]), Err(PosteriorError::Shape { .. })));
    }
}

use super::check_draws;
use crate::posterior::PosteriorError;
use crate::posterior::error::check_shape;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Zip};

/// Mean and variance of every entry over the draws seen so far, by Welford's update, in f64.
///
/// Adding draw n: δ = x − mean, mean += δ/n, M₂ += δ (x − mean). Two of them merge by Chan's formula (Chan, Golub and
/// LeVeque 1983). Memory: two f64 an entry, however many draws.
#[derive(Clone, Debug)]
pub struct Moments {
    count: u64,
    mean: ArrayD<f64>,
    squares: ArrayD<f64>,
}

impl Moments {
    /// Of draws of `shape`, none seen yet.
    pub fn new(shape: &[usize]) -> Moments {
        Moments { count: 0, mean: ArrayD::zeros(IxDyn(shape)), squares: ArrayD::zeros(IxDyn(shape)) }
    }

    /// Adds a batch of draws, `[draw, shape…]`.
    pub fn add<T: Copy + Into<f64>>(&mut self, draws: ArrayViewD<T>) -> Result<(), PosteriorError> {
        check_draws(&draws, self.mean.shape())?;
        for draw in draws.axis_iter(Axis(0)) {
            self.count += 1;
            let share = 1.0 / self.count as f64;
            Zip::from(&mut self.mean).and(&mut self.squares).and(draw).for_each(|mean, squares, &x| {
                let x: f64 = x.into();
                let delta = x - *mean;
                *mean += delta * share;
                *squares += delta * (x - *mean);
            });
        }
        Ok(())
    }

    /// Adds all draws another one has seen.
    pub fn merge(&mut self, other: &Moments) -> Result<(), PosteriorError> {
        check_shape("other moments", other.mean.shape(), self.mean.shape())?;
        let total = self.count + other.count;
        if total == 0 {
            return Ok(());
        }
        let share = other.count as f64 / total as f64;
        let weight = self.count as f64 * share;
        Zip::from(&mut self.mean).and(&mut self.squares).and(&other.mean).and(&other.squares).for_each(
            |mean, squares, &other_mean, &other_squares| {
                let delta = other_mean - *mean;
                *mean += delta * share;
                *squares += other_squares + delta * delta * weight;
            },
        );
        self.count = total;
        Ok(())
    }

    /// Number of draws seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; NaN before the first draw.
    pub fn mean(&self) -> ArrayD<f64> {
        if self.count == 0 { &self.mean + f64::NAN } else { self.mean.clone() }
    }

    /// The unbiased variance, divided by n − 1; NaN before the second draw.
    pub fn variance(&self) -> ArrayD<f64> {
        let freedom = if self.count < 2 { f64::NAN } else { (self.count - 1) as f64 };
        &self.squares / freedom
    }

    /// The root of [`Moments::variance`].
    pub fn standard_deviation(&self) -> ArrayD<f64> {
        self.variance().mapv(f64::sqrt)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Outcome, normals, slices};
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn moments_agree_with_two_passes_however_the_draws_come() -> Outcome {
        let draws = normals(1000, 3) + 1000.0;
        let exact = draws.mapv(f64::from);
        let mut whole = Moments::new(&[3]);
        for slice in slices(&draws, 7) {
            whole.add(slice)?;
        }
        let (mut left, mut right) = (Moments::new(&[3]), Moments::new(&[3]));
        left.add(draws.slice_axis(Axis(0), (..300).into()))?;
        right.add(draws.slice_axis(Axis(0), (300..).into()))?;
        left.merge(&right)?;
        left.merge(&Moments::new(&[3]))?;
        for moments in [whole, left] {
            assert_eq!(moments.count(), 1000);
            for entry in 0..3 {
                let column = exact.index_axis(Axis(1), entry);
                assert_abs_diff_eq!(moments.mean()[entry], column.mean().unwrap_or(0.0), epsilon = 1e-9);
                assert_abs_diff_eq!(moments.variance()[entry], column.var(1.0), epsilon = 1e-9);
                assert_abs_diff_eq!(moments.standard_deviation()[entry], column.std(1.0), epsilon = 1e-9);
            }
        }
        Ok(())
    }

    #[test]
    fn moments_of_too_few_draws_are_nan() -> Outcome {
        let mut moments = Moments::new(&[1]);
        assert!(moments.mean()[0].is_nan());
        moments.add(normals(1, 1).view())?;
        assert!(moments.mean()[0].is_finite() && moments.variance()[0].is_nan());
        assert!(moments.add(normals(1, 2).view()).is_err());
        Ok(())
    }
}

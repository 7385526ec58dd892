//! Ranks of the truth among posterior draws: simulation-based calibration (Talts et al. 2018, arXiv:1804.06788).

use super::UqError;
use super::error::check_shape;
use ndarray::{ArrayD, ArrayViewD, Axis, Zip};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Counts the draws below the truth, entry by entry, while they stream past.
///
/// r = the number of θ_m < θ*, plus a uniform 0 … #equal where draws tie with the truth: uniform on 0 … M if truth and draws
/// come from the same distribution. A NaN draw counts as above, which shows as bias.
///
/// ```
/// use ndarray::array;
/// use posteria::random::{Purpose, stream};
/// use posteria::uq::ranks::Ranking;
///
/// let truth = array![0.5, 9.0].into_dyn();
/// let mut ranking = Ranking::new(truth.view());
/// ranking.add(array![[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]].into_dyn().view())?;
/// let ranks = ranking.ranks(&mut stream(1, Purpose::Diagnostic, 0));
/// assert_eq!(ranks, array![1, 3].into_dyn(), "draws below the truth, entry by entry");
/// # Ok::<(), posteria::uq::UqError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ranking {
    truth: ArrayD<f32>,
    below: ArrayD<u32>,
    equal: ArrayD<u32>,
    draws: u32,
}

impl Ranking {
    /// Of draws of the posterior of the observation that `truth` made.
    pub fn new(truth: ArrayViewD<f32>) -> Ranking {
        let zero = ArrayD::zeros(truth.raw_dim());
        Ranking { truth: truth.to_owned(), below: zero.clone(), equal: zero, draws: 0 }
    }

    /// Adds a batch of draws, `[draw, shape of the truth…]`.
    pub fn add(&mut self, draws: ArrayViewD<f32>) -> Result<(), UqError> {
        let count = draws.shape().first().copied().unwrap_or(0);
        let expected: Vec<usize> = std::iter::once(count).chain(self.truth.shape().iter().copied()).collect();
        check_shape("batch of draws", draws.shape(), &expected)?;
        for draw in draws.axis_iter(Axis(0)) {
            self.draws += 1;
            Zip::from(&mut self.below).and(&mut self.equal).and(&self.truth).and(draw).for_each(
                |below, equal, truth, draw| {
                    *below += u32::from(draw < truth);
                    *equal += u32::from(draw == truth);
                },
            );
        }
        Ok(())
    }

    /// Number of draws M seen.
    pub fn draws(&self) -> u32 {
        self.draws
    }

    /// The ranks, 0 … M, of the shape of the truth; ties are broken by `rng`.
    pub fn ranks(&self, rng: &mut ChaCha8Rng) -> ArrayD<u32> {
        let mut ranks = self.below.clone();
        ranks.zip_mut_with(&self.equal, |rank, &equal| {
            if equal > 0 {
                *rank += rng.random_range(0..=equal);
            }
        });
        ranks
    }
}

/// The rank of a scalar among draws of it, 0 … draws.len(); ties are broken by `rng`.
pub fn rank(truth: f64, draws: &[f64], rng: &mut ChaCha8Rng) -> u32 {
    let below = draws.iter().filter(|&&draw| draw < truth).count() as u32;
    let equal = draws.iter().filter(|&&draw| draw == truth).count() as u32;
    below + if equal > 0 { rng.random_range(0..=equal) } else { 0 }
}

/// Counts of ranks 0 … M in `bins` bins; M + 1 must be a multiple of `bins`, or some bins would expect more.
pub fn histogram(ranks: &[u32], draws: u32, bins: usize) -> Result<Vec<u32>, UqError> {
    let values = draws as usize + 1;
    if bins == 0 || !values.is_multiple_of(bins) {
        let remedy = "the number of draws plus one must be a multiple of it";
        return Err(UqError::Parameter { name: "bins", value: bins.to_string(), remedy });
    }
    let mut counts = vec![0; bins];
    for &rank in ranks {
        let bin = rank as usize / (values / bins);
        match counts.get_mut(bin) {
            Some(count) => *count += 1,
            None => {
                let remedy = "ranks go from 0 to the number of draws";
                return Err(UqError::Parameter { name: "rank", value: rank.to_string(), remedy });
            }
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn ranks_count_and_ties_are_shared_out() -> Result<(), UqError> {
        let mut rng = stream(1, Purpose::Diagnostic, 0);
        assert_eq!(rank(2.5, &[1.0, 2.0, 3.0], &mut rng), 2);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[rank(0.0, &[0.0, 0.0, 0.0], &mut rng) as usize] += 1;
        }
        assert!(counts.iter().all(|&c: &i32| (c - 1000).abs() < 150), "{counts:?}");
        let truth = ArrayD::from_shape_vec(vec![2], vec![0.5, 9.0]).unwrap_or_default();
        let mut ranking = Ranking::new(truth.view());
        ranking.add(ArrayD::from_shape_fn(vec![5, 2], |i| i[0] as f32).view())?;
        assert_eq!(ranking.ranks(&mut rng).iter().copied().collect::<Vec<_>>(), [1, 5]);
        assert!(ranking.add(ArrayD::zeros(vec![5, 3]).view()).is_err());
        Ok(())
    }

    #[test]
    fn bins_must_share_the_ranks_evenly() -> Result<(), UqError> {
        assert_eq!(histogram(&[0, 1, 2, 3, 5], 5, 3)?, [2, 2, 1]);
        assert!(histogram(&[0], 5, 4).is_err());
        assert!(histogram(&[6], 5, 3).is_err());
        Ok(())
    }
}

//! How far a record lies from many: the distance of Mahalanobis (1936) over its traits.

use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

/// Share of the identity in the correlation of as many records as traits: with fewer records than traits it is singular.
const SHRINKAGE: f64 = 0.1;

/// The traits of held-out records: where they lie, how they vary together, and how far each lies from all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typical {
    /// Of each trait.
    mean: Vec<f64>,
    /// Of each trait, positive.
    deviation: Vec<f64>,
    /// The inverse of their correlation, row after row.
    precision: Vec<f64>,
    /// Of each record from the others, ascending.
    distances: Vec<f64>,
}

/// The trait by which a record lies farthest off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strangest {
    /// Its number.
    pub number: usize,
    /// By how much it differs from the mean.
    pub by: f64,
    /// The same in standard deviations.
    pub deviations: f64,
}

impl Typical {
    /// Of the traits of records, `[record, trait]`, two or more.
    ///
    /// Each record's distance is that from the mean and covariance of all others, as a new record's is: it was not one of
    /// those that they were taken from. With the scatter W of all n and v = x − mean, that of the others is W − n/(n−1) v vᵀ,
    /// and the formula of Sherman and Morrison (1950) makes of h = vᵀ W⁻¹ v the distance² n²/(n−1)² (n−2) h/(1 − h n/(n−1)).
    pub fn of(traits: &Array2<f64>) -> Option<Self> {
        let (n, count) = (traits.nrows() as f64, traits.ncols());
        let mean = traits.mean_axis(Axis(0)).filter(|_| traits.nrows() > 1)?;
        let deviation: Array1<f64> =
            traits.std_axis(Axis(0), 1.0).iter().zip(&mean).map(|(&d, &m)| usable(d, m)).collect();
        let standard = (traits - &mean) / &deviation;
        let share = SHRINKAGE * (count as f64 / n).min(1.0);
        let correlation = standard.t().dot(&standard) / (n - 1.0);
        let shrunk =
            Mat::from_fn(count, count, |i, j| (1.0 - share) * correlation[[i, j]] + if i == j { share } else { 0.0 });
        let inverse = shrunk.llt(Side::Lower).ok()?.inverse();
        let precision = Array2::from_shape_fn((count, count), |(i, j)| inverse[(i, j)]);
        let without = n / (n - 1.0);
        let from_others = |v: ArrayView1<f64>| {
            let h = v.dot(&precision.dot(&v)) / (n - 1.0);
            // What the record itself adds to the scatter, of which a share was taken from all.
            let own = (1.0 - share) * without * h;
            (without.powi(2) * (n - 2.0) * h / (1.0 - own).max(f64::EPSILON)).sqrt()
        };
        let mut distances: Vec<f64> = standard.outer_iter().map(from_others).collect();
        distances.sort_by(f64::total_cmp);
        let (mean, deviation) = (mean.to_vec(), deviation.to_vec());
        Some(Self { mean, deviation, precision: precision.iter().copied().collect(), distances })
    }

    /// The distances of the held-out records, ascending.
    pub fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// The distance of a record, and what it differs most in; none where it has other traits.
    pub fn distance(&self, traits: ArrayView1<f64>) -> Option<(f64, Strangest)> {
        let count = self.mean.len();
        if traits.len() != count || self.deviation.len() != count {
            return None;
        }
        let precision = ArrayView1::from(&self.precision).into_shape_with_order((count, count)).ok()?;
        let by = &traits - &ArrayView1::from(&self.mean);
        let standard = &by / &ArrayView1::from(&self.deviation);
        let square = standard.dot(&precision.dot(&standard));
        let far = |number: &usize| standard[*number].abs();
        let number = (0..count).max_by(|a, b| far(a).total_cmp(&far(b)))?;
        let strangest = Strangest { number, by: by[number], deviations: standard[number] };
        Some((square.max(0.0).sqrt().min(f64::from(f32::MAX)), strangest))
    }
}

/// The deviation of a trait; one that never varied is measured by its size.
fn usable(deviation: f64, mean: f64) -> f64 {
    if deviation > 1e-9 * mean.abs() {
        deviation
    } else if mean != 0.0 {
        1e-3 * mean.abs()
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use ndarray::{array, s};
    use rand_distr::{Distribution, StandardNormal};

    /// Traits of which the second follows the first.
    fn records(count: usize, index: u64) -> Array2<f64> {
        let mut rng = stream(3, Purpose::Diagnostic, index);
        let mut one = || -> f64 { StandardNormal.sample(&mut rng) };
        let mut all = Array2::from_shape_simple_fn((count, 5), &mut one);
        for mut record in all.outer_iter_mut() {
            record[1] = 3.0 * record[0] + 0.1 * record[1];
            record[4] = 7.0;
        }
        all
    }

    #[test]
    fn the_distance_of_each_is_that_from_all_others() {
        let all = records(60, 0);
        let typical = Typical::of(&all).unwrap();
        let mut expected: Vec<f64> = (0..60)
            .map(|left_out| {
                let others: Vec<usize> = (0..60).filter(|&i| i != left_out).collect();
                let others = Typical::of(&all.select(Axis(0), &others)).unwrap();
                others.distance(all.row(left_out)).unwrap().0
            })
            .collect();
        expected.sort_by(f64::total_cmp);
        for (found, expected) in typical.distances().iter().zip(&expected) {
            assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
        }
    }

    #[test]
    fn what_breaks_a_correlation_is_far_although_each_trait_is_ordinary() {
        let typical = Typical::of(&records(200, 1)).unwrap();
        let most = typical.distances()[199];
        let far = |record: Array1<f64>| typical.distance(record.view()).unwrap();
        assert!(far(array![1.0, 3.0, 0.0, 0.0, 7.0]).0 < most);
        assert!(far(array![1.0, -3.0, 0.0, 0.0, 7.0]).0 > 3.0 * most);
        let (distance, strangest) = far(array![0.0, 0.0, 0.0, 0.0, 7.7]);
        assert!(distance > most && strangest.number == 4 && (strangest.by - 0.7).abs() < 1e-9);
        assert_eq!(typical.distance(records(1, 2).slice(s![0, ..3])), None);
    }

    #[test]
    fn new_records_lie_among_those_held_out_also_where_these_are_few() {
        for held_out in [12, 40] {
            let beyond = |set: u64| {
                let typical = Typical::of(&records(held_out, 10 + set)).unwrap();
                let middle = typical.distances()[held_out / 2];
                let new = records(200, 1000 + set);
                new.outer_iter().filter(|r| typical.distance(*r).unwrap().0 > middle).count() as f64 / 200.0
            };
            let mean = (0..60).map(beyond).sum::<f64>() / 60.0;
            let expected = (held_out / 2) as f64 / (held_out + 1) as f64;
            assert!((mean - expected).abs() < 0.06, "{held_out}: {mean} {expected}");
        }
    }
}

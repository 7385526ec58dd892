use ndarray::{ArrayD, ArrayViewD, Axis};
use serde::{Deserialize, Serialize};

/// How the values of one channel of y varied in the observations that a model was fitted to, in the unit of y.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// The mean of all of them.
    pub mean: f64,
    /// The farthest that the values of one observation lay from it: root mean square.
    pub farthest: f64,
    /// The least that the values of one observation differed: standard deviation.
    pub least: f64,
}

/// How the values of an observation are unlike those that a model was fitted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unlike {
    /// They lie so many times farther from the mean than those of any observation did.
    Farther(f64),
    /// They differ so many times less than those of any observation did.
    Flatter(f64),
}

/// Observations differ: what is a few times beyond all that a model was fitted to may be one more of them. Other units
/// are farther off.
const FACTOR: f64 = 10.0;

impl Variation {
    /// Of each channel of y, `[sample, channel, axes…]`.
    pub fn of(y: &ArrayD<f32>) -> Vec<Self> {
        let of_channel = |channel: ArrayViewD<f32>| {
            let mean = mean(channel.view());
            let each = || channel.outer_iter().map(|one| [distance(one.view(), mean), spread(one)]);
            Self {
                mean,
                farthest: each().map(|[farthest, _]| farthest).fold(0.0, f64::max),
                least: each().map(|[_, least]| least).reduce(f64::min).unwrap_or(0.0),
            }
        };
        y.axis_iter(Axis(1)).map(of_channel).collect()
    }

    /// How the values of this channel of one observation are unlike these; nothing where they are not.
    pub fn unlike(&self, channel: ArrayViewD<f32>) -> Option<Unlike> {
        let (farther, flatter) = (distance(channel.view(), self.mean) / self.farthest, self.least / spread(channel));
        // A channel that never varied has no size to be measured by.
        let varies = self.farthest > 1e-6 * self.mean.abs();
        if varies && farther > FACTOR {
            Some(Unlike::Farther(farther))
        } else if varies && flatter > FACTOR {
            Some(Unlike::Flatter(flatter))
        } else {
            None
        }
    }
}

fn mean(values: ArrayViewD<f32>) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64
}

/// Root mean square of what the values differ from a number.
fn distance(values: ArrayViewD<f32>, from: f64) -> f64 {
    let squares: f64 = values.iter().map(|&v| (f64::from(v) - from).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

fn spread(values: ArrayViewD<f32>) -> f64 {
    let middle = mean(values.view());
    distance(values, middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use ndarray::IxDyn;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(shape: &[usize], index: u64) -> ArrayD<f32> {
        let mut rng = stream(5, Purpose::Diagnostic, index);
        ArrayD::from_shape_simple_fn(IxDyn(shape), || StandardNormal.sample(&mut rng))
    }

    /// Whether observations, changed by `f`, are like those of another sample of the same distribution.
    fn judged(shape: [usize; 3], f: impl Fn(f32) -> f32, g: impl Fn(f32) -> f32) -> Vec<Option<Unlike>> {
        let seen = Variation::of(&normal(&shape, 0).mapv(&g));
        let y = normal(&shape, 1).mapv(|v| f(g(v)));
        let one =
            |y: ArrayViewD<f32>| -> Vec<_> { y.outer_iter().zip(&seen).map(|(c, seen)| seen.unlike(c)).collect() };
        y.outer_iter().flat_map(one).collect()
    }

    #[test]
    fn other_units_are_unlike_and_other_samples_are_not() {
        // Images, vectors of single values, positive ones, amplitudes over four orders of magnitude.
        for shape in [[64, 1, 100], [64, 3, 1]] {
            for g in [|v: f32| v, |v| 5.0 + v, |v: f32| v.exp()] {
                assert!(judged(shape, |v| v, g).iter().all(Option::is_none), "{shape:?}");
                let kilo = judged(shape, |v| 1e3 * v, g);
                let farther = kilo.iter().filter(|found| matches!(found, Some(Unlike::Farther(_)))).count();
                assert!(farther > kilo.len() * 9 / 10, "{shape:?}: {farther}");
                if shape[2] > 1 {
                    assert!(judged(shape, |v| 1e-3 * v, g).iter().all(|f| matches!(f, Some(Unlike::Flatter(_)))));
                    assert!(judged(shape, |_| 0.0, g).iter().all(Option::is_some));
                }
            }
        }
        let constant = Variation::of(&ArrayD::from_elem(vec![9, 1, 4], 7.3));
        assert_eq!(constant[0].unlike(ArrayD::from_elem(vec![4], 7.3).view()), None);
    }
}

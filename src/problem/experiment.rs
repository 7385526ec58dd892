use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use ndarray::{ArrayD, ArrayViewMutD, Axis, stack};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::io::pairs::{NoiseTag, Quantity};
use crate::io::{PairsInfo, Provenance};
use crate::model::Model;
use crate::operator::LinearOperator;
use crate::posterior::exact::PeriodicGaussian;
use crate::prior::{Part, PeriodicGaussianField, Prior, PriorConfig};
use crate::problem::{Problem, ProblemError};
use crate::random::{Purpose, stream};

/// Which pairs: sets never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// What the weights are fitted to.
    Training,
    /// What decides which weights are kept.
    Validation,
    /// What nothing depends on, and judges.
    Test,
}

impl Set {
    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Set::Training => "training",
            Set::Validation => "validation",
            Set::Test => "test",
        }
    }

    /// The images of the prior it may use.
    fn part(self) -> Part {
        match self {
            Set::Training => Part::Training,
            Set::Validation => Part::Validation,
            Set::Test => Part::Test,
        }
    }

    /// Its first pair among all pairs of a seed.
    fn first(self) -> u64 {
        match self {
            Set::Training => 0,
            Set::Validation => 1 << 48,
            Set::Test => 1 << 49,
        }
    }
}

/// A problem put together: prior, operator, noise, and the exact posterior where there is one.
#[derive(Clone)]
pub struct Experiment {
    problem: Problem,
    prior: Arc<dyn Prior>,
    operator: Arc<dyn LinearOperator<f32>>,
    exact: Option<Arc<PeriodicGaussian>>,
}

impl Experiment {
    /// Builds what the problem names.
    ///
    /// # Errors
    /// Parts that do not go together, the network among them: better now than after the pairs are simulated.
    pub fn new(problem: Problem) -> Result<Self, ProblemError> {
        let prior: Arc<dyn Prior> = Arc::from(problem.prior.build()?);
        let domain = prior.shape();
        let operator: Arc<dyn LinearOperator<f32>> = Arc::from(problem.operator.build::<f32>(&domain)?);
        for (quantity, config, shape) in [("x", &problem.x, &domain[..]), ("y", &problem.y, operator.range())] {
            let (found, needed) = (config.axes.len(), shape.len().saturating_sub(1));
            if found > 0 && found != needed {
                return Err(ProblemError::Axes { quantity, found, needed });
            }
        }
        let (config, of_operator) = (problem.model_config(), Some(problem.operator.clone()));
        Model::new(config, of_operator, &domain, operator.range(), problem.seed, &Device::flex())?;
        let exact = match (&problem.prior, problem.operator.convolution(&domain)?) {
            (PriorConfig::PeriodicGaussianField { shape, offset, power }, Some(convolution)) => {
                let field = PeriodicGaussianField::new(shape, *offset, *power)?;
                Some(Arc::new(PeriodicGaussian::new(&field, &convolution, problem.noise.sigma)?))
            }
            _ => None,
        };
        Ok(Self { problem, prior, operator, exact })
    }

    /// The problem it was built from.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Channel and axes of one x.
    pub fn x_shape(&self) -> &[usize] {
        self.operator.domain()
    }

    /// Channel and axes of one y.
    pub fn y_shape(&self) -> &[usize] {
        self.operator.range()
    }

    /// The posterior in closed form, where it is known.
    pub fn exact(&self) -> Option<&PeriodicGaussian> {
        self.exact.as_deref()
    }

    /// x and y without noise of these pairs of a set. Pair i is the same whoever asks for it.
    pub fn clean_pairs(&self, set: Set, range: Range<u64>) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let indices: Vec<u64> = range.map(|i| set.first() + i).collect();
        let draw = |&i: &u64| self.prior.sample_part(set.part(), &mut stream(self.problem.seed, Purpose::Prior, i));
        let images: Vec<ArrayD<f32>> = indices.par_iter().map(draw).collect();
        let views: Vec<_> = images.iter().map(|image| image.view()).collect();
        let x = if views.is_empty() {
            let mut shape = vec![0];
            shape.extend(self.x_shape());
            ArrayD::zeros(shape)
        } else {
            stack(Axis(0), &views).map_err(|_| unequal_draws())?
        };
        let y = self.operator.apply(x.view())?;
        Ok((x, y))
    }

    /// Adds to each y of a set the noise that belongs to its pair: the same at every call.
    pub fn add_noise(&self, set: Set, first: u64, y: &mut ArrayD<f32>) {
        for (k, sample) in y.axis_iter_mut(Axis(0)).enumerate() {
            let mut rng = stream(self.problem.seed, Purpose::Noise, set.first() + first + k as u64);
            self.disturb(sample, &mut rng);
        }
    }

    /// Adds noise to each y for its visit: visit v sees other noise than any other.
    pub fn add_fresh_noise(&self, first_visit: u64, y: &mut ArrayD<f32>) {
        for (k, sample) in y.axis_iter_mut(Axis(0)).enumerate() {
            let mut rng = stream(self.problem.seed, Purpose::FreshNoise, first_visit + k as u64);
            self.disturb(sample, &mut rng);
        }
    }

    fn disturb(&self, mut y: ArrayViewMutD<f32>, rng: &mut ChaCha8Rng) {
        let sigma = self.problem.noise.sigma as f32;
        y.mapv_inplace(|v| {
            let e: f32 = StandardNormal.sample(rng);
            v + sigma * e
        });
    }

    /// What files say of its pairs.
    pub fn pairs_info(&self, noise: NoiseTag) -> Result<PairsInfo, ProblemError> {
        let quantity = |config: &crate::problem::QuantityConfig, shape: &[usize]| Quantity {
            name: config.name.clone(),
            unit: config.unit.clone(),
            grid: config.grid(&shape[1..]),
        };
        Ok(PairsInfo {
            x: quantity(&self.problem.x, self.x_shape()),
            y: quantity(&self.problem.y, self.y_shape()),
            noise,
            provenance: Provenance { problem: self.problem.of_pairs()?, ..self.provenance()? },
        })
    }

    /// Problem, seed and version, for files.
    pub fn provenance(&self) -> Result<Provenance, ProblemError> {
        Ok(Provenance {
            problem: self.problem.to_toml()?,
            seed: self.problem.seed,
            version: env!("CARGO_PKG_VERSION").into(),
        })
    }
}

pub(super) fn unequal_draws() -> ProblemError {
    ProblemError::Value {
        path: "problem.toml".into(),
        line: 1,
        key: "prior".into(),
        value: "draws of different shapes".into(),
        remedy: "a prior must give images of one shape".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Size;
    use std::path::Path;

    fn experiment() -> Experiment {
        let text = include_str!("../../problems/deblur/problem.toml");
        Experiment::new(Problem::parse(text, Path::new("p.toml"), Size::Plain).unwrap()).unwrap()
    }

    #[test]
    fn pairs_are_their_index_and_sets_are_disjoint() {
        let experiment = experiment();
        let (all, _) = experiment.clean_pairs(Set::Training, 0..4).unwrap();
        let (late, _) = experiment.clean_pairs(Set::Training, 2..4).unwrap();
        assert_eq!(all.slice_axis(Axis(0), (2..4).into()), late);
        let (test, clean) = experiment.clean_pairs(Set::Test, 0..4).unwrap();
        assert!(test.iter().zip(&all).all(|(a, b)| a != b));
        let (mut once, mut again, mut visit) = (clean.clone(), clean.clone(), clean.clone());
        experiment.add_noise(Set::Test, 0, &mut once);
        experiment.add_noise(Set::Test, 0, &mut again);
        experiment.add_fresh_noise(0, &mut visit);
        assert_eq!(once, again);
        assert_ne!(once, visit);
        let noise: f32 = once.iter().zip(&clean).map(|(a, b)| (a - b).powi(2)).sum();
        assert!((noise / once.len() as f32 / 0.0025 - 1.0).abs() < 0.1);
    }
}

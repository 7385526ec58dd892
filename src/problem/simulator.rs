use std::ops::Range;

use ndarray::{ArrayD, Axis, stack};
use rayon::prelude::*;

use crate::io::Quantity;
use crate::operator::{LinearOperator, OperatorConfig};
use crate::prior::{Prior, PriorConfig};
use crate::problem::pair_origin::{PairOrigin, Portion};
use crate::problem::{ProblemError, Set};
use crate::random::{Purpose, stream};

/// Pairs that are simulated as they are asked for: x is drawn from the prior, y = A x.
pub struct Simulator {
    seed: u64,
    prior: Box<dyn Prior>,
    operator: Box<dyn LinearOperator<f32>>,
    quantities: [Quantity; 2],
}

impl Simulator {
    pub fn new(seed: u64, prior: &PriorConfig, operator: &OperatorConfig) -> Result<Self, ProblemError> {
        let prior = prior.build()?;
        let quantities = operator.quantities(&prior.shape());
        let operator = operator.build::<f32>(&prior.shape())?;
        Ok(Self { seed, prior, operator, quantities })
    }
}

impl PairOrigin for Simulator {
    fn x_shape(&self) -> &[usize] {
        self.operator.domain()
    }

    fn y_shape(&self) -> &[usize] {
        self.operator.range()
    }

    fn read(&self, set: Set, range: Range<u64>) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let indices: Vec<u64> = range.map(|i| set.first() + i).collect();
        let draw = |&i: &u64| self.prior.sample_part(set.part(), &mut stream(self.seed, Purpose::Prior, i));
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

    fn white_noise(&self) -> f64 {
        self.prior.white_noise()
    }

    fn is_clean(&self, _set: Set) -> bool {
        true
    }

    fn stored(&self, _set: Set) -> Option<&Portion> {
        None
    }

    fn said(&self) -> [Quantity; 2] {
        self.quantities.clone()
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

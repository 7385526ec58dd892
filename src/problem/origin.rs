//! Where the pairs of a problem come from, as its tables say.

use std::sync::Arc;

use crate::operator::OperatorConfig;
use crate::posterior::exact::{DenseGaussian, ExactPosterior, PeriodicGaussian};
use crate::prior::{MaternField, PeriodicGaussianField, Prior, PriorConfig};
use crate::problem::{Noise, PairFiles, Problem, ProblemError};

/// Where the pairs of a problem come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin<'a> {
    /// x from a prior, y by an operator and noise.
    Simulated {
        /// `[prior]`.
        prior: &'a PriorConfig,
        /// `[operator]`.
        operator: &'a OperatorConfig,
        /// `[noise]`.
        noise: &'a Noise,
    },
    /// Files that a simulator of the user's own wrote.
    Own {
        /// `[pairs]`.
        files: &'a PairFiles,
        /// `[operator]`, for what is made with its adjoint.
        operator: Option<&'a OperatorConfig>,
        /// `[noise]`, added to a y that is stored without.
        noise: Option<&'a Noise>,
    },
}

impl Problem {
    /// Where its pairs come from.
    ///
    /// # Errors
    /// Tables that are missing, or that contradict each other.
    pub fn origin(&self) -> Result<Origin<'_>, ProblemError> {
        let (operator, noise) = (self.operator.as_ref(), self.noise.as_ref());
        match (&self.prior, &self.pairs) {
            (Some(_), Some(_)) => {
                Err(ProblemError::Origin("[prior] and [pairs] both say where x comes from: leave one of them out"))
            }
            (None, Some(files)) => Ok(Origin::Own { files, operator, noise }),
            (None, None) => Err(ProblemError::Origin(
                "no pairs: simulate them with [prior], [operator] and [noise], or name files of your own, \
                 [pairs] and below it training = \"pairs.h5\"",
            )),
            (Some(prior), None) => match (operator, noise) {
                (Some(operator), Some(noise)) => Ok(Origin::Simulated { prior, operator, noise }),
                (None, _) => {
                    Err(ProblemError::Origin("missing table [operator]: it says what is observed of a draw of [prior]"))
                }
                (_, None) => {
                    Err(ProblemError::Origin("missing table [noise]: without noise the posterior has no density"))
                }
            },
        }
    }

    /// The posterior in closed form, where it is known: a Gaussian field, white noise, and a circular convolution where the
    /// field is periodic, any linear operator where its covariance is held as a matrix. Not where cells of x are known:
    /// these posteriors infer them all.
    pub fn exact(&self) -> Result<Option<Box<dyn ExactPosterior>>, ProblemError> {
        if self.unknown.fixed.is_some() {
            return Ok(None);
        }
        let Origin::Simulated { prior, operator, noise } = self.origin()? else { return Ok(None) };
        match prior {
            PriorConfig::PeriodicGaussianField { shape, offset, power } => {
                let field = PeriodicGaussianField::new(shape, *offset, *power)?;
                let Some(convolution) = operator.convolution(&field.shape())? else { return Ok(None) };
                Ok(Some(Box::new(PeriodicGaussian::new(&field, &convolution, noise.sigma)?)))
            }
            PriorConfig::Matern { shape, smoothness, length } => {
                let field = MaternField::new(shape, *smoothness, *length)?;
                let operator = Arc::from(operator.build::<f64>(&field.shape())?);
                Ok(Some(Box::new(DenseGaussian::new(field.factor(), operator, noise.sigma)?)))
            }
            PriorConfig::Vessels(_) | PriorConfig::Ellipses(_) | PriorConfig::Files(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Size;
    use std::path::Path;

    const PRIOR: &str = "[prior]\nkind = 'periodic-gaussian-field'\nshape = [8, 8]\n";
    const OPERATOR: &str = "[operator]\nkind = 'identity'\n";
    const NOISE: &str = "[noise]\nsigma = 1.0\n";
    const PAIRS: &str = "[pairs]\ntraining = 'a.h5'\n";

    fn parsed(tables: &[&str]) -> Result<Problem, ProblemError> {
        Problem::parse(&format!("name = 'p'\n{}", tables.concat()), Path::new("p.toml"), Size::Plain)
    }

    #[test]
    fn tables_say_where_pairs_come_from() {
        for (tables, simulated) in [
            (&[PRIOR, OPERATOR, NOISE][..], true),
            (&[PAIRS], false),
            (&[PAIRS, NOISE], false),
            (&[OPERATOR, PAIRS, NOISE], false),
        ] {
            let problem = parsed(tables).unwrap();
            assert_eq!(matches!(problem.origin().unwrap(), Origin::Simulated { .. }), simulated, "{tables:?}");
            assert_eq!(problem.exact().unwrap().is_some(), simulated);
            let again = Problem::parse(&problem.to_toml().unwrap(), Path::new("p.toml"), Size::Plain).unwrap();
            assert_eq!(again, problem);
        }
        for (tables, part) in [
            (&[][..], "[pairs]"),
            (&[OPERATOR, NOISE], "[prior]"),
            (&[PRIOR, NOISE], "[operator]"),
            (&[PRIOR, OPERATOR], "[noise]"),
            (&[PRIOR, OPERATOR, NOISE, PAIRS], "leave one"),
            (&[PAIRS, "[training]\nsource = 'on-the-fly'\n"], "training.source"),
        ] {
            let error = parsed(tables).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("p.toml"), "{error}");
        }
    }
}

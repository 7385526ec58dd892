//! Problem files to begin with: commented texts in which a few answers are filled in.

use std::path::Path;

use toml::Value;

use crate::io::Pairs;
use crate::problem::ProblemError;

/// Scales of a network, at most: each halves the image.
const SCALES: usize = 3;
/// The smallest image that is still halved.
const SMALLEST: usize = 8;
/// Held out for validation and for the test: at least, and at most where a tenth of the pairs is more.
const HELD_OUT: [[usize; 2]; 2] = [[2, 128], [4, 200]];
/// Pairs of a step, at most.
const BATCH: usize = 16;

/// A problem whose pairs are simulated here.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedTemplate {
    /// Pixels along each axis.
    pub shape: Vec<usize>,
    /// The operator.
    pub operator: OperatorTemplate,
    /// Standard deviation of the noise.
    pub noise: f64,
}

/// The operators that a template knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatorTemplate {
    /// Gaussian blur on a periodic grid.
    #[default]
    CircularBlur,
    /// The image itself.
    Identity,
}

impl OperatorTemplate {
    fn table(self) -> &'static str {
        match self {
            OperatorTemplate::CircularBlur => {
                "[operator] # what is observed: the image blurred by a Gaussian\nkind = \"circular-blur\"\nsigma = 1.5 # pixels"
            }
            OperatorTemplate::Identity => "[operator] # what is observed: the image itself\nkind = \"identity\"",
        }
    }
}

impl SimulatedTemplate {
    /// The text of `problem.toml`.
    pub fn text(&self, name: &str) -> String {
        filled(
            include_str!("templates/operator.toml"),
            &[
                ("{name}", quoted(name)),
                ("{shape}", format!("{:?}", self.shape)),
                ("{operator}", self.operator.table().into()),
                ("{noise}", format!("{:?}", self.noise)),
                ("{scales}", scales(&self.shape).to_string()),
            ],
        )
    }
}

/// A problem whose pairs were written by a simulator of the user's own.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnTemplate {
    /// The files, as the problem file names them.
    pub pairs: String,
    /// Channel and axes of one x.
    pub x_shape: Vec<usize>,
    /// How many pairs there are.
    pub count: usize,
    /// Standard deviation of the noise that is to be added to y; none where y has it.
    pub noise: Option<f64>,
}

impl OwnTemplate {
    /// A template for the pairs at `path`, named `pairs` in the problem file. Noise is added where y says that it has none.
    ///
    /// # Errors
    /// Pairs that cannot be read.
    pub fn of(path: &Path, pairs: String, noise: Option<f64>) -> Result<Self, ProblemError> {
        let found = Pairs::open(path)?;
        if noise.is_some() && !found.clean() {
            return Err(ProblemError::OwnPairs {
                path: path.into(),
                what: "y does not say that it has no noise yet".into(),
                remedy: "write that, y.attrs[\"noise\"] = \"none\" in h5py, or leave the noise out".into(),
            });
        }
        Ok(Self { pairs, x_shape: found.x_shape().into(), count: found.len(), noise })
    }

    /// The text of `problem.toml`.
    pub fn text(&self, name: &str) -> String {
        let noise = match self.noise {
            Some(sigma) => format!(
                "[noise] # y is stored without: every visit of a pair sees noise of its own, white and Gaussian\nsigma = {sigma:?} # \
                 standard deviation, in the unit of y"
            ),
            None => "# [noise]      # only where y is stored without noise and says so (attribute noise = \"none\")\n# sigma = 0.1  # \
                     standard deviation, in the unit of y"
                .into(),
        };
        let [validation, test] = HELD_OUT.map(|[least, most]| (self.count / 10).clamp(least, most));
        let batch = BATCH.min(self.count.saturating_sub(validation + test)).max(1);
        filled(
            include_str!("templates/own.toml"),
            &[
                ("{name}", quoted(name)),
                ("{pairs}", quoted(&self.pairs)),
                ("{noise}", noise),
                ("{scales}", scales(self.x_shape.get(1..).unwrap_or_default()).to_string()),
                ("{batch}", batch.to_string()),
                ("{validation}", validation.to_string()),
                ("{test}", test.to_string()),
            ],
        )
    }
}

fn filled(template: &str, answers: &[(&str, String)]) -> String {
    answers.iter().fold(template.to_owned(), |text, (place, answer)| text.replace(place, answer))
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    Value::String(text.into()).to_string()
}

/// How often an image can be halved, and should.
fn scales(extents: &[usize]) -> usize {
    let halves = |&scales: &usize| {
        let long = || extents.iter().filter(|&&size| size > 1);
        long().all(|&size| size.is_multiple_of(1 << scales) && size >> (scales - 1) >= SMALLEST)
    };
    (1..=SCALES).rev().find(halves).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Experiment, Origin, Problem, Size};

    #[test]
    fn every_template_is_a_problem_at_both_sizes() {
        let read = |text: &str| {
            [Size::Plain, Size::Quick].map(|size| Problem::parse(text, Path::new("problem.toml"), size).expect(text))
        };
        for (operator, shape, scales) in [
            (OperatorTemplate::CircularBlur, vec![32, 48], 3),
            (OperatorTemplate::CircularBlur, vec![16, 16, 16], 2),
            (OperatorTemplate::Identity, vec![100], 2),
        ] {
            let template = SimulatedTemplate { shape, operator, noise: 0.05 };
            for problem in read(&template.text("a \"quoted\" name")) {
                assert_eq!((problem.name.as_str(), problem.network.scales), ("a \"quoted\" name", scales));
                assert_eq!(problem.noise.as_ref().map(|noise| noise.sigma), Some(0.05));
                Experiment::new(problem).unwrap();
            }
        }
        for (count, noise) in [(10_000, None), (30, Some(1e-9))] {
            let pairs = "it's \\ mine.h5".to_owned();
            let template = OwnTemplate { pairs: pairs.clone(), x_shape: vec![1, 64, 64], count, noise };
            for problem in read(&template.text("own")) {
                let (batch, held_out) = (problem.training.batch, problem.training.validation_pairs);
                assert!(batch + held_out + problem.evaluation.pairs <= count);
                let Origin::Own { files, noise: added, .. } = problem.origin().unwrap() else { panic!("own pairs") };
                assert_eq!((files.training.to_str(), added.map(|noise| noise.sigma)), (Some(pairs.as_str()), noise));
            }
        }
    }

    #[test]
    fn images_are_halved_while_they_can_be() {
        for (extents, expected) in
            [(&[64, 64][..], 3), (&[8, 8], 1), (&[16, 16], 2), (&[36, 64], 2), (&[], 3), (&[1, 64], 3), (&[7], 1)]
        {
            assert_eq!(scales(extents), expected, "{extents:?}");
        }
    }
}

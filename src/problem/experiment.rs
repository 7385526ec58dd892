use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use ndarray::{ArrayD, ArrayViewMutD, Axis};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::io;
use crate::io::pairs::NoiseTag;
use crate::io::{Axis as SpatialAxis, PairsInfo, Provenance};
use crate::model::Model;
use crate::posterior::exact::ExactPosterior;
use crate::prior::Part;
use crate::problem::axes_in_doubt;
use crate::problem::own_pairs::OwnPairs;
use crate::problem::pair_origin::{PairOrigin, Portion};
use crate::problem::simulator::Simulator;
use crate::problem::{AxisConfig, Noise, Origin, Problem, ProblemError};
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
    pub(super) fn part(self) -> Part {
        match self {
            Set::Training => Part::Training,
            Set::Validation => Part::Validation,
            Set::Test => Part::Test,
        }
    }

    /// Its first pair among all pairs of a seed.
    pub(super) fn first(self) -> u64 {
        match self {
            Set::Training => 0,
            Set::Validation => 1 << 48,
            Set::Test => 1 << 49,
        }
    }
}

/// A problem put together: where its pairs come from, the noise, and the exact posterior where there is one.
///
/// ```
/// use ndarray::Axis;
/// use posteria::problem::{Experiment, Problem, Set, Size};
///
/// # let text = "name = 'small'\n[prior]\nkind = 'periodic-gaussian-field'\nshape = [16, 16]\n\
/// #     [operator]\nkind = 'circular-blur'\nsigma = 1.5\n[noise]\nsigma = 0.1";
/// // `text` is a problem file: a Gaussian field, a blur and noise.
/// let problem = Problem::parse(text, "problem.toml".as_ref(), Size::Plain)?;
/// let experiment = Experiment::new(problem)?;
/// let (x, y) = experiment.noisy_pairs(Set::Test, 0..3)?;
/// assert_eq!((x.shape(), y.shape()), (&[3, 1, 16, 16][..], &[3, 1, 16, 16][..]));
/// // A pair is the same whoever asks for it.
/// let (last, _) = experiment.noisy_pairs(Set::Test, 2..3)?;
/// assert_eq!(x.slice_axis(Axis(0), (2..3).into()), last);
/// assert!(experiment.exact().is_some(), "the posterior is known in closed form");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Experiment {
    problem: Problem,
    pairs: Arc<dyn PairOrigin>,
    exact: Option<Arc<dyn ExactPosterior>>,
}

impl Experiment {
    /// Builds what the problem names.
    ///
    /// # Errors
    /// Parts that do not go together, the network among them: better now than after the pairs are simulated. Pairs of the
    /// user's own that cannot be read, or are too few.
    pub fn new(problem: Problem) -> Result<Self, ProblemError> {
        let pairs: Arc<dyn PairOrigin> = match problem.origin()? {
            Origin::Simulated { prior, operator, .. } => Arc::new(Simulator::new(problem.seed, prior, operator)?),
            Origin::Own { files, .. } => Arc::new(OwnPairs::open(files, &problem)?),
        };
        let (x_shape, y_shape) = (pairs.x_shape(), pairs.y_shape());
        let [x, y] = pairs.said();
        for (quantity, config, shape, said) in [("x", &problem.x, x_shape, x), ("y", &problem.y, y_shape, y)] {
            let (found, needed) = (config.axes.len(), shape.len().saturating_sub(1));
            if found > 0 && found != needed {
                return Err(ProblemError::Axes { quantity, found, needed });
            }
            if pairs.stored(Set::Training).is_some() {
                axes_in_doubt::asked(quantity, shape, config, &said)?;
            }
            let described = config.quantity(shape, &said);
            let (found, needed) = (described.channels.len(), shape.first().copied().unwrap_or(1));
            if found > 0 && found != needed {
                return Err(ProblemError::Channels { quantity, found, needed });
            }
        }
        if let Some(operator) = &problem.operator {
            let known = operator.quantities(x_shape);
            for (quantity, config, known) in [("x", &problem.x, &known[0]), ("y", &problem.y, &known[1])] {
                one_spacing(quantity, &config.axes, &known.grid.axes)?;
            }
            let range = operator.build::<f32>(x_shape)?.range().to_vec();
            if range != y_shape {
                return Err(ProblemError::OtherRange { range, y: y_shape.into() });
            }
        }
        let exact = problem.exact()?.map(Arc::from);
        let experiment = Self { problem, pairs, exact };
        experiment.model(&Device::flex())?;
        Ok(experiment)
    }

    /// The model of the problem with random weights, before it has seen a pair.
    ///
    /// # Errors
    /// Settings that do not go together; a file of fixed cells that cannot be read.
    pub fn model(&self, device: &Device) -> Result<Model, ProblemError> {
        let Problem { operator, noise, seed, unknown, .. } = &self.problem;
        let config = self.problem.model_config();
        let model = Model::new(config, operator.clone(), self.x_shape(), self.y_shape(), *seed, device)?;
        let model = model.with_noise(noise.clone());
        match &unknown.fixed {
            Some(path) => Ok(model.with_fixed(io::volume::read(&path.to_string_lossy())?)?),
            None => Ok(model),
        }
    }

    /// The problem it was built from.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Channel and axes of one x.
    pub fn x_shape(&self) -> &[usize] {
        self.pairs.x_shape()
    }

    /// Channel and axes of one y.
    pub fn y_shape(&self) -> &[usize] {
        self.pairs.y_shape()
    }

    /// The posterior in closed form, where it is known.
    pub fn exact(&self) -> Option<&dyn ExactPosterior> {
        self.exact.as_deref()
    }

    /// The training pairs where the user wrote them.
    pub(super) fn own_training_pairs(&self) -> Option<&Portion> {
        self.own_pairs(Set::Training)
    }

    /// The pairs of a set where the user wrote them.
    pub(super) fn own_pairs(&self, set: Set) -> Option<&Portion> {
        self.pairs.stored(set)
    }

    /// How many pairs of the user's own are left out, of all collections.
    pub(super) fn left_out(&self) -> usize {
        let mut collections: Vec<&Portion> = Vec::new();
        for portion in [Set::Training, Set::Validation, Set::Test].iter().filter_map(|&set| self.own_pairs(set)) {
            if !collections.iter().any(|known| known.is_beside(portion)) {
                collections.push(portion);
            }
        }
        collections.iter().map(|portion| portion.left_out()).sum()
    }

    /// Standard deviation of the white noise that the prior adds to images of files; zero elsewhere.
    pub fn white_noise(&self) -> f64 {
        self.pairs.white_noise()
    }

    /// Whether pairs are the user's own, not simulated here.
    pub fn has_own_pairs(&self) -> bool {
        self.own_training_pairs().is_some()
    }

    /// How many pairs a set has where that is limited: the user's own.
    pub fn count(&self, set: Set) -> Option<usize> {
        self.pairs.stored(set).map(Portion::len)
    }

    /// Whether the y of a set comes without noise.
    pub fn is_clean(&self, set: Set) -> bool {
        self.pairs.is_clean(set)
    }

    /// The adjoint images of a batch of observations, where the problem has an operator.
    pub fn adjoint(&self, y: &ArrayD<f32>) -> Result<Option<ArrayD<f32>>, ProblemError> {
        let Some(operator) = &self.problem.operator else { return Ok(None) };
        Ok(Some(operator.build::<f32>(self.x_shape())?.adjoint(y.view())?))
    }

    /// x and y of these pairs of a set; y without noise unless it is stored with it. Pair i is the same whoever asks.
    pub fn clean_pairs(&self, set: Set, range: Range<u64>) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        self.pairs.read(set, range)
    }

    /// x and y of these pairs of a set, each y with the noise that belongs to its pair.
    pub fn noisy_pairs(&self, set: Set, range: Range<u64>) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let (x, mut y) = self.clean_pairs(set, range.clone())?;
        self.add_noise(set, range.start, &mut y);
        Ok((x, y))
    }

    /// Adds to each y of a set the noise that belongs to its pair: the same at every call. None where it is stored with it.
    pub fn add_noise(&self, set: Set, first: u64, y: &mut ArrayD<f32>) {
        if !self.pairs.is_clean(set) {
            return;
        }
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
        let Some(Noise { sigma }) = self.problem.noise else { return };
        y.mapv_inplace(|v| {
            let e: f32 = StandardNormal.sample(rng);
            v + sigma as f32 * e
        });
    }

    /// What files say of its pairs.
    pub fn pairs_info(&self, noise: NoiseTag) -> Result<PairsInfo, ProblemError> {
        let [x, y] = self.pairs.said();
        Ok(PairsInfo {
            x: self.problem.x.quantity(self.x_shape(), &x),
            y: self.problem.y.quantity(self.y_shape(), &y),
            noise,
            provenance: Provenance { problem: self.problem.of_pairs()?, ..self.problem.provenance()? },
        })
    }
}

/// An error where the problem file says other spacings than follow from its operator.
fn one_spacing(quantity: &'static str, said: &[AxisConfig], known: &[SpatialAxis]) -> Result<(), ProblemError> {
    let differ =
        |(a, b): &(&AxisConfig, &SpatialAxis)| a.unit == b.unit && (a.spacing - b.spacing).abs() > 1e-6 * b.spacing;
    match said.iter().zip(known).find(differ) {
        Some((AxisConfig { name, spacing, unit }, known)) => Err(ProblemError::Spacing {
            quantity,
            axis: name.clone(),
            unit: unit.clone(),
            said: *spacing,
            known: known.spacing,
        }),
        None => Ok(()),
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

    #[test]
    fn an_operator_says_where_its_pixels_are_and_is_not_contradicted() {
        let text = include_str!("../../problems/photoacoustic_exact/problem.toml");
        let build = |more: &str| {
            let text = text.replace("[condition]\n", &format!("{more}\n[condition]\n"));
            Experiment::new(Problem::parse(&text, Path::new("p.toml"), Size::Plain)?)
        };
        let info = build("").unwrap().pairs_info(NoiseTag::None).unwrap();
        let axes = |quantity: &crate::io::Quantity| -> Vec<(String, f64, String)> {
            quantity.grid.axes.iter().map(|axis| (axis.name.clone(), axis.spacing, axis.unit.clone())).collect()
        };
        let metres = |name: &str| (name.to_owned(), 1e-4, "m".to_owned());
        assert_eq!(axes(&info.x), [metres("depth"), metres("distance")]);
        let [time, sensor] = <[_; 2]>::try_from(axes(&info.y)).unwrap();
        assert_eq!((time.0.as_str(), time.2.as_str(), sensor.0.as_str()), ("time", "s", "sensor"));
        assert!((time.1 * 1500.0 - 1e-4).abs() < 1e-12 && (sensor.1 - 1e-4).abs() < 1e-12);

        let axes = |spacing: &str| {
            format!(
                "[x]\naxes = [{{ name = \"depth\", spacing = {spacing}, unit = \"m\" }}, {{ name = \"width\", spacing = 1e-4, unit = \"m\" }}]\n"
            )
        };
        assert!(build(&axes("1e-4")).is_ok());
        let message = build(&axes("1e-3")).map(drop).unwrap_err().to_string();
        assert!(message.contains("depth has a spacing of 0.001 m") && message.contains("0.0001 m"), "{message}");
    }

    #[test]
    fn pairs_of_different_sets_come_from_different_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("images")).unwrap();
        for file in 0..10 {
            let path = dir.path().join(format!("images/{file}.npy"));
            ndarray_npy::write_npy(path, &ndarray::Array2::from_elem((40, 40), file as f32)).unwrap();
        }
        let prior = "kind = \"files\"\npath = \"images\"\nshape = [32, 32]\ndither = 0.001";
        let text = include_str!("../../problems/deblur/problem.toml");
        let (before, rest) = text.split_once("kind = \"periodic-gaussian-field\"").unwrap();
        let (_, rest) = rest.split_once("power = 2.0").unwrap();
        let file = dir.path().join("problem.toml");
        std::fs::write(&file, format!("{before}{prior}{rest}")).unwrap();
        let experiment = Experiment::new(Problem::read(&file, Size::Plain).unwrap()).unwrap();
        assert!(experiment.exact().is_none());
        let files = |set| -> std::collections::BTreeSet<i64> {
            let (x, _) = experiment.clean_pairs(set, 0..100).unwrap();
            x.outer_iter().map(|x| x.mean().unwrap().round() as i64).collect()
        };
        assert_eq!((files(Set::Test), files(Set::Validation)), ([0].into(), [1].into()));
        assert_eq!(files(Set::Training), (2..10).collect());
    }
}

//! Posteriors of observations by a trained model, written as `posterior.h5`.

use std::ops::Range;
use std::path::Path;

use super::PosteriorError;
use super::exact::ExactPosterior;
use super::stats::{Reduction, Summary};
use super::streaming::Quantiles;
use crate::io::agreement::disagreement;
use crate::io::{Kind, Layout, Pairs, Precision, Provenance, Quantity, ResultWriter, Rows};
use crate::model::Model;
use crate::model::likeness::{FIRST_DRAWS, Likeness};
use crate::operator::classical::Fitted;
use crate::random::{Purpose, stream};
use ndarray::{ArrayD, Axis, IxDyn, concatenate};

/// Bytes for quantiles: they are exact where all draws of an observation fit, else off by a rank error that the file
/// states.
const QUANTILE_MEMORY: usize = 256 << 20;

/// How posteriors are sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Of the latent draws: those of observation i are the same whatever else is asked for.
    pub seed: u64,
    /// Draws an observation.
    pub draws: usize,
    /// How many of them are kept; all of them make the maps.
    pub kept_draws: usize,
    /// Probabilities of the quantile maps.
    pub quantiles: Vec<f64>,
    /// Draws held in memory at a time; the numbers do not depend on it but for rounding.
    pub at_once: usize,
}

/// One observation, and the image that made it where that is known: `[1, channel, axes…]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What was observed.
    pub y: ArrayD<f32>,
    /// What made it.
    pub truth: Option<ArrayD<f32>>,
}

/// Where observations come from.
pub trait Observations {
    /// Number of observations.
    fn count(&self) -> usize;

    /// Whether the truth of each is known.
    fn truth_is_known(&self) -> bool;

    /// Observation `index`.
    fn get(&self, index: usize) -> Result<Observation, PosteriorError>;
}

impl Observations for Pairs {
    fn count(&self) -> usize {
        self.len()
    }

    fn truth_is_known(&self) -> bool {
        true
    }

    fn get(&self, index: usize) -> Result<Observation, PosteriorError> {
        let (truth, y) = self.read(&[index])?;
        Ok(Observation { y, truth: Some(truth) })
    }
}

/// Observations in a file of the user's: one or several, with or without a channel axis of extent 1.
#[derive(Debug)]
pub struct ObservationFile {
    y: Images,
    truth: Option<Images>,
}

impl ObservationFile {
    /// Observations `y`, and the images `truth` that made them, for a model.
    ///
    /// # Errors
    /// Arrays whose shape is neither that of one sample nor of several; units or axes that are not those of training.
    pub fn new(model: &Model, y: Rows, truth: Option<Rows>) -> Result<Self, PosteriorError> {
        let y = Images::new("observation", y, model.y_shape())?;
        let truth = truth.map(|rows| Images::new("image", rows, model.x_shape())).transpose()?;
        for (images, trained) in [(Some(&y), model.y()), (truth.as_ref(), model.x())] {
            images.map_or(Ok(()), |images| images.agree_with(&trained))?;
        }
        match &truth {
            Some(truth) if truth.count != y.count => Err(PosteriorError::Shape {
                what: "file of true images",
                found: truth.rows.shape().to_vec(),
                expected: [&[y.count], model.x_shape()].concat(),
            }),
            _ => Ok(Self { y, truth }),
        }
    }
}

impl Observations for ObservationFile {
    fn count(&self) -> usize {
        self.y.count
    }

    fn truth_is_known(&self) -> bool {
        self.truth.is_some()
    }

    fn get(&self, index: usize) -> Result<Observation, PosteriorError> {
        let truth = self.truth.as_ref().map(|images| images.get(index)).transpose()?;
        Ok(Observation { y: self.y.get(index)?, truth })
    }
}

/// Images of one shape in a file.
#[derive(Debug)]
struct Images {
    rows: Rows,
    count: usize,
    /// Whether the first axis of the file counts images; else the file is one image.
    counted: bool,
    shape: Vec<usize>,
}

impl Images {
    fn new(what: &'static str, rows: Rows, shape: &[usize]) -> Result<Self, PosteriorError> {
        let found = rows.shape().to_vec();
        let without_channel = if shape.first() == Some(&1) { &shape[1..] } else { shape };
        let counted = [shape, without_channel].iter().any(|one| found.get(1..) == Some(*one));
        if !counted && found != shape && found != without_channel {
            let place = rows.place().into();
            let reversed: Vec<usize> = found.iter().rev().copied().collect();
            let fits = [shape, without_channel].iter().any(|one| reversed == **one || reversed.get(1..) == Some(*one));
            return Err(match fits {
                true => PosteriorError::Reversed { place, found, reversed },
                false => PosteriorError::Images { what, place, found, shape: shape.into() },
            });
        }
        let count = if counted { rows.len() } else { 1 };
        if count == 0 {
            return Err(PosteriorError::NoImages { what, place: rows.place().into() });
        }
        Ok(Self { rows, count, counted, shape: [&[1], shape].concat() })
    }

    /// An error where unit or axes are not those that a model was trained on.
    fn agree_with(&self, trained: &Quantity) -> Result<(), PosteriorError> {
        let spatial = self.shape.len().saturating_sub(2);
        let said = Quantity::of(&self.rows, self.rows.shape().len().saturating_sub(spatial))?;
        match disagreement(&said, trained, "training") {
            None => Ok(()),
            Some(what) => Err(PosteriorError::Disagree { place: self.rows.place().into(), what }),
        }
    }

    fn get(&self, index: usize) -> Result<ArrayD<f32>, PosteriorError> {
        let values = if self.counted { self.rows.rows(index..index + 1)? } else { self.rows.read()? };
        let first = if self.counted { index } else { 0 };
        self.rows.finite_or_error(first, values.as_slice().unwrap_or_default())?;
        let found = values.shape().to_vec();
        values.into_shape_with_order(IxDyn(&self.shape)).map_err(|_| PosteriorError::Shape {
            what: "image",
            found,
            expected: self.shape.clone(),
        })
    }
}

/// The dataset of known cells, of the shape of one image: their values, NaN in the cells that were inferred.
pub const FIXED: &str = "fixed";

/// What a posterior is shown beside.
#[derive(Clone, Copy)]
pub enum Reference<'a> {
    /// The mean and standard deviation of the exact posterior: no image is better than its mean.
    Exact(&'a dyn ExactPosterior),
    /// The best image without a network.
    Classical(&'a Fitted),
}

/// Who is told how it goes.
pub struct Listener<'a> {
    /// How each record is beside those of training, added before its draws, which may fail for a record unlike all others.
    pub likenesses: &'a mut Vec<Likeness>,
    /// Told how many draws were made; the work is given up, and no file written, when it returns false.
    pub progress: &'a mut dyn FnMut(usize) -> bool,
}

/// Samples the posterior of each of the observations `range` and writes `posterior.h5`: observation, truth and its
/// log-density where it is known, mean, variance, standard deviation, quantiles, the kept draws, what they are shown beside
/// (`exact_mean` and `exact_standard_deviation`, or `classical` with the name of its `method`), and which cells of x are
/// known to the model ([`FIXED`]).
///
/// How each record is beside those held out of training is written too, see [`likeness`](crate::model::likeness): the misfit
/// `misfit_chi2` of its first draws where operator and noise are known, `condition_distance` where the model keeps held-out
/// records, and their places among these, `misfit_place` (of [`FIRST_DRAWS`] draws or more) and `condition_place`.
///
/// Memory does not grow with the number of draws. Returns whether the file is there: it is not where the listener gave up.
pub fn write_posteriors(
    path: &Path,
    model: &Model,
    observations: &dyn Observations,
    range: Range<usize>,
    reference: Option<Reference<'_>>,
    sampling: &Sampling,
    listener: Listener<'_>,
) -> Result<bool, PosteriorError> {
    let at_least = |name, value: usize, least: usize, remedy| match value < least {
        true => Err(PosteriorError::Parameter { name, value: value.to_string(), remedy }),
        false => Ok(()),
    };
    at_least("draws", sampling.draws, 2, "a standard deviation needs two draws or more")?;
    at_least("batch", sampling.at_once, 1, "give the number of draws to hold in memory, such as 256")?;
    let kept_draws = sampling.kept_draws.min(sampling.draws);
    let mut file = PosteriorFile::create(path, model, observations.truth_is_known(), reference, kept_draws, sampling)?;
    let capacity = Quantiles::capacity(model.dimension(), sampling.draws, QUANTILE_MEMORY);
    let (mut done, mut rank_error) = (0, 0.0_f64);
    let misfit = model.misfit()?;
    for index in range {
        let observation = observations.get(index)?;
        let mut likeness = model.likeness(&observation.y)?;
        listener.likenesses.push(likeness.clone());
        let sampler = model.sampler(&observation.y)?;
        let mut rng = stream(sampling.seed, Purpose::Latent, index as u64);
        let mut reduction = Reduction::new(model.x_shape(), &sampling.quantiles, capacity)?;
        let (mut kept, mut first): (Vec<ArrayD<f32>>, Vec<ArrayD<f32>>) = Default::default();
        let mut made = 0;
        while made < sampling.draws {
            let count = sampling.at_once.min(sampling.draws - made);
            let draws = sampler.images(count, &mut rng)?;
            reduction.add(draws.view())?;
            for (some, wanted) in [(&mut kept, kept_draws), (&mut first, FIRST_DRAWS)] {
                if made < wanted {
                    some.push(draws.slice_axis(Axis(0), (..count.min(wanted - made)).into()).to_owned());
                }
            }
            made += count;
            done += count;
            if !(listener.progress)(done) {
                return Ok(false);
            }
        }
        let summary = reduction.finish()?;
        rank_error = rank_error.max(summary.rank_error);
        if let (Some(misfit), Some(first)) = (&misfit, joined(&first)) {
            likeness = model.with_misfit(likeness, misfit.mean(first.view(), &observation.y)?, first.len_of(Axis(0)));
        }
        file.append(model, &observation, &summary, &kept, reference)?;
        file.append_likeness(&likeness)?;
        if let Some(last) = listener.likenesses.last_mut() {
            *last = likeness;
        }
    }
    if !sampling.quantiles.is_empty() {
        file.writer.describe("quantiles", "rank_error", &rank_error.to_string())?;
    }
    file.writer.finish()?;
    Ok(true)
}

/// The layout of `posterior.h5`.
struct PosteriorFile {
    writer: ResultWriter,
}

impl PosteriorFile {
    fn create(
        path: &Path,
        model: &Model,
        truth: bool,
        reference: Option<Reference<'_>>,
        kept_draws: usize,
        sampling: &Sampling,
    ) -> Result<Self, PosteriorError> {
        let provenance =
            Provenance { seed: sampling.seed, version: env!("CARGO_PKG_VERSION").into(), ..model.provenance().clone() };
        let (x, y) = (model.x(), model.y());
        let mut writer = ResultWriter::create(path, Kind::Posterior, &provenance)?;
        let [of_x, of_y] = [&x, &y].map(parts);
        let mut map = |name: &str, of: &Quantity| writer.dataset(name, model.x_shape(), &layout(&["record", of_x], of));
        if truth {
            map("truth", &x)?;
        }
        map("mean", &x)?;
        map("standard_deviation", &x)?;
        match reference {
            Some(Reference::Exact(_)) => {
                map("exact_mean", &x)?;
                map("exact_standard_deviation", &x)?;
            }
            Some(Reference::Classical(classical)) => {
                map("classical", &x)?;
                writer.describe("classical", "method", &classical.name())?;
            }
            None => {}
        }
        let labels = ["record", of_x];
        let squared = Layout { precision: Precision::Double, ..layout(&labels, &x.squared()) };
        writer.dataset("variance", model.x_shape(), &squared)?;
        // Behind the maps: where axes of x and y have a name in common, those of x keep it.
        writer.dataset("observation", model.y_shape(), &layout(&["record", of_y], &y))?;
        if truth {
            let name = "log q(truth | observation)".into();
            let density = Quantity { name, unit: "nat".into(), ..Quantity::default() };
            writer.dataset("log_density", &[], &layout(&["record"], &density))?;
        }
        let misfit_is_known = model.operator().is_some() && model.noise().is_some();
        let held_out = model.held_out();
        let is_compared = held_out.is_some();
        let mean_over = format!("data misfit chi^2/m, mean over the first {} draws", FIRST_DRAWS.min(sampling.draws));
        let place = |of: &str| format!("share of the records held out of training whose {of} is smaller");
        for (name, long_name, is_written) in [
            (MISFIT, mean_over, misfit_is_known),
            (MISFIT_PLACE, place("misfit_chi2"), misfit_is_known && is_compared && sampling.draws >= FIRST_DRAWS),
            (
                DISTANCE,
                "Mahalanobis distance of what the model is shown of it, from held-out records".into(),
                is_compared,
            ),
            (DISTANCE_PLACE, place("condition_distance"), is_compared),
        ] {
            if !is_written {
                continue;
            }
            let quantity = Quantity { name: long_name, unit: "1".into(), ..Quantity::default() };
            writer.dataset(name, &[], &layout(&["record"], &quantity))?;
            if let Some(held_out) = held_out {
                writer.describe(name, "held_out_records", &held_out.count().to_string())?;
            }
        }
        if !sampling.quantiles.is_empty() {
            writer.coordinates("level", &sampling.quantiles, "1");
            let shape = [&[sampling.quantiles.len()], model.x_shape()].concat();
            writer.dataset("quantiles", &shape, &layout(&["record", "level", of_x], &x))?;
        }
        if kept_draws > 0 {
            let shape = [&[kept_draws], model.x_shape()].concat();
            writer.dataset("samples", &shape, &layout(&["record", "draw", of_x], &x))?;
        }
        if let Some(fixed) = model.fixed() {
            writer.maps(FIXED, model.x_shape(), &layout(&[of_x], &x))?;
            writer.write(FIXED, &vec![0; fixed.ndim()], fixed.view())?;
        }
        writer.describe("mean", "draws", &sampling.draws.to_string())?;
        Ok(Self { writer })
    }

    fn append(
        &mut self,
        model: &Model,
        observation: &Observation,
        summary: &Summary,
        kept: &[ArrayD<f32>],
        reference: Option<Reference<'_>>,
    ) -> Result<(), PosteriorError> {
        let writer = &mut self.writer;
        let mut one = |name: &str, map: &ArrayD<f32>| writer.append(name, map.view().insert_axis(Axis(0)));
        one("mean", &summary.mean)?;
        one("standard_deviation", &summary.standard_deviation)?;
        if !summary.levels.is_empty() {
            one("quantiles", &summary.quantiles)?;
        }
        if let Some(draws) = joined(kept) {
            one("samples", &draws)?;
        }
        writer.append("variance", summary.variance.view().insert_axis(Axis(0)))?;
        match reference {
            Some(Reference::Exact(exact)) => {
                let mean = exact.mean(observation.y.mapv(f64::from).view())?.mapv(|v| v as f32);
                writer.append("exact_mean", mean.view())?;
                let deviation = exact.standard_deviation().mapv(|v| v as f32);
                writer.append("exact_standard_deviation", deviation.view().insert_axis(Axis(0)))?;
            }
            Some(Reference::Classical(classical)) => {
                writer.append("classical", classical.images(observation.y.view())?.view())?;
            }
            None => {}
        }
        writer.append("observation", observation.y.view())?;
        if let Some(truth) = &observation.truth {
            writer.append("truth", truth.view())?;
            let density: Vec<f32> = model.log_prob(truth, &observation.y)?.iter().map(|&v| v as f32).collect();
            writer.append("log_density", ArrayD::from_shape_vec(IxDyn(&[1]), density).unwrap_or_default().view())?;
        }
        Ok(())
    }

    fn append_likeness(&mut self, likeness: &Likeness) -> Result<(), PosteriorError> {
        let mut one = |name: &str, value: Option<f64>| match value {
            Some(value) => self.writer.append(name, ArrayD::from_elem(IxDyn(&[1]), value as f32).view()),
            None => Ok(()),
        };
        let [misfit, distance] = [likeness.misfit_standing, likeness.distance];
        one(MISFIT, likeness.misfit)?;
        one(MISFIT_PLACE, misfit.map(|found| found.place))?;
        one(DISTANCE, distance.map(|found| found.value))?;
        Ok(one(DISTANCE_PLACE, distance.map(|found| found.place))?)
    }
}

/// The datasets of how records are beside those held out of training.
const MISFIT: &str = "misfit_chi2";
const MISFIT_PLACE: &str = "misfit_place";
const DISTANCE: &str = "condition_distance";
const DISTANCE_PLACE: &str = "condition_place";

/// Draws in the order in which they were made; none where there are none.
fn joined(draws: &[ArrayD<f32>]) -> Option<ArrayD<f32>> {
    let views: Vec<_> = draws.iter().map(|draws| draws.view()).collect();
    concatenate(Axis(0), &views).ok()
}

/// What is counted in front of the axes of an image; a vector has none.
fn parts(quantity: &Quantity) -> &'static str {
    if quantity.grid.axes.is_empty() { "parameter" } else { "channel" }
}

fn layout<'a>(labels: &'a [&'a str], quantity: &Quantity) -> Layout<'a> {
    Layout { labels, quantity: quantity.clone(), ..Layout::default() }
}

//! Draws of any origin that lie in a file beside the truths: `samples`, `[observation, draw, …]`, and `truth`.

use std::ops::Range;
use std::path::Path;

use ndarray::{ArrayD, Axis};

use crate::io::agreement::disagreement;
use crate::io::precision::Gathered;
use crate::io::{Grid, IoError, Quantity, Rows, Source};
use crate::posterior::amortized::FIXED;
use crate::uq::diagnosis::{Diagnosis, diagnose_draws};
use crate::uq::scale::Scale;
use crate::uq::{Cells, UqError};

/// Draws of a file that are read at a time.
const SLAB: usize = 64;

/// Judges the draws in a file, in the cells where `fixed` is NaN where there is such an array.
///
/// # Errors
/// Arrays that do not belong together, values that are not finite, and differences that 32-bit floats cannot hold.
pub fn diagnose_file(path: &Path) -> Result<Diagnosis, UqError> {
    let source = Source::open(path)?;
    let drawn = Drawn::open(&source)?;
    let cells = cells(&source, drawn.truth.row_shape())?;
    let scale = drawn.scale()?;
    let pairs = (0..drawn.truth.len()).map(|i| Ok::<_, UqError>((drawn.image(i)?, drawn.slabs(i))));
    diagnose_draws(pairs, &cells, drawn.draws, 0, &scale)
}

struct Drawn {
    samples: Rows,
    truth: Rows,
    /// That of the draws among those of the samples.
    axis: usize,
    draws: usize,
    /// What is taken off all images before they are rounded to 32 bits, where one of the two has 64: the first truth.
    reference: Option<ArrayD<f64>>,
}

impl Drawn {
    fn open(source: &Source) -> Result<Self, UqError> {
        let (samples, truth) = (source.rows("samples")?, source.rows("truth")?);
        let axis = samples.axis("draw").unwrap_or(1);
        let wrong = |what: String, remedy: &str| {
            Err(IoError::content(source.path().display().to_string(), what, remedy).into())
        };
        let shapes = format!("samples {:?} and truth {:?}", samples.shape(), truth.shape());
        let [count, draws] = [0, axis].map(|axis| samples.shape().get(axis).copied().unwrap_or(0));
        if axis == 0 || samples.shape().len() != truth.shape().len() + 1 || count != truth.len() {
            let reversed = |rows: &Rows| rows.shape().iter().rev().copied().collect::<Vec<_>>();
            let (all, one) = (reversed(&samples), reversed(&truth));
            if all.first() == one.first() && all.get(2..) == one.get(1..) {
                return wrong(
                    format!("{shapes} are right from the last axis to the first: MATLAB and Julia reverse axes"),
                    "write them with permutedims or permute, or transpose them in Python (numpy.transpose)",
                );
            }
            return wrong(
                format!("{shapes} do not belong together"),
                "give samples as [observation, draw, …] and truth as [observation, …]",
            );
        }
        if samples.is_empty() || truth.is_empty() || truth.shape().contains(&0) {
            return wrong(format!("{shapes} are empty"), "write one image or more, and draws of each");
        }
        let [mut of_samples, of_truth] = [&samples, &truth].map(Rows::axis_labels);
        of_samples.remove(axis);
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        let are_named = of_truth.iter().all(|name| !name.is_empty());
        if are_named && of_samples != of_truth && sorted(&of_samples) == sorted(&of_truth) {
            return wrong(
                format!("the axes of samples are in the order {of_samples:?}, those of truth in {of_truth:?}"),
                "transpose one of them",
            );
        }
        // Where a file says where axes begin, it need not say so of both.
        let unit = |rows: &Rows| Quantity::of(rows, 0).map(|said| Quantity { grid: Grid::default(), ..said });
        if let Some(what) = disagreement(&unit(&samples)?, &unit(&truth)?, "truth") {
            let remedy = "convert one of them, or correct what the file says of itself";
            return Err(IoError::content(samples.place(), what, remedy).into());
        }
        let is_wide = samples.is_wide() || truth.is_wide();
        let reference = is_wide.then(|| exact(&truth, &whole(&truth, 0..1))).transpose()?;
        let reference = reference.map(|first| first.index_axis_move(Axis(0), 0));
        Ok(Self { samples, truth, axis, draws, reference })
    }

    fn scale(&self) -> Result<Scale, UqError> {
        let quantity = Quantity::of(&self.samples, 0)?;
        let (named, first) = (quantity.channels.len(), self.truth.row_shape().first().copied().unwrap_or(1));
        if named > 0 && named != first {
            let what = format!("channel_names has {named} entries, the images have {first} channels");
            return Err(IoError::content(self.samples.place(), what, "name each channel, or none").into());
        }
        // An image may have no axis of channels; parameters are their own.
        let says = ["channel", "parameter"].iter().any(|name| self.truth.axis(name) == Some(1));
        let has_channels = named > 0 || self.truth.row_shape().len() == 1 || says;
        let channels = if has_channels { first } else { 1 };
        let Some(reference) = &self.reference else {
            return Scale::of(&quantity, channels, (0..self.truth.len()).map(|i| self.image(i)));
        };
        // One number is taken off all of a channel: the truths keep how they vary.
        let mut taken_off = reference.clone();
        if has_channels {
            taken_off.outer_iter_mut().for_each(|mut channel| {
                let first = channel.first().copied().unwrap_or(0.0);
                channel.fill(first);
            });
        }
        let image = |i: usize| {
            let one = exact(&self.truth, &whole(&self.truth, i..i + 1))?.index_axis_move(Axis(0), 0);
            Ok::<_, UqError>((one - &taken_off).mapv(|value| value as f32))
        };
        Ok(Scale::of(&quantity, channels, (0..self.truth.len()).map(image))?.of_differences())
    }

    /// One truth.
    fn image(&self, index: usize) -> Result<ArrayD<f32>, UqError> {
        let one = self.read(&self.truth, &whole(&self.truth, index..index + 1))?;
        Ok(one.index_axis_move(Axis(0), 0))
    }

    /// The draws of one observation, `[draw, …]`, slab by slab.
    fn slabs(&self, index: usize) -> impl Iterator<Item = Result<ArrayD<f32>, UqError>> {
        (0..self.draws).step_by(SLAB).map(move |first| {
            let mut ranges = whole(&self.samples, index..index + 1);
            ranges[self.axis] = first..(first + SLAB).min(self.draws);
            let mut slab = self.read(&self.samples, &ranges)?.index_axis_move(Axis(0), 0);
            // The draws come first, whatever lies between.
            for before in (0..self.axis - 1).rev() {
                slab.swap_axes(before, before + 1);
            }
            Ok(slab)
        })
    }

    /// A part of one of the arrays; the axes behind the draws, or the observation, are those of an image.
    fn read(&self, rows: &Rows, ranges: &[Range<usize>]) -> Result<ArrayD<f32>, UqError> {
        let Some(reference) = &self.reference else {
            let values = rows.read_box(ranges)?;
            rows.finite_box_or_error(ranges, values.iter().map(|&value| f64::from(value)))?;
            return Ok(values);
        };
        let mut values = exact(rows, ranges)?;
        let mut reference = reference.view();
        if values.ndim() > reference.ndim() + 1 {
            reference = reference.insert_axis(Axis(self.axis - 1));
        }
        values -= &reference.insert_axis(Axis(0));
        let mut gathered = Gathered::default();
        gathered.add(values.iter().copied());
        gathered.held_by_single_or_error(rows.place(), &format!("observation {}", ranges[0].start))?;
        Ok(values.mapv(|value| value as f32))
    }
}

/// All of some rows.
fn whole(rows: &Rows, range: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(range).chain(rows.row_shape().iter().map(|&size| 0..size)).collect()
}

/// A part with all its digits.
fn exact(rows: &Rows, ranges: &[Range<usize>]) -> Result<ArrayD<f64>, UqError> {
    let values = rows.read_box_double(ranges)?;
    rows.finite_box_or_error(ranges, values.iter().copied())?;
    Ok(values)
}

/// The cells of an image that the draws of a file infer.
fn cells(source: &Source, image: &[usize]) -> Result<Cells, UqError> {
    if !source.has(FIXED) {
        return Ok(Cells::default());
    }
    let fixed = source.rows(FIXED)?;
    if fixed.shape() != image {
        let what = format!("has shape {:?}, but one image has {image:?}", fixed.shape());
        let remedy = "give the known values of one image, NaN elsewhere";
        return Err(IoError::content(fixed.place(), what, remedy).into());
    }
    Cells::beside(fixed.read()?.view())
}

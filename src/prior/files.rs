use super::{Part, Prior, PriorError};
use crate::io::agreement::disagreement;
use crate::io::listing::files;
use crate::io::precision::Gathered;
use crate::io::{Grid, IoError, Quantity, Rows};
use ndarray::{ArrayD, ArrayViewD, Axis, Slice};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Parts of images or volumes in files, see [`Files`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct FilesConfig {
    /// A file, a folder, or a pattern with `*` in the file name; a relative one starts from the folder of the problem file.
    pub path: PathBuf,
    /// Pixels along each axis of the parts that are drawn, one to three.
    pub shape: Vec<usize>,
    /// The dataset of HDF5 files that hold several; `x` is taken where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Where the least and the greatest value of every file are mapped to; without it values stay what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Mirror half of the images along each axis.
    #[serde(default)]
    pub flips: bool,
    /// Exchange the axes at random.
    #[serde(default)]
    pub transposes: bool,
    /// Standard deviation of the white noise that is added, in the unit of the images; without it 1/256 of the range of
    /// the middle one of all images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dither: Option<f64>,
}

/// Random parts of images that are there already: measured, or made by another program.
///
/// x = an image of the files, cut out at a random place, + dither · w with white noise w. The images are equally likely,
/// and so are the places in one. The noise gives a density to what is otherwise a finite set of images, and
/// spreads out the steps of values stored in a few bits (Uria et al. 2013, arXiv:1306.0186).
///
/// HDF5, npy, NIfTI-1 and PNG (as luminance, from 0 to 1) are read, all into memory. Arrays with as many axes as `shape`
/// are one image; with one more, the first axis counts images; with two more, image and channel: `[image, channel,
/// axes…]`. So a volume gives its planes where `shape` has two axes. NIfTI has no axis of channels: all axes in front of those
/// of an image count images, planes and times of a series alike.
///
/// The sets of pairs see different images. Of two files or more a tenth, evenly spread over the sorted names, are for
/// tests only, and their successors for validation only; of two files the first is for tests. Of a single file with several
/// images the last tenth is for tests, the tenth before for validation. A single image is cut by all sets: its test pairs
/// overlap training pairs, and show how well that image is known rather than how well a new one would be.
///
/// Flips and transposes make mirrored images as likely as the images are: a statement about the world, not about the
/// operator.
pub struct Files {
    shape: Vec<usize>,
    images: Vec<ArrayD<f32>>,
    /// Which images are there for training, validation and test.
    parts: [Vec<usize>; 3],
    flips: bool,
    transposes: bool,
    dither: f32,
}

/// What is read in a folder.
const ENDINGS: [&str; 7] = [".h5", ".hdf5", ".hdf", ".npy", ".nii", ".nii.gz", ".png"];
/// The dither that is added unless another one is given, as a share of the range of the middle one of all images.
const DITHER: f64 = 1.0 / 256.0;

impl FilesConfig {
    /// The files behind its path, in the order of their names.
    pub fn files(&self) -> Result<Vec<PathBuf>, IoError> {
        files(&self.path, &ENDINGS)
    }
}

impl Files {
    /// Reads the files.
    ///
    /// # Errors
    /// Each names the file: a missing or unreadable one, images of other rank or channels than those of the first
    /// file, images smaller than `shape`, values that are not finite, a range that cannot be had.
    pub fn new(config: &FilesConfig) -> Result<Self, PriorError> {
        let parameter = |name, value, remedy| Err(PriorError::Parameter { name, value, remedy });
        let shape = &config.shape;
        if !(1..=3).contains(&shape.len()) || shape.contains(&0) {
            return parameter("shape", format!("{shape:?}"), "give the pixels along one to three axes, none zero");
        }
        if let Some([low, high]) = config.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return parameter("range", format!("{:?}", [low, high]), "give two numbers, the least first");
        }
        let paths = config.files()?;
        let read: Vec<Result<_, IoError>> = paths.par_iter().map(|path| stack(path, config)).collect();
        let (stacks, said): (Vec<ArrayD<f32>>, Vec<Quantity>) =
            read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let there = paths.first().map_or(String::new(), |path| path.display().to_string());
        // Of values that are mapped to a range the unit does not matter.
        for (path, here) in paths.iter().zip(&said).filter(|_| config.range.is_none()) {
            if let Some(what) = disagreement(here, &said[0], &there) {
                return Err(content(path, what, "convert one of them, or correct what it says of itself").into());
            }
        }
        let channels = |stack: &ArrayD<f32>| stack.shape().get(1).copied().unwrap_or(1);
        if let Some(odd) = stacks.iter().position(|stack| channels(stack) != channels(&stacks[0])) {
            let what =
                format!("{} channels, {} has {}", channels(&stacks[odd]), paths[0].display(), channels(&stacks[0]));
            return Err(content(&paths[odd], what, "give files of one kind, or name one of them").into());
        }
        let dither = config.dither.unwrap_or(typical_range(&stacks) * DITHER);
        if !(dither > 0.0 && (dither as f32).is_normal()) {
            let remedy = match config.dither {
                Some(_) => "give a positive standard deviation: without it images have no density",
                None => "all values of the files are equal; name other files, or give a positive dither",
            };
            return parameter("dither", dither.to_string(), remedy);
        }
        let counts: Vec<usize> = stacks.iter().map(|stack| stack.len_of(Axis(0))).collect();
        let images = stacks.iter().flat_map(|stack| stack.outer_iter().map(|image| image.to_owned())).collect();
        Ok(Self {
            shape: shape.clone(),
            images,
            parts: parts(&counts),
            flips: config.flips,
            transposes: config.transposes,
            dither: dither as f32,
        })
    }

    /// A part of one of these images.
    fn cut(&self, image: usize, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        let image = &self.images[image];
        // Axis a of the result is axis order[a] of the image.
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        if self.transposes {
            order.shuffle(rng);
        }
        let mut view =
            image.view().permuted_axes(std::iter::once(0).chain(order.iter().map(|a| a + 1)).collect::<Vec<_>>());
        for (axis, &size) in self.shape.iter().enumerate() {
            let axis = Axis(axis + 1);
            let start = rng.random_range(0..=view.len_of(axis).saturating_sub(size));
            view.slice_axis_inplace(axis, Slice::from(start..start + size));
            if self.flips && rng.random() {
                view.invert_axis(axis);
            }
        }
        view.map(|&value| {
            let white: f32 = StandardNormal.sample(rng);
            value + self.dither * white
        })
    }
}

impl Prior for Files {
    fn shape(&self) -> Vec<usize> {
        let channels = self.images.first().map_or(1, |image| image.len_of(Axis(0)));
        std::iter::once(channels).chain(self.shape.iter().copied()).collect()
    }

    fn white_noise(&self) -> f64 {
        self.dither.into()
    }

    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        self.cut(rng.random_range(0..self.images.len()), rng)
    }

    fn sample_part(&self, part: Part, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        let images = &self.parts[part as usize];
        self.cut(images[rng.random_range(0..images.len())], rng)
    }
}

/// The range of values of the middle one of all images that have any: one hot pixel has no say.
fn typical_range(stacks: &[ArrayD<f32>]) -> f64 {
    let range = |image: ArrayViewD<f32>| {
        let (least, most) = image.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, m), &v| (l.min(v), m.max(v)));
        f64::from(most) - f64::from(least)
    };
    let mut ranges: Vec<f64> =
        stacks.iter().flat_map(|stack| stack.outer_iter().map(range)).filter(|r| *r > 0.0).collect();
    ranges.sort_by(f64::total_cmp);
    ranges.get(ranges.len() / 2).copied().unwrap_or(0.0)
}

/// The images of one file, `[image, channel, axes…]`, held against all that can be wrong with them.
fn stack(path: &Path, config: &FilesConfig) -> Result<(ArrayD<f32>, Quantity), IoError> {
    let spec = match &config.dataset {
        Some(dataset) => format!("{}:{dataset}", path.display()),
        None => path.display().to_string(),
    };
    let rows = Rows::open_preferring(&spec, &["x"])?;
    let (rank, axes) = (rows.shape().len(), config.shape.len());
    let most = if rows.can_have_channels() { axes + 2 } else { usize::MAX };
    if !(axes..=most).contains(&rank) || rows.shape().contains(&0) {
        let remedy = format!("a shape of {axes} axes needs arrays of {axes} to {} axes, none of them empty", axes + 2);
        return Err(content(path, format!("an array of shape {:?}", rows.shape()), &remedy));
    }
    let said = Quantity::of(&rows, rank - axes)?;
    // Parts are cut anywhere: where images begin says nothing.
    let axes_of = said.grid.axes.iter().map(|axis| axis.clone().starting_at(0.0)).collect();
    let said = Quantity { grid: Grid::new(axes_of), ..said };
    let extents = &rows.shape()[rank - axes..];
    let fits = match config.transposes {
        true => extents.iter().min() >= config.shape.iter().max(),
        false => extents.iter().zip(&config.shape).all(|(extent, size)| extent >= size),
    };
    if !fits {
        let what = format!("images of {extents:?} pixels, too few for parts of {:?}", config.shape);
        let remedy = match config.transposes {
            true => {
                "give a smaller shape, leave the file out, or take transposes off, which need room along every axis"
            }
            false => "give a smaller shape, or leave the file out",
        };
        return Err(content(path, what, remedy));
    }
    let mut values = rows.read()?;
    if let Some(values) = values.as_slice() {
        rows.finite_or_error(0, values)?;
    }
    if rows.is_wide() {
        // A row at a time: all of it takes twice the memory of the image.
        let mut gathered = Gathered::default();
        for row in 0..rows.len() {
            let one = std::iter::once(row..row + 1).chain(rows.row_shape().iter().map(|&size| 0..size));
            gathered.add(rows.read_box_double(&one.collect::<Vec<_>>())?.into_iter());
        }
        gathered.held_by_single_or_error(rows.place(), "the image")?;
    }
    if let Some([low, high]) = config.range {
        let (least, most) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, m), &v| (l.min(v), m.max(v)));
        if least == most {
            let what = format!("all values are {least}, which no range can be made of");
            return Err(content(path, what, "leave the file out, or leave out `range`"));
        }
        let (least, scale) = (f64::from(least), (high - low) / (f64::from(most) - f64::from(least)));
        values.mapv_inplace(|v| (low + (f64::from(v) - least) * scale) as f32);
    }
    if rank == axes {
        values = values.insert_axis(Axis(0));
    }
    if !rows.can_have_channels() && rank > axes {
        let all = [&[rows.shape()[..rank - axes].iter().product(), 1], &rows.shape()[rank - axes..]].concat();
        let values = values.into_shape_with_order(all).map_err(|e| content(path, e.to_string(), "save it again"))?;
        return Ok((values, said));
    }
    let values = if rank < axes + 2 { values.insert_axis(Axis(1)) } else { values };
    Ok((values, said))
}

fn content(path: &Path, what: String, remedy: &str) -> IoError {
    IoError::content(path.display().to_string(), what, remedy)
}

/// Which images are for training, validation and test, where the files hold `counts` of them.
fn parts(counts: &[usize]) -> [Vec<usize>; 3] {
    let all: usize = counts.iter().sum();
    // What is kept together: files where there are several, else images.
    let mut end = 0;
    let files = counts.iter().map(|count| (end, end += count).0..end);
    let (groups, spread): (Vec<Range<usize>>, bool) = match counts.len() {
        0 | 1 => ((0..all).map(|image| image..image + 1).collect(), false),
        _ => (files.collect(), true),
    };
    let number = groups.len();
    let tenth = (number / 10).max(1);
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for (index, group) in groups.into_iter().enumerate() {
        // The tests come first in each stretch of files, and last among images.
        let place = if spread { index * tenth % number / tenth } else { (number - 1 - index) / tenth };
        let chosen = match (number, place) {
            (1, _) => &[Part::Training, Part::Validation, Part::Test][..],
            (_, 0) => &[Part::Test],
            (2, _) => &[Part::Training, Part::Validation],
            (_, 1) => &[Part::Validation],
            _ => &[Part::Training],
        };
        chosen.iter().for_each(|&part| parts[part as usize].extend(group.clone()));
    }
    parts
}

#[cfg(test)]
mod tests;

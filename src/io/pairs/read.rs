//! Reading pairs: a file, a folder of shards or a pattern, all as one collection.

use super::shards::shards;
use super::{NoiseTag, PairsInfo};
use crate::io::agreement::disagreement;
use crate::io::create::Provenance;
use crate::io::error::{IoError, Result};
use crate::io::grid::Axis as SpatialAxis;
use crate::io::limits::{buffer, elements};
use crate::io::precision::Gathered;
use crate::io::quantity::Quantity;
use crate::io::seal::{self, Seal};
use crate::io::source::Source;
use crate::io::unit;
use crate::io::volume::Rows;
use ndarray::{ArrayD, Axis, IxDyn};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Shards kept open at once; the system allows some thousand files.
const OPEN_SHARDS: usize = 128;

/// Pairs of a file by which its precision is judged, and how many numbers they may have.
const SAMPLES: usize = 32;
const LOOKED_AT: usize = 1 << 20;

/// A collection of pairs, read at random.
#[derive(Debug)]
pub struct Pairs {
    shards: Vec<Shard>,
    x_shape: Vec<usize>,
    y_shape: Vec<usize>,
    info: PairsInfo,
    states_noise: bool,
    /// Open shards, the least recently opened first.
    open: Mutex<VecDeque<(usize, Arc<Open>)>>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    seal: Seal,
    /// Number of the pair behind its last one.
    end: usize,
}

#[derive(Debug)]
struct Open {
    x: Rows,
    y: Rows,
}

impl Pairs {
    /// Opens a file, a folder or a pattern with `*` in the file name. Every shard is held against its seal once, here;
    /// shapes and noise must agree among shards.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let paths = shards(path.as_ref())?;
        let seals: Vec<Seal> = paths.par_iter().map(|path| seal::verify(path)).collect::<Result<_>>()?;
        let mut pairs = Self {
            shards: Vec::with_capacity(paths.len()),
            x_shape: Vec::new(),
            y_shape: Vec::new(),
            info: PairsInfo::default(),
            states_noise: true,
            open: Mutex::new(VecDeque::new()),
        };
        for (path, seal) in paths.into_iter().zip(seals) {
            pairs.add(path, seal)?;
        }
        match pairs.is_empty() {
            false => Ok(pairs),
            true => Err(IoError::content(path.as_ref().display().to_string(), "holds no pairs", "write some first")),
        }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.shards.last().map_or(0, |shard| shard.end)
    }

    /// Whether there are none; an open collection has at least one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of one x: `[channel, axes…]` or `[parameter]`.
    pub fn x_shape(&self) -> &[usize] {
        &self.x_shape
    }

    /// Shape of one y.
    pub fn y_shape(&self) -> &[usize] {
        &self.y_shape
    }

    /// Whether y is free of noise, which is then to be added afresh at every use.
    pub fn clean(&self) -> bool {
        self.info.noise == NoiseTag::None
    }

    /// Whether every file says that its y has noise. What says nothing is taken to have it, and may be a mistake.
    pub fn states_noise(&self) -> bool {
        self.states_noise
    }

    /// Units, axes, provenance: those of the first shard.
    pub fn info(&self) -> &PairsInfo {
        &self.info
    }

    /// The files, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// The pairs of these numbers, in this order: x `[indices, channel, axes…]`, y likewise. A value that is NaN or infinite
    /// is an error that names its file and index.
    pub fn read(&self, indices: &[usize]) -> Result<(ArrayD<f32>, ArrayD<f32>)> {
        let (x, y) = self.read_as_is(indices)?;
        for (values, size, is_x) in [(&x, elements(&self.x_shape), true), (&y, elements(&self.y_shape), false)] {
            let pairs = values.as_slice().unwrap_or_default().chunks(size.max(1));
            for (pair, &index) in pairs.zip(indices).filter(|(pair, _)| !pair.iter().all(|value| value.is_finite())) {
                let (number, row) = self.place(index);
                let shard = self.shard(number)?;
                if is_x { &shard.x } else { &shard.y }.finite_or_error(row, pair)?;
            }
        }
        Ok((x, y))
    }

    /// In which file pair `index` is, and which one of its pairs it is.
    pub fn file_of(&self, index: usize) -> Option<(&Path, usize)> {
        let (number, row) = self.place(index);
        self.shards.get(number).map(|shard| (shard.path.as_path(), row))
    }

    fn place(&self, index: usize) -> (usize, usize) {
        let number = self.shards.partition_point(|shard| shard.end <= index);
        (number, index - self.start(number))
    }

    /// The same whatever the values are: NaN and infinity stand where they are.
    ///
    /// Reading goes through the shards in their order whatever the order asked for.
    pub fn read_as_is(&self, indices: &[usize]) -> Result<(ArrayD<f32>, ArrayD<f32>)> {
        let place = || self.shards[0].path.display().to_string();
        if let Some(bad) = indices.iter().find(|&&i| i >= self.len()) {
            return Err(IoError::content(place(), format!("no pair {bad}, there are {}", self.len()), "ask for fewer"));
        }
        let (x_size, y_size) = (elements(&self.x_shape), elements(&self.y_shape));
        let mut x = buffer(indices.len().saturating_mul(x_size), &place())?;
        let mut y = buffer(indices.len().saturating_mul(y_size), &place())?;
        let mut order: Vec<usize> = (0..indices.len()).collect();
        order.sort_unstable_by_key(|&place| indices[place]);
        let mut current: Option<(usize, Arc<Open>)> = None;
        let mut done = 0;
        while done < order.len() {
            let (place, index) = (order[done], indices[order[done]]);
            let (number, row) = self.place(index);
            let shard = match &current {
                Some((open, shard)) if *open == number => shard.clone(),
                _ => self.shard(number)?,
            };
            // Neighbours that stay neighbours are one read: a sequential batch costs one call.
            let run = order[done..]
                .iter()
                .enumerate()
                .take_while(|(k, p)| {
                    **p == place + k && indices[**p] == index + k && index + k < self.shards[number].end
                })
                .count();
            for (rows, values, size) in [(&shard.x, &mut x, x_size), (&shard.y, &mut y, y_size)] {
                let values = &mut values[place * size..(place + run) * size];
                rows.rows_into(row..row + run, values)?;
            }
            current = Some((number, shard));
            done += run;
        }
        let shaped = |values: Vec<f32>, shape: &[usize]| {
            let shape: Vec<usize> = std::iter::once(indices.len()).chain(shape.iter().copied()).collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values)
                .map_err(|e| IoError::content(place(), e.to_string(), "ask for fewer pairs"))
        };
        Ok((shaped(x, &self.x_shape)?, shaped(y, &self.y_shape)?))
    }

    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.shards[before].end)
    }

    fn shard(&self, number: usize) -> Result<Arc<Open>> {
        // The queue is valid after every statement, whatever a panicking thread left.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shard)) = open.iter().find(|(known, _)| *known == number) {
            return Ok(shard.clone());
        }
        let Shard { path, seal, .. } = &self.shards[number];
        let shard = Arc::new(Open::new(&Source::open_verified(path, *seal)?)?);
        if open.len() >= OPEN_SHARDS {
            open.pop_front();
        }
        open.push_back((number, shard.clone()));
        Ok(shard)
    }

    fn add(&mut self, path: PathBuf, seal: Seal) -> Result<()> {
        let source = Source::open_verified(&path, seal)?;
        let shard = Open::new(&source)?;
        let info = shard.info(&source)?;
        if let Some(first) = self.shards.first() {
            let differ = |what: &str, here: String, there: String| {
                Err(IoError::content(
                    path.display().to_string(),
                    format!("{what} {here}, but {there} in {}", first.path.display()),
                    "pairs of one collection must agree: keep them in separate folders",
                ))
            };
            let rows = [("x", &shard.x, &self.x_shape), ("y", &shard.y, &self.y_shape)];
            if let Some((name, here, there)) = rows.iter().find(|(_, here, there)| here.row_shape() != there.as_slice())
            {
                return differ(
                    &format!("one {name} has shape"),
                    format!("{:?}", here.row_shape()),
                    format!("{there:?}"),
                );
            }
            if info.noise != self.info.noise {
                return differ("the noise of y is", info.noise.name().into(), self.info.noise.name().into());
            }
            let first = first.path.display().to_string();
            for (name, here, there) in [("x", &info.x, &self.info.x), ("y", &info.y, &self.info.y)] {
                if let Some(what) = disagreement(here, there, &first) {
                    let place = format!("{}:/{name}", path.display());
                    let remedy =
                        "pairs of one collection must agree: convert one of them, or correct what it says of itself";
                    return Err(IoError::content(place, what, remedy));
                }
            }
        } else {
            self.x_shape = shard.x.row_shape().to_vec();
            self.y_shape = shard.y.row_shape().to_vec();
            self.info = info;
        }
        for (name, rows) in [("x", &shard.x), ("y", &shard.y)] {
            // Of 32-bit numbers one file says enough: all that can be wrong is their unit.
            if rows.is_wide() || self.shards.is_empty() {
                held_by_single_or_error(name, rows)?;
            }
        }
        self.states_noise &= shard.y.text("noise").as_deref() == Some(NoiseTag::Included.name());
        let end = self.len() + shard.x.len();
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if open.len() < OPEN_SHARDS {
            open.push_back((self.shards.len(), Arc::new(shard)));
        }
        self.shards.push(Shard { path, seal, end });
        Ok(())
    }
}

impl Open {
    fn new(source: &Source) -> Result<Self> {
        let (x, y) = (needed(source, "x", "what is inferred")?, needed(source, "y", "what is observed")?);
        for rows in [&x, &y] {
            if rows.shape().len() < 2 {
                return Err(IoError::content(
                    rows.place(),
                    format!("shape {:?} has no axis beside the samples", rows.shape()),
                    "store images as [sample, channel, axes…] and parameters as [sample, parameter]",
                ));
            }
            if rows.row_shape().contains(&0) {
                return Err(IoError::content(
                    rows.place(),
                    format!("shape {:?} has no elements", rows.shape()),
                    "write it again with every axis of size one or more",
                ));
            }
        }
        match x.len() == y.len() {
            true => Ok(Self { x, y }),
            false => Err(IoError::content(
                source.path().display().to_string(),
                format!("x has {} samples, y has {}", x.len(), y.len()),
                "store one y for every x",
            )),
        }
    }

    fn info(&self, source: &Source) -> Result<PairsInfo> {
        let tag = self.y.text("noise");
        let noise = NoiseTag::parse(tag.as_deref()).ok_or_else(|| {
            let what = format!("has the attribute noise = {:?}", tag.unwrap_or_default());
            IoError::content(
                self.y.place(),
                what,
                "write \"none\" where y has no noise yet, else \"included\" or nothing",
            )
        })?;
        for rows in [&self.x, &self.y] {
            check_spacing(rows)?;
            check_channels(rows)?;
        }
        Ok(PairsInfo {
            x: Quantity::of(&self.x, 2)?,
            y: Quantity::of(&self.y, 2)?,
            noise,
            provenance: Provenance {
                problem: source.text("problem").unwrap_or_default(),
                seed: source.integer("seed").unwrap_or_default(),
                version: source.text("version").unwrap_or_default(),
            },
        })
    }
}

/// An error where the file itself says that what is read as channels is an axis of an image: it has a unit.
fn check_channels(rows: &Rows) -> Result<()> {
    let grid = rows.grid(1);
    let axis = grid.axes.first().filter(|_| grid.axes.len() + 1 == rows.shape().len() && grid.axes.len() > 1);
    let is_image =
        |axis: &&SpatialAxis| unit::is_said(&axis.unit) && !["channel", "parameter"].contains(&axis.name.as_str());
    match axis.filter(is_image) {
        Some(SpatialAxis { name, unit, .. }) => Err(IoError::content(
            rows.place(),
            format!("has shape {:?}, and its second axis, where channels are, is {name} ({unit})", rows.shape()),
            "store images as [sample, channel, axes…], those of one channel as [sample, 1, axes…]",
        )),
        None => Ok(()),
    }
}

/// An error unless the attribute `spacing`, where there is one, is possible for `[sample, channel, axes…]`.
fn check_spacing(rows: &Rows) -> Result<()> {
    let axes = rows.shape().len().saturating_sub(2);
    let wrong = |what: String| {
        let remedy = "give a positive number for each axis, and in spacing_units a text for each; images of one channel have an axis \
                      for it too, [sample, 1, axes…]";
        Err(IoError::content(
            rows.place(),
            format!("{what} and {axes} axes behind those of samples and channels"),
            remedy,
        ))
    };
    let spacing = match (rows.numbers("spacing"), rows.texts("spacing")) {
        (Some(spacing), _) => spacing,
        (None, Some(texts)) => return wrong(format!("has spacing {texts:?}")),
        (None, None) => return Ok(()),
    };
    let units = rows.texts("spacing_units").unwrap_or_default();
    if spacing.is_empty() {
        Ok(())
    } else if spacing.len() != axes || !spacing.iter().all(|&step| step > 0.0 && step.is_finite()) {
        wrong(format!("has spacing {spacing:?}"))
    } else if !(units.is_empty() || units.len() == axes) {
        wrong(format!("has spacing_units {units:?}"))
    } else {
        Ok(())
    }
}

/// An error where 32-bit floats cannot hold how the values of a channel differ, by some pairs from all over the file.
fn held_by_single_or_error(name: &str, rows: &Rows) -> Result<()> {
    let size = elements(rows.row_shape()).max(1);
    let count = (LOOKED_AT / size).clamp(2, SAMPLES).min(rows.len());
    let channels = rows.row_shape().first().copied().unwrap_or(1);
    let mut gathered = vec![Gathered::default(); channels];
    for k in 0..count {
        let row = k * rows.len() / count;
        let ranges: Vec<_> =
            std::iter::once(row..row + 1).chain(rows.row_shape().iter().map(|&size| 0..size)).collect();
        let row = rows.read_box_double(&ranges)?;
        gathered
            .iter_mut()
            .zip(row.axis_iter(Axis(1)))
            .for_each(|(some, channel)| some.add(channel.into_iter().copied()));
    }
    gathered.iter().enumerate().try_for_each(|(channel, some)| {
        let of = if channels > 1 { format!("{name}, channel {channel},") } else { name.to_owned() };
        some.held_by_single_or_error(rows.place(), &of)
    })
}

/// One of the two datasets.
fn needed(source: &Source, name: &str, what: &str) -> Result<Rows> {
    source.rows(name).map_err(|error| match &error {
        IoError::NoDataset { path, .. } => {
            let place = path.display().to_string();
            let found = error.to_string().replacen(&format!("{place}: "), "", 1);
            let remedy = format!("store {what} as dataset {name}, [sample, channel, axes…] or [sample, parameter]");
            IoError::content(place, found, remedy)
        }
        _ => error,
    })
}

//! The one way to read an array: `file.h5:/path`, `file.h5`, `file.npy`, `file.nii.gz`, `file.png`, as a whole or piece by
//! piece, as f32 or f64.

use super::element::Float;
use super::error::{IoError, Result};
use super::hdf;
use super::limits::{buffer, elements, not_finite};
use super::lost;
use super::nifti;
use super::npy::Npy;
use super::packing::Packing;
use super::picture;
use super::source::Source;
use hdf5::Dataset;
use ndarray::{ArrayD, IxDyn, Slice};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A dataset open for reading: boxes of it are read as they are asked for.
///
/// Any integer or floating-point type, byte order and storage (contiguous, chunked, compressed). Numbers that stand for others
/// are unpacked (`scale_factor`, `add_offset`), those that say that a value is missing (`_FillValue`, `missing_value`) are
/// handed out as NaN. Values are converted to f32, integers beyond 2²⁴ and f64 are rounded, or handed out as f64. The first
/// axis counts rows: samples, observations.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    place: String,
    shape: Vec<usize>,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Hdf5(Dataset, Option<Packing>),
    Npy(Npy),
    /// Formats that are not read in part: the values, and their type in the file.
    Held(ArrayD<f32>, String),
}

/// Reads a whole array. See [`Rows::open`] for the form of `spec`.
pub fn read(spec: &str) -> Result<ArrayD<f32>> {
    Rows::open(spec)?.read()
}

impl Rows {
    /// Opens `file.h5:/path/of/dataset`, `file.h5` (which must hold one dataset), `file.npy`, a NIfTI-1 volume (`file.nii`,
    /// `file.nii.gz`; slowest axis first: plane, row, column) or `file.png` (row, column; luminance from 0 to 1).
    pub fn open(spec: &str) -> Result<Self> {
        Self::open_preferring(spec, &[])
    }

    /// The same; where `spec` names no dataset and the file holds several, the first of `preferred` that is there.
    pub fn open_preferring(spec: &str, preferred: &[&str]) -> Result<Self> {
        let (path, dataset) = split(spec);
        let path = Path::new(path);
        match Format::of(path) {
            Format::Npy => return Self::of_npy(path),
            Format::Nifti => return nifti::read(path).map(|(values, kind)| Self::held(path, values, kind)),
            Format::Png => return picture::read(path).map(|(values, kind)| Self::held(path, values, kind)),
            Format::Hdf5 => {}
        }
        let source = Source::open(path)?;
        if let Some(dataset) = dataset {
            return source.rows(dataset);
        }
        if let Some(name) = preferred.iter().find(|name| source.has(name)) {
            return source.rows(name);
        }
        let names = source.datasets();
        match names.as_slice() {
            [one] => source.rows(one),
            [] => Err(IoError::NoDataset { path: path.into(), dataset: String::new(), present: names }),
            several => Err(IoError::content(
                path.display().to_string(),
                format!("holds several datasets ({})", several.join(", ")),
                format!("name one, as {}:/{}", path.display(), several[0]),
            )),
        }
    }

    fn of_npy(path: &Path) -> Result<Self> {
        let npy = Npy::open(path)?;
        let shape = npy.shape().to_vec();
        Ok(Self { path: path.into(), place: path.display().to_string(), shape, store: Store::Npy(npy) })
    }

    fn held(path: &Path, values: ArrayD<f32>, kind: String) -> Self {
        let shape = values.shape().to_vec();
        Self { path: path.into(), place: path.display().to_string(), shape, store: Store::Held(values, kind) }
    }

    pub(super) fn of_dataset(path: &Path, name: &str, data: Dataset) -> Result<Self> {
        let place = format!("{}:/{}", path.display(), name.trim_start_matches('/'));
        if !hdf::is_numeric(&data) {
            return Err(IoError::content(
                place,
                format!("holds {}, not real numbers", hdf::type_name(&data)),
                "store it as integers or floating-point numbers",
            ));
        }
        let space = data.space().map_err(|e| IoError::reading(path, &e))?;
        if space.ndim() == 0 && space.size() == 0 {
            return Err(IoError::content(place, "is an empty dataset", "store an array in it"));
        }
        lost::sources_or_error(path, &place, &data)?;
        let (shape, packing) = (space.shape(), Packing::of(&data));
        Ok(Self { path: path.into(), place, shape, store: Store::Hdf5(data, packing) })
    }

    /// `file:/dataset`, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// All axes, the first counting rows.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of one row.
    pub fn row_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or_default()
    }

    /// The numeric type in the file, as numpy writes it: `<f4`.
    pub fn type_name(&self) -> String {
        match &self.store {
            Store::Hdf5(data, _) => hdf::type_name(data),
            Store::Npy(npy) => npy.type_name(),
            Store::Held(_, kind) => kind.clone(),
        }
    }

    /// Whether its values can have more digits, or another size, than f32 holds.
    pub fn is_wide(&self) -> bool {
        let (kind, packing) = match &self.store {
            Store::Held(..) => return false,
            Store::Npy(_) => (self.type_name(), None),
            Store::Hdf5(_, packing) => (self.type_name(), packing.as_ref()),
        };
        let narrow = ["f2", "f4", "i1", "i2", "u1", "u2"].iter().any(|narrow| kind.ends_with(narrow));
        !narrow || packing.is_some_and(Packing::is_scaled)
    }

    /// Whether the file says how missing values are told. NaN is one then.
    pub fn knows_missing(&self) -> bool {
        matches!(&self.store, Store::Hdf5(_, Some(packing)) if packing.knows_missing())
    }

    /// Whether one axis in front of those of an image counts channels. In NIfTI all of them count images: planes, times.
    pub fn can_have_channels(&self) -> bool {
        !matches!(Format::of(&self.path), Format::Nifti)
    }

    /// A text among the attributes of the dataset, such as `units`.
    pub fn text(&self, name: &str) -> Option<String> {
        match &self.store {
            Store::Hdf5(data, _) => hdf::text(data, name),
            Store::Npy(_) | Store::Held(..) => None,
        }
    }

    /// Texts among the attributes of the dataset, such as `spacing_units`.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        match &self.store {
            Store::Hdf5(data, _) => hdf::texts(data, name),
            Store::Npy(_) | Store::Held(..) => None,
        }
    }

    /// Numbers among the attributes of the dataset.
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        match &self.store {
            Store::Hdf5(data, _) => hdf::numbers(data, name),
            Store::Npy(_) | Store::Held(..) => None,
        }
    }

    /// Everything.
    pub fn read(&self) -> Result<ArrayD<f32>> {
        let ranges: Vec<_> = self.shape.iter().map(|&size| 0..size).collect();
        self.read_box(&ranges)
    }

    /// Rows `range`, shape `[range, row…]`.
    pub fn rows(&self, range: Range<usize>) -> Result<ArrayD<f32>> {
        self.slab(0, range)
    }

    /// The slab `range` of one axis, whole in all others.
    pub fn slab(&self, axis: usize, range: Range<usize>) -> Result<ArrayD<f32>> {
        let mut ranges: Vec<_> = self.shape.iter().map(|&size| 0..size).collect();
        match ranges.get_mut(axis) {
            Some(whole) => *whole = range,
            None => return Err(self.outside(format!("has no axis {axis}"))),
        }
        self.read_box(&ranges)
    }

    /// The slabs along an axis one after the other, each of at most `memory` bytes but at least one index thick.
    pub fn slabs(&self, axis: usize, memory: usize) -> impl Iterator<Item = Result<(Range<usize>, ArrayD<f32>)>> + '_ {
        let size = self.shape.get(axis).copied().unwrap_or(1);
        let others = self.shape.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, &n)| n);
        let one = others.fold(size_of::<f32>(), usize::saturating_mul).max(1);
        let chunk = self.chunk().and_then(|chunk| chunk.get(axis).copied()).unwrap_or(1).max(1);
        let thick = (memory / one).max(1);
        // Whole chunks are not read twice.
        let thick = if thick > chunk { thick - thick % chunk } else { thick };
        (0..size).step_by(thick).map(move |start| {
            let range = start..(start + thick).min(size);
            Ok((range.clone(), self.slab(axis, range)?))
        })
    }

    /// The box of one range an axis, in standard layout. Its size is checked before anything is allocated.
    pub fn read_box(&self, ranges: &[Range<usize>]) -> Result<ArrayD<f32>> {
        self.read_box_as(ranges)
    }

    /// The same with all the digits of the file.
    pub fn read_box_double(&self, ranges: &[Range<usize>]) -> Result<ArrayD<f64>> {
        self.read_box_as(ranges)
    }

    fn read_box_as<T: Float>(&self, ranges: &[Range<usize>]) -> Result<ArrayD<T>> {
        let shape: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
        let mut values = buffer(elements(&shape), &self.place)?;
        self.read_box_into(ranges, &mut values)?;
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| self.outside(e.to_string()))
    }

    /// Any rows in any order, shape `[indices, row…]`. Sorted neighbours are read at once.
    pub fn gather(&self, indices: &[usize]) -> Result<ArrayD<f32>> {
        let shape: Vec<usize> = std::iter::once(indices.len()).chain(self.row_shape().iter().copied()).collect();
        if let Some(bad) = indices.iter().find(|&&index| index >= self.len()) {
            return Err(self.outside(format!("has {} rows, asked for row {bad}", self.len())));
        }
        let mut values = buffer(elements(&shape), &self.place)?;
        let row = elements(self.row_shape());
        let mut done = 0;
        while done < indices.len() {
            let first = indices[done];
            let run = indices[done..].iter().zip(first..).take_while(|(i, next)| *i == next).count();
            self.rows_into(first..first + run, &mut values[done * row..(done + run) * row])?;
            done += run;
        }
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| self.outside(e.to_string()))
    }

    /// Rows `range` into a buffer of exactly their size.
    pub fn rows_into(&self, range: Range<usize>, out: &mut [f32]) -> Result<()> {
        let mut ranges: Vec<_> = self.shape.iter().map(|&size| 0..size).collect();
        if let Some(rows) = ranges.first_mut() {
            *rows = range;
        }
        self.read_box_into(&ranges, out)
    }

    fn read_box_into<T: Float>(&self, ranges: &[Range<usize>], out: &mut [T]) -> Result<()> {
        let inside = ranges.iter().zip(&self.shape).all(|(range, &size)| range.start <= range.end && range.end <= size);
        let count: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
        if ranges.len() != self.shape.len() || !inside || elements(&count) != out.len() {
            return Err(self.outside(format!("has shape {:?}, asked for {ranges:?}", self.shape)));
        }
        match &self.store {
            Store::Npy(npy) => npy.read_box(ranges, out),
            Store::Held(values, _) => {
                let part = values.slice_each_axis(|axis| Slice::from(ranges[axis.axis.index()].clone()));
                out.iter_mut().zip(&part).for_each(|(to, from)| *to = T::of(f64::from(*from)));
                Ok(())
            }
            Store::Hdf5(data, packing) => {
                let start: Vec<usize> = ranges.iter().map(|range| range.start).collect();
                let read = |error: hdf5::Error| IoError::reading(&self.path, &error);
                let Some(packing) = packing else {
                    return hdf::read_box(data, &start, &count, out).map_err(read);
                };
                if !self.is_wide() {
                    hdf::read_box(data, &start, &count, out).map_err(read)?;
                    out.iter_mut().for_each(|value| *value = T::of(packing.value((*value).into())));
                    return Ok(());
                }
                let mut stored: Vec<f64> = buffer(out.len(), &self.place)?;
                hdf::read_box(data, &start, &count, &mut stored).map_err(read)?;
                out.iter_mut().zip(stored).for_each(|(value, stored)| *value = T::of(packing.value(stored)));
                Ok(())
            }
        }
    }

    /// Holds rows that were read, the first of them row `first`, against NaN and infinity; the error names the place.
    pub fn finite_or_error(&self, first: usize, rows: &[f32]) -> Result<()> {
        let whole: Vec<_> = self.row_shape().iter().map(|&size| 0..size).collect();
        let count = rows.len() / elements(self.row_shape()).max(1);
        let ranges: Vec<_> = std::iter::once(first..first + count).chain(whole).collect();
        self.finite_box_or_error(&ranges, rows.iter().map(|&value| f64::from(value)))
    }

    /// The same of a box that was read.
    pub fn finite_box_or_error(&self, ranges: &[Range<usize>], mut values: impl Iterator<Item = f64>) -> Result<()> {
        let Some((mut rest, bad)) = values.by_ref().enumerate().find(|(_, value)| !value.is_finite()) else {
            return Ok(());
        };
        let of_axis = |range: &Range<usize>| (range.start + rest % range.len(), rest /= range.len()).0;
        let mut index: Vec<usize> = ranges.iter().rev().map(of_axis).collect();
        index.reverse();
        if bad.is_nan() && self.knows_missing() {
            return Err(self.missing(&index));
        }
        Err(not_finite(&self.place, bad, &index))
    }

    /// The error for a value that the file says is missing.
    pub fn missing(&self, index: &[usize]) -> IoError {
        IoError::content(
            &self.place,
            format!("the value at index {index:?} is missing, by _FillValue, missing_value or the valid range"),
            "leave out what has missing values, or fill them in",
        )
    }

    fn chunk(&self) -> Option<Vec<usize>> {
        match &self.store {
            Store::Hdf5(data, _) => data.chunk(),
            Store::Npy(_) | Store::Held(..) => None,
        }
    }

    fn outside(&self, what: String) -> IoError {
        IoError::content(&self.place, what, "ask for a part that is there")
    }
}

/// The file that a specification names, without its dataset.
pub fn file_of(spec: &str) -> &Path {
    Path::new(split(spec).0)
}

/// Splits `file:/dataset`; a file whose name itself has a colon wins.
fn split(spec: &str) -> (&str, Option<&str>) {
    if Path::new(spec).exists() {
        return (spec, None);
    }
    match spec.rsplit_once(':') {
        Some((path, dataset)) if !path.is_empty() && !dataset.trim_matches('/').is_empty() => (path, Some(dataset)),
        _ => (spec, None),
    }
}

/// What a file is, by its name; whatever has no name of another format is taken for HDF5.
enum Format {
    Hdf5,
    Npy,
    Nifti,
    Png,
}

impl Format {
    fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("npy") => Format::Npy,
            Some("nii") => Format::Nifti,
            Some("gz") if name.ends_with(".nii.gz") => Format::Nifti,
            Some("png") => Format::Png,
            _ => Format::Hdf5,
        }
    }
}

mod axes;
#[cfg(test)]
mod tests;

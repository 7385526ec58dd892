//! Reading one image at a time from a file of results, whatever axes stand in front of it.

use super::FigureError;
use crate::io::{Grid, Quantity, Rows, Source};
use ndarray::{ArrayD, IxDyn};
use std::ops::Range;

/// A dataset `[leading axes…, channel?, axes…]`, the channel left out for vectors.
pub struct Dataset {
    rows: Rows,
    quantity: Quantity,
    leading: usize,
    channels: Option<usize>,
    grid: Grid,
}

/// One channel of one image.
#[derive(Clone, Debug)]
pub struct Field {
    /// One to three axes, as in the grid.
    pub values: ArrayD<f32>,
    pub grid: Grid,
    pub unit: String,
}

impl Dataset {
    /// Opens a dataset with this many axes in front of channel and grid.
    pub fn open(source: &Source, name: &str, leading: usize) -> Result<Self, FigureError> {
        let rows = source.rows(name)?;
        let shape = rows.shape();
        let Some(inner) = shape.get(leading..) else {
            return Err(shape_error(&rows, &format!("{leading} axes or more")));
        };
        let labels = rows.axis_labels();
        let spatial = rows.numbers("spacing").map(|spacing| spacing.len());
        let has_channel = match labels.get(leading).map(String::as_str) {
            None => false,
            Some("channel") => true,
            // A file of another program: an image has two axes, four are a volume with channels, of three a short
            // first one counts channels.
            Some("") => spatial.map_or(inner.len() == 4 || (inner.len() == 3 && inner[0] <= 4), |n| n < inner.len()),
            Some(_) => false,
        };
        let first = leading + usize::from(has_channel);
        let sizes = shape.get(first..).unwrap_or_default();
        let grid = match (sizes, rows.grid(first)) {
            // A single number is a vector of one parameter.
            ([], _) => vector(1),
            ([size], _) if labels.last().is_some_and(|label| label == "parameter") => vector(*size),
            (sizes, grid) if grid.sizes() == sizes => named(grid, labels.get(first..).unwrap_or_default()),
            (sizes, _) => Grid::of_pixels(sizes),
        };
        if grid.axes.len() > 3 || shape.contains(&0) {
            return Err(shape_error(&rows, "one to three spatial axes, none of them empty"));
        }
        let channels = has_channel.then(|| shape[leading]);
        Ok(Self { quantity: Quantity::of(&rows, first)?, rows, leading, channels, grid })
    }

    /// The same, nothing where it is absent.
    pub fn optional(source: &Source, name: &str, leading: usize) -> Result<Option<Self>, FigureError> {
        source.has(name).then(|| Self::open(source, name, leading)).transpose()
    }

    /// A text that is written on it.
    pub fn text(&self, name: &str) -> Option<String> {
        self.rows.text(name)
    }

    pub fn channels(&self) -> usize {
        self.channels.unwrap_or(1)
    }

    /// The name of a channel among several.
    pub fn name_of(&self, channel: usize) -> String {
        self.quantity.name_of(channel)
    }

    /// The size of a leading axis.
    pub fn leading(&self, axis: usize) -> usize {
        self.rows.shape()[..self.leading].get(axis).copied().unwrap_or(1)
    }

    /// The image at these indices of the leading axes. A channel that is not there is the last one: observations may have
    /// fewer channels than what is inferred from them.
    pub fn read(&self, leading: &[usize], channel: usize) -> Result<Field, FigureError> {
        let single = |&index: &usize| index..index + 1;
        let channel = channel.min(self.channels().saturating_sub(1));
        let unit = match self.channels {
            Some(_) => self.quantity.unit_of(channel),
            None => self.quantity.common_unit(),
        };
        let channel = self.channels.map(|_| single(&channel));
        let axes: Vec<Range<usize>> =
            self.rows.shape()[self.leading + usize::from(channel.is_some())..].iter().map(|&size| 0..size).collect();
        let ranges: Vec<Range<usize>> = leading.iter().map(single).chain(channel).chain(axes).collect();
        let values = self.rows.read_box(&ranges)?.into_raw_vec_and_offset().0;
        let values = ArrayD::from_shape_vec(IxDyn(&self.grid.sizes()), values)
            .map_err(|_| shape_error(&self.rows, "the axes of its grid"))?;
        Ok(Field { values, grid: self.grid.clone(), unit: unit.into() })
    }
}

impl Field {
    /// An error unless this image has the shape of another, of the dataset `name`.
    pub fn check_like(&self, other: &Field, name: &str) -> Result<(), FigureError> {
        if self.values.shape() == other.values.shape() {
            return Ok(());
        }
        Err(FigureError::Shape {
            place: format!("dataset {name:?}"),
            found: self.values.shape().to_vec(),
            expected: format!("the shape of the mean, {:?}", other.values.shape()),
        })
    }
}

fn vector(size: usize) -> Grid {
    let mut grid = Grid::of_pixels(&[size]);
    grid.axes.iter_mut().for_each(|axis| axis.name = "parameter".into());
    grid
}

/// The labels of the file name axes whose pixels have no size too.
fn named(mut grid: Grid, labels: &[String]) -> Grid {
    for (axis, label) in grid.axes.iter_mut().zip(labels).filter(|(_, label)| !label.is_empty()) {
        axis.name.clone_from(label);
    }
    grid
}

fn shape_error(rows: &Rows, expected: &str) -> FigureError {
    FigureError::Shape { place: rows.place().into(), found: rows.shape().to_vec(), expected: expected.into() }
}

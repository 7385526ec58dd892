//! Writing results, such as `posterior.h5`: datasets that grow along their first axis, one row an observation.

use super::create::{Create, Kind, Provenance, Storage};
use super::error::{IoError, Result};
use super::grid::Grid;
use super::hdf;
use hdf5::{Dataset, Hyperslab, SliceOrIndex};
use ndarray::ArrayViewD;
use std::path::Path;

/// What the axes and values of a dataset are.
#[derive(Clone, Debug, Default)]
pub struct Layout<'a> {
    /// Names of the axes in front of the grid, the first axis included: `["observation", "draw", "channel"]`.
    pub labels: &'a [&'a str],
    /// The spatial axes, last.
    pub grid: Grid,
    /// SI unit of the values (attribute `units`).
    pub unit: &'a str,
    /// What the values are (attribute `long_name`).
    pub long_name: &'a str,
}

/// A file of results being written; there when [`ResultWriter::finish`] returns, and not before.
#[derive(Debug)]
pub struct ResultWriter {
    // Datasets are closed before the file.
    datasets: Vec<(String, Dataset)>,
    scales: Vec<(String, Dataset)>,
    create: Create,
}

impl ResultWriter {
    /// Starts a file. The folder must exist.
    pub fn create(path: &Path, kind: Kind, provenance: &Provenance) -> Result<Self> {
        Ok(Self {
            datasets: Vec::new(),
            scales: Vec::new(),
            create: Create::new(path, kind, provenance)?,
        })
    }

    /// Gives the axes called `label` of later datasets their coordinates, stored as the dataset `name`: the probabilities
    /// of quantiles, say.
    pub fn scale(&mut self, name: &str, label: &str, values: &[f64], unit: &str) -> Result<()> {
        let scale = self.create.scale(name, label, values, unit)?;
        self.scales.push((label.into(), scale));
        Ok(())
    }

    /// A dataset without rows yet; `shape_of_one` is that of a row. Shuffle, deflate, Fletcher-32.
    pub fn dataset(&mut self, name: &str, shape_of_one: &[usize], layout: &Layout<'_>) -> Result<()> {
        let shape: Vec<usize> = std::iter::once(0).chain(shape_of_one.iter().copied()).collect();
        let data = self
            .create
            .dataset(name, &shape, layout.labels, &layout.grid, Storage::Growing)?;
        let describe = || {
            hdf::put_text(&data, "units", layout.unit)?;
            hdf::put_text(&data, "long_name", layout.long_name)?;
            for (axis, label) in layout.labels.iter().enumerate() {
                if let Some((_, scale)) = self.scales.iter().find(|(known, _)| known == label) {
                    hdf::attach_scale(&data, axis, scale)?;
                }
            }
            Ok(())
        };
        describe().map_err(|e| self.create.failed(&e))?;
        self.datasets.push((name.into(), data));
        Ok(())
    }

    /// Appends rows, `[rows, shape of one…]`.
    pub fn append(&mut self, name: &str, rows: ArrayViewD<'_, f32>) -> Result<()> {
        let mut start = vec![0; rows.ndim()];
        if let Some(first) = start.first_mut() {
            *first = self.rows(name)?;
        }
        self.write(name, &start, rows)
    }

    /// Writes a box whose corner is `start`; the first axis grows as far as it must. For rows that are too large to be held
    /// at once, such as all draws of a volume.
    pub fn write(&mut self, name: &str, start: &[usize], values: ArrayViewD<'_, f32>) -> Result<()> {
        let data = self.find(name)?;
        let shape = data.shape();
        let ends: Vec<usize> = start.iter().zip(values.shape()).map(|(s, n)| s + n).collect();
        let fits = start.len() == shape.len()
            && values.ndim() == shape.len()
            && ends.iter().zip(&shape).skip(1).all(|(end, size)| end <= size);
        if !fits {
            return Err(IoError::content(
                format!("{}:/{name}", self.create.path().display()),
                format!(
                    "values of shape {:?} at {start:?} do not fit into rows of {:?}",
                    values.shape(),
                    shape.get(1..)
                ),
                "give rows of the shape the dataset was made with",
            ));
        }
        if values.is_empty() {
            return Ok(());
        }
        let put = || {
            let mut grown = shape.clone();
            grown[0] = grown[0].max(ends[0]);
            if grown != shape {
                data.resize(grown)?;
            }
            let ranges: Vec<SliceOrIndex> = start
                .iter()
                .zip(&ends)
                .map(|(&s, &e)| SliceOrIndex::from(s..e))
                .collect();
            data.write_slice(&values.as_standard_layout(), Hyperslab::try_new(ranges)?)
        };
        put().map_err(|e: hdf5::Error| self.create.failed(&e))
    }

    /// Number of rows a dataset has now.
    pub fn rows(&self, name: &str) -> Result<usize> {
        Ok(self.find(name)?.shape().first().copied().unwrap_or(0))
    }

    /// A text attribute of a dataset.
    pub fn describe(&mut self, name: &str, attribute: &str, text: &str) -> Result<()> {
        hdf::put_text(self.find(name)?, attribute, text).map_err(|e| self.create.failed(&e))
    }

    /// Closes, seals and renames.
    pub fn finish(mut self) -> Result<()> {
        self.datasets.clear();
        self.scales.clear();
        self.create.finish()
    }

    fn find(&self, name: &str) -> Result<&Dataset> {
        let found = self.datasets.iter().find(|(known, _)| known == name);
        found.map(|(_, data)| data).ok_or_else(|| IoError::NoDataset {
            path: self.create.path().into(),
            dataset: name.into(),
            present: self.datasets.iter().map(|(known, _)| known.clone()).collect(),
        })
    }
}

//! Writing results, such as `posterior.h5`: datasets that grow along their first axis, one row an observation.

use super::create::{Create, Kind, Layout, Provenance, Storage};
use super::error::{IoError, Result};
use super::hdf;
use hdf5::{Dataset, H5Type, Hyperslab, SliceOrIndex};
use ndarray::ArrayViewD;
use std::path::Path;

/// A file of results being written; there when [`ResultWriter::finish`] returns, and not before.
#[derive(Debug)]
pub struct ResultWriter {
    // Datasets are closed before the file.
    datasets: Vec<(String, Dataset)>,
    create: Create,
}

impl ResultWriter {
    /// Starts a file. The folder must exist.
    pub fn create(path: &Path, kind: Kind, provenance: &Provenance) -> Result<Self> {
        Ok(Self { datasets: Vec::new(), create: Create::new(path, kind, provenance)? })
    }

    /// Says where the entries of the axes called `label` of later datasets are: the probabilities of quantiles, say.
    pub fn coordinates(&mut self, label: &str, values: &[f64], unit: &str) {
        self.create.coordinates(label, values, unit);
    }

    /// A dataset without rows yet; `shape_of_one` is that of a row. Shuffle, deflate, Fletcher-32.
    pub fn dataset(&mut self, name: &str, shape_of_one: &[usize], layout: &Layout<'_>) -> Result<()> {
        let shape: Vec<usize> = std::iter::once(0).chain(shape_of_one.iter().copied()).collect();
        self.add(name, &shape, layout, Storage::Growing)
    }

    /// A dataset of this shape from the start, to be filled by [`ResultWriter::write`]; its first axis need not count rows.
    pub fn maps(&mut self, name: &str, shape: &[usize], layout: &Layout<'_>) -> Result<()> {
        self.add(name, shape, layout, Storage::Packed)
    }

    fn add(&mut self, name: &str, shape: &[usize], layout: &Layout<'_>, storage: Storage) -> Result<()> {
        let data = self.create.dataset(name, shape, layout, storage)?;
        self.datasets.push((name.into(), data));
        Ok(())
    }

    /// Appends rows, `[rows, shape of one…]`.
    pub fn append<T: H5Type + Clone>(&mut self, name: &str, rows: ArrayViewD<'_, T>) -> Result<()> {
        let mut start = vec![0; rows.ndim()];
        if let Some(first) = start.first_mut() {
            *first = self.rows(name)?;
        }
        self.write(name, &start, rows)
    }

    /// Writes a box whose corner is `start`; the first axis grows as far as it must. For rows that are too large to be held
    /// at once, such as all draws of a volume.
    pub fn write<T: H5Type + Clone>(&mut self, name: &str, start: &[usize], values: ArrayViewD<'_, T>) -> Result<()> {
        let data = self.find(name)?;
        let shape = data.shape();
        let ends: Vec<usize> = start.iter().zip(values.shape()).map(|(s, n)| s.saturating_add(*n)).collect();
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
            let ranges: Vec<SliceOrIndex> = start.iter().zip(&ends).map(|(&s, &e)| SliceOrIndex::from(s..e)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Axis, Grid, Quantity, Rows, Source};
    use ndarray::{ArrayD, IxDyn, s};

    fn numbers(shape: &[usize]) -> ArrayD<f32> {
        ArrayD::from_shape_fn(IxDyn(shape), |i| (0..shape.len()).fold(0.0, |sum, axis| sum * 7.0 + i[axis] as f32))
    }

    fn layout<'a>(labels: &'a [&'a str]) -> Layout<'a> {
        let grid = Grid::new(vec![Axis::new("depth", 3, 12.5, "m"), Axis::new("distance", 4, 25.0, "m")]);
        let quantity = Quantity { name: "velocity".into(), unit: "m/s".into(), channels: vec![], grid };
        Layout { labels, quantity, ..Layout::default() }
    }

    #[test]
    fn rows_and_boxes_are_read_back_with_their_axes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("posterior.h5");
        let mut writer = ResultWriter::create(&path, Kind::Posterior, &Provenance::default()).unwrap();
        writer.coordinates("level", &[0.05, 0.5, 0.95], "");
        writer.dataset("mean", &[1, 3, 4], &layout(&["record", "channel"])).unwrap();
        writer.dataset("quantiles", &[3, 1, 3, 4], &layout(&["record", "level", "channel"])).unwrap();
        writer.dataset("samples", &[5, 1, 3, 4], &layout(&["record", "draw", "channel"])).unwrap();
        writer.describe("mean", "estimate", "64 draws").unwrap();
        let (mean, quantiles, samples) = (numbers(&[2, 1, 3, 4]), numbers(&[2, 3, 1, 3, 4]), numbers(&[2, 5, 1, 3, 4]));
        for i in 0..2 {
            writer.append("mean", mean.slice(s![i..i + 1, .., .., ..]).into_dyn()).unwrap();
            writer.append("quantiles", quantiles.slice(s![i..i + 1, .., .., .., ..]).into_dyn()).unwrap();
            for draw in (0..5).step_by(2) {
                let end = (draw + 2).min(5);
                let block = samples.slice(s![i..i + 1, draw..end, .., .., ..]).into_dyn();
                writer.write("samples", &[i, draw, 0, 0, 0], block).unwrap();
            }
        }
        assert_eq!(writer.rows("mean").unwrap(), 2);
        assert!(!path.exists());
        writer.finish().unwrap();

        let source = Source::open(&path).unwrap();
        assert_eq!(
            (source.kind(), source.datasets()),
            (Some("posterior"), vec!["mean".into(), "quantiles".into(), "samples".into()])
        );
        let rows = source.rows("samples").unwrap();
        assert_eq!(rows.read().unwrap(), samples);
        assert_eq!(rows.axis_labels(), ["record", "draw", "channel", "depth", "distance"]);
        assert_eq!((rows.axis("draw"), rows.axis("time")), (Some(1), None));
        assert_eq!(rows.grid(2), layout(&[]).quantity.grid);
        let mean_rows = source.rows("mean").unwrap();
        assert_eq!((mean_rows.read().unwrap(), mean_rows.text("units")), (mean, Some("m/s".into())));
        assert_eq!(mean_rows.text("estimate").as_deref(), Some("64 draws"));
        assert_eq!(source.rows("quantiles").unwrap().read().unwrap(), quantiles);
        assert_eq!(source.rows("level").unwrap().read().unwrap(), ndarray::array![0.05f32, 0.5, 0.95].into_dyn());
        let draws: Vec<_> = rows.slabs(1, 0).map(|slab| slab.unwrap().1).collect();
        assert_eq!((draws.len(), draws[4].shape()), (5, &[2, 1, 1, 3, 4][..]));
        let preferred = Rows::open_preferring(&path.display().to_string(), &["absent", "samples", "mean"]).unwrap();
        assert!(preferred.place().ends_with("posterior.h5:/samples"));
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.h5");
        let mut writer = ResultWriter::create(&path, Kind::Maps, &Provenance::default()).unwrap();
        writer.dataset("mean", &[1, 3, 4], &layout(&["record", "channel"])).unwrap();
        for shape in [&[1, 1, 3, 5][..], &[1, 3, 4], &[1, 2, 3, 4], &[]] {
            let message = writer.append("mean", numbers(shape).view()).unwrap_err().to_string();
            assert!(message.contains("maps.h5:/mean"), "{message}");
        }
        let message = writer.append("variance", numbers(&[1, 1, 3, 4]).view()).unwrap_err().to_string();
        assert!(message.contains("variance") && message.contains("holds mean"), "{message}");
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

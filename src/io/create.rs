//! Writing a file so that it is whole or not there: under a name for the time being, then sealed, synced and renamed.

use super::error::{IoError, Result};
use super::grid::{Axis, Grid};
use super::partial::Partial;
use super::{hdf, seal};
use hdf5::file::FileCloseDegree;
use hdf5::{Dataset, Extent, File};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Images smaller than this share a chunk, so that vectors of a few numbers do not drown in bookkeeping.
const SMALL_CHUNK: usize = 16 << 10;
/// Images larger than this are cut into several chunks; HDF5 allows none of 4 GiB or more.
const LARGE_CHUNK: usize = 64 << 20;

/// What a file of ours is: the root attribute `posteria`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Training or test pairs x, y.
    Pairs,
    /// What is known after an observation: mean, variance, quantiles, draws.
    Posterior,
    /// Any other images, such as statistics of draws.
    Maps,
}

impl Kind {
    /// The value of the attribute.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Pairs => "pairs",
            Kind::Posterior => "posterior",
            Kind::Maps => "maps",
        }
    }
}

/// Where a file comes from: root attributes `problem`, `seed` and `version`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The problem file, TOML; "" where there is none.
    pub problem: String,
    /// The seed of all random numbers in it.
    pub seed: u64,
    /// Version of the program that wrote it.
    pub version: String,
}

/// How a dataset is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Fixed shape, checksums, no compression: fast random reading.
    Plain,
    /// Grows along its first axis; shuffle, deflate and checksums.
    Growing,
}

/// An HDF5 file being written. Dropped without [`Create::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Create {
    axes: Vec<(Axis, Dataset)>,
    /// Every dataset, open until all of it is written: what is written when one is closed may fail without a word.
    datasets: Vec<Dataset>,
    file: Option<File>,
    /// Removed after the rest is closed.
    partial: Partial,
}

impl Create {
    /// Starts `path`, under another name until it is finished. The folder must exist.
    ///
    /// # Errors
    /// Another process is writing the same file, or it cannot be made there.
    pub fn new(path: &Path, kind: Kind, provenance: &Provenance) -> Result<Self> {
        let partial = Partial::begin(path)?;
        let file = File::with_options()
            .with_fcpl(|plist| plist.userblock(seal::BLOCK as u64).obj_track_times(false))
            // The lock of the unfinished file is ours.
            .with_fapl(|plist| plist.fclose_degree(FileCloseDegree::Strong).file_locking(false))
            .create(partial.place());
        let file = file.map_err(|e| IoError::writing(path, &e))?;
        let create = Self { file: Some(file.clone()), partial, axes: Vec::new(), datasets: Vec::new() };
        let attributes = || {
            hdf::put_text(&file, "posteria", kind.name())?;
            hdf::put_text(&file, "problem", &provenance.problem)?;
            hdf::put(&file, "seed", &provenance.seed)?;
            hdf::put_text(&file, "version", &provenance.version)
        };
        attributes().map_err(|e| create.failed(&e))?;
        Ok(create)
    }

    /// The name the file will have.
    pub fn path(&self) -> &Path {
        self.partial.path()
    }

    /// A new f32 dataset `[first axis, shape of one…]`: chunks of whole rows, Fletcher-32.
    ///
    /// `labels` name the leading axes, `grid` describes the last ones; together they cover the shape. The grid becomes
    /// dimension scales in the group `axes`, and the attributes `spacing` and `spacing_units`.
    pub fn dataset(
        &mut self,
        name: &str,
        shape: &[usize],
        labels: &[&str],
        grid: &Grid,
        storage: Storage,
    ) -> Result<Dataset> {
        if self.file().is_ok_and(|file| file.link_exists(name)) {
            return Err(IoError::content(
                format!("{}:/{name}", self.path().display()),
                "is there already",
                "give every dataset a name of its own",
            ));
        }
        let leading = shape.len().checked_sub(grid.axes.len());
        if shape.iter().skip(usize::from(storage == Storage::Growing)).any(|&size| size == 0) {
            return Err(IoError::content(
                format!("{}:/{name}", self.path().display()),
                format!("shape {shape:?} has no elements"),
                "every axis needs a size of at least one",
            ));
        }
        if shape.is_empty() || leading != Some(labels.len()) || !shape.ends_with(&grid.sizes()) {
            return Err(IoError::content(
                format!("{}:/{name}", self.path().display()),
                format!("shape {shape:?} is not that of axes {labels:?} and a grid of {:?}", grid.sizes()),
                "give every axis a label or a place in the grid",
            ));
        }
        let scales: Vec<Dataset> = grid.axes.iter().map(|axis| self.axis(axis)).collect::<Result<_>>()?;
        let make = || {
            let file = self.file()?;
            let first = match storage {
                Storage::Plain => Extent::fixed(shape[0]),
                Storage::Growing => Extent::resizable(shape[0]),
            };
            let extents: Vec<Extent> = std::iter::once(first).chain(shape[1..].iter().map(Extent::from)).collect();
            let image = (grid.axes.len() + 1).min(shape.len().saturating_sub(1));
            let builder = file.new_dataset::<f32>().obj_track_times(false).chunk(chunk_shape(shape, image, storage));
            let builder = match storage {
                Storage::Plain => builder.fletcher32(),
                Storage::Growing => builder.shuffle().deflate(4).fletcher32(),
            };
            let data = builder.shape(extents).create(name)?;
            let names = labels.iter().copied().chain(grid.axes.iter().map(|axis| axis.name.as_str()));
            for (axis, label) in names.enumerate() {
                hdf::label_axis(&data, axis, label)?;
            }
            for (axis, scale) in scales.iter().enumerate() {
                hdf::attach_scale(&data, labels.len() + axis, scale)?;
            }
            if !grid.axes.is_empty() {
                let spacing: Vec<f64> = grid.axes.iter().map(|axis| axis.spacing).collect();
                let units: Vec<String> = grid.axes.iter().map(|axis| axis.unit.clone()).collect();
                hdf::put_numbers(&data, "spacing", &spacing)?;
                hdf::put_texts(&data, "spacing_units", &units)?;
            }
            Ok(data)
        };
        let data = make().map_err(|e| self.failed(&e))?;
        self.datasets.push(data.clone());
        Ok(data)
    }

    /// A one-dimensional dataset of coordinates, made a dimension scale called `label`.
    pub fn scale(&mut self, name: &str, label: &str, values: &[f64], unit: &str) -> Result<Dataset> {
        let make = || {
            let data = self.file()?.new_dataset::<f64>().obj_track_times(false).shape(values.len()).create(name)?;
            data.write_raw(values)?;
            hdf::make_scale(&data, label)?;
            hdf::put_text(&data, "units", unit)?;
            Ok(data)
        };
        let data = make().map_err(|e: hdf5::Error| self.failed(&e))?;
        self.datasets.push(data.clone());
        Ok(data)
    }

    /// Writes what is still in memory, closes, seals, syncs and renames: from here on the file is there.
    pub fn finish(mut self) -> Result<()> {
        if let Some(file) = self.file.take() {
            file.flush().map_err(|e| self.failed(&e))?;
            self.axes.clear();
            self.datasets.clear();
            file.close().map_err(|e| self.failed(&e))?;
        }
        seal::apply(self.partial.place())?;
        self.partial.publish()
    }

    /// The dimension scale of an axis, shared by all datasets that have the same axis.
    fn axis(&mut self, axis: &Axis) -> Result<Dataset> {
        if let Some((_, scale)) = self.axes.iter().find(|(known, _)| known == axis) {
            return Ok(scale.clone());
        }
        let namesakes = self.axes.iter().filter(|(known, _)| known.name == axis.name).count();
        let suffix = if namesakes == 0 { String::new() } else { format!("_{}", namesakes + 1) };
        let plain = if axis.name.is_empty() { "axis".into() } else { axis.name.replace(['/', '.'], "_") };
        let name = format!("axes/{plain}{suffix}");
        let scale = self.scale(&name, &axis.name, &axis.coordinates(), &axis.unit)?;
        self.axes.push((axis.clone(), scale.clone()));
        Ok(scale)
    }

    pub(super) fn file(&self) -> hdf5::Result<&File> {
        self.file.as_ref().ok_or_else(|| "the file is closed".into())
    }

    pub(super) fn failed(&self, error: &hdf5::Error) -> IoError {
        IoError::writing(self.path(), error)
    }
}

/// Chunks of one image (the last `image` axes), several where images are small, part of one where it is very large.
fn chunk_shape(shape: &[usize], image: usize, storage: Storage) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    let mut bytes = size_of::<f32>();
    for axis in (0..shape.len()).rev() {
        let limit = if axis + image >= shape.len() { LARGE_CHUNK } else { SMALL_CHUNK };
        let most = if axis == 0 && storage == Storage::Growing { usize::MAX } else { shape[axis] };
        chunk[axis] = (limit / bytes).clamp(1, most.max(1));
        bytes *= chunk[axis];
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, IxDyn};

    fn grid() -> Grid {
        Grid::new(vec![Axis::new("depth", 3, 12.5, "m"), Axis::new("distance", 4, 25.0, "m")])
    }

    #[test]
    fn chunks_hold_one_image_or_several_small_ones() {
        let plain = |shape: &[usize], image| chunk_shape(shape, image, Storage::Plain);
        assert_eq!(plain(&[1000, 1, 64, 64], 3), [1, 1, 64, 64]);
        assert_eq!(plain(&[1000, 3, 512, 512], 3), [1, 3, 512, 512]);
        assert_eq!(plain(&[1000, 8], 1), [512, 8]);
        assert_eq!(plain(&[10, 8], 1), [10, 8]);
        assert_eq!(plain(&[2, 1, 1024, 1024, 1024], 4), [1, 1, 16, 1024, 1024]);
        assert_eq!(chunk_shape(&[0, 100, 1, 64, 64], 3, Storage::Growing), [1, 1, 1, 64, 64]);
        assert_eq!(chunk_shape(&[0, 100, 1, 32, 32], 3, Storage::Growing), [1, 4, 1, 32, 32]);
        assert_eq!(chunk_shape(&[0, 8], 1, Storage::Growing), [512, 8]);
    }

    #[test]
    fn a_file_is_there_when_finished_and_leaves_nothing_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let partial = folder.path().join(".a.h5.posteria.partial");
        for finished in [false, true] {
            let mut create = Create::new(&path, Kind::Maps, &Provenance::default()).unwrap();
            let data = create.dataset("m", &[2, 1, 3, 4], &["sample", "channel"], &grid(), Storage::Plain).unwrap();
            data.write(&ArrayD::<f32>::ones(IxDyn(&[2, 1, 3, 4]))).unwrap();
            assert!(partial.exists() && !path.exists());
            match finished {
                true => create.finish().unwrap(),
                false => drop(create),
            }
            assert_eq!((path.exists(), partial.exists()), (finished, false));
        }
        assert_eq!(seal::verify(&path).unwrap(), seal::Seal::Valid);
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let mut create = Create::new(&path, Kind::Maps, &Provenance::default()).unwrap();
            let data = create.dataset("m", &[1, 1, 3, 4], &["sample", "channel"], &grid(), Storage::Plain).unwrap();
            data.write(&ArrayD::<f32>::ones(IxDyn(&[1, 1, 3, 4]))).unwrap();
            drop(data);
            create.finish().unwrap();
            std::fs::read(path).unwrap()
        };
        let first = write("a.h5");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert!(first == write("b.h5"), "a time of writing is in the file");
    }

    #[test]
    fn axes_of_one_name_and_different_size_get_scales_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let mut create = Create::new(&path, Kind::Maps, &Provenance::default()).unwrap();
        let line = |size, spacing| Grid::new(vec![Axis::new("time", size, spacing, "s")]);
        for (name, size, spacing) in [("a", 3, 0.1), ("b", 3, 0.1), ("c", 3, 0.2), ("d", 5, 0.1)] {
            let labels = ["sample", "channel"];
            create.dataset(name, &[1, 1, size], &labels, &line(size, spacing), Storage::Plain).unwrap();
        }
        let group = create.file().unwrap().group("axes").unwrap();
        assert_eq!(group.member_names().unwrap(), ["time", "time_2", "time_3"]);
    }

    #[test]
    fn places_that_cannot_be_written_are_errors_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for place in [folder.path().join("absent/a.h5"), file.join("a.h5")] {
            let message = Create::new(&place, Kind::Maps, &Provenance::default()).unwrap_err().to_string();
            assert!(message.contains(&place.display().to_string()), "{message}");
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut create = Create::new(&folder.path().join("a.h5"), Kind::Maps, &Provenance::default()).unwrap();
        for (shape, labels) in [
            (&[2, 1, 3, 5][..], &["sample", "channel"][..]),
            (&[2, 1, 3, 4], &["sample"]),
            (&[0, 1, 3, 4], &["sample", "channel"]),
            (&[], &[]),
        ] {
            assert!(create.dataset("m", shape, labels, &grid(), Storage::Plain).is_err(), "{shape:?}");
        }
        let labels = ["sample", "channel"];
        create.dataset("m", &[2, 1, 3, 4], &labels, &grid(), Storage::Plain).unwrap();
        let twice = create.dataset("m", &[2, 1, 3, 4], &labels, &grid(), Storage::Plain).unwrap_err().to_string();
        assert!(twice.contains("a.h5:/m: is there already"), "{twice}");
    }
}

//! Writing a file so that it is whole or not there: under a name for the time being, then sealed, synced and renamed.

use super::error::{IoError, Result};
use super::partial::Partial;
use super::quantity::Quantity;
use super::scales::{Coordinates, Dimension, Scales};
use super::{hdf, seal};
use hdf5::file::FileCloseDegree;
use hdf5::{Dataset, Extent, File, H5Type};
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

/// How a dataset is stored, always with checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Fixed shape, no compression: fast random reading.
    Plain,
    /// Fixed shape, shuffle and deflate.
    Packed,
    /// Grows along its first axis; shuffle and deflate.
    Growing,
}

/// The floating-point type of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    Single,
    /// 64 bits: squares of what 32 bits can hold.
    Double,
}

/// What the axes and values of a dataset are.
#[derive(Clone, Debug, Default)]
pub struct Layout<'a> {
    /// Names of the axes in front of the grid, the first axis included: `["record", "draw", "channel"]`.
    pub labels: &'a [&'a str],
    /// What the values are; its grid are the last axes.
    pub quantity: Quantity,
    /// How exact they are.
    pub precision: Precision,
}

/// An HDF5 file being written. Dropped without [`Create::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Create {
    /// Every dataset, open until all of it is written: what is written when one is closed may fail without a word.
    datasets: Vec<Written>,
    coordinates: Vec<(String, Coordinates)>,
    file: Option<File>,
    /// Removed after the rest is closed.
    partial: Partial,
}

/// A dataset of the file, and its axes.
#[derive(Debug)]
struct Written {
    name: String,
    data: Dataset,
    axes: Vec<Dimension>,
    grows: bool,
}

impl Create {
    /// Starts `path`, under another name until it is finished. The folder must exist.
    ///
    /// # Errors
    /// Another process is writing the same file, or it cannot be made there.
    pub fn new(path: &Path, kind: Kind, provenance: &Provenance) -> Result<Self> {
        let partial = Partial::begin(path)?;
        let file = File::with_options()
            .with_fcpl(|plist| plist.obj_track_times(false))
            // The lock of the unfinished file is ours.
            .with_fapl(|plist| plist.fclose_degree(FileCloseDegree::Strong).file_locking(false))
            .create(partial.place());
        let file = file.map_err(|e| IoError::writing(path, &e))?;
        let create = Self { datasets: Vec::new(), coordinates: Vec::new(), file: Some(file.clone()), partial };
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

    /// Says where the entries of the axes called `label` of later datasets are: the probabilities of quantiles, say.
    pub fn coordinates(&mut self, label: &str, values: &[f64], unit: &str) {
        self.coordinates.push((label.into(), Coordinates::Measured { values: values.to_vec(), unit: unit.into() }));
    }

    /// A new dataset `[first axis, shape of one…]`: chunks of whole rows, Fletcher-32.
    ///
    /// The labels of the layout name the leading axes, its grid describes the last ones; together they cover the shape. Each
    /// axis becomes a dimension scale in the root of the file; the grid also the attributes `spacing` and `spacing_units`.
    pub fn dataset(&mut self, name: &str, shape: &[usize], layout: &Layout<'_>, storage: Storage) -> Result<Dataset> {
        let (labels, grid) = (layout.labels, &layout.quantity.grid);
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
        let make = || {
            let file = self.file()?;
            let first = match storage {
                Storage::Plain | Storage::Packed => Extent::fixed(shape[0]),
                Storage::Growing => Extent::resizable(shape[0]),
            };
            let extents: Vec<Extent> = std::iter::once(first).chain(shape[1..].iter().map(Extent::from)).collect();
            let image = (grid.axes.len() + 1).min(shape.len().saturating_sub(1));
            let chunk = chunk_shape(shape, image, storage, layout.precision);
            let data = match layout.precision {
                Precision::Single => new_dataset::<f32>(file, name, extents, chunk, storage)?,
                Precision::Double => new_dataset::<f64>(file, name, extents, chunk, storage)?,
            };
            layout.quantity.describe(&data)?;
            // Coordinates that fall are said by the scales alone: a spacing is positive.
            if !grid.axes.is_empty() && grid.axes.iter().all(|axis| axis.spacing > 0.0) {
                let spacing: Vec<f64> = grid.axes.iter().map(|axis| axis.spacing).collect();
                let units: Vec<String> = grid.axes.iter().map(|axis| axis.unit.clone()).collect();
                hdf::put_numbers(&data, "spacing", &spacing)?;
                hdf::put_texts(&data, "spacing_units", &units)?;
            }
            Ok(data)
        };
        let data = make().map_err(|e| self.failed(&e))?;
        let (axes, grows) = (self.axes(shape, layout), storage == Storage::Growing);
        self.datasets.push(Written { name: name.into(), data: data.clone(), axes, grows });
        Ok(data)
    }

    /// Gives every axis its scale, writes what is still in memory, closes, seals, syncs and renames: from here on the file
    /// is there.
    pub fn finish(mut self) -> Result<()> {
        let scales = self.attach_scales().map_err(|e| self.failed(&e))?;
        if let Some(file) = self.file.take() {
            file.flush().map_err(|e| self.failed(&e))?;
            drop(scales);
            self.datasets.clear();
            file.close().map_err(|e| self.failed(&e))?;
        }
        seal::apply(self.partial.place())?;
        self.partial.publish()
    }

    /// The axes of a dataset, as far as they are known before all of it is written.
    fn axes(&self, shape: &[usize], layout: &Layout<'_>) -> Vec<Dimension> {
        let channels = &layout.quantity.channels;
        let are_named = !channels.is_empty() && channels.iter().all(|channel| !channel.name.is_empty());
        let leading = layout.labels.iter().zip(shape).map(|(&label, &size)| {
            let said = self.coordinates.iter().find(|(known, _)| known == label);
            let coordinates = match said {
                Some((_, coordinates)) => coordinates.clone(),
                None if are_named && ["channel", "parameter"].contains(&label) && channels.len() == size => {
                    Coordinates::Named(channels.iter().map(|channel| channel.name.clone()).collect())
                }
                None => Coordinates::Counted,
            };
            Dimension { name: label.into(), size, coordinates }
        });
        let spatial = layout.quantity.grid.axes.iter().map(|axis| Dimension {
            name: axis.name.clone(),
            size: axis.size,
            coordinates: Coordinates::Measured { values: axis.coordinates(), unit: axis.unit.clone() },
        });
        leading.chain(spatial).collect()
    }

    /// Writes the scales of all axes, whose sizes are final now, and attaches them. They are handed out open.
    fn attach_scales(&mut self) -> hdf5::Result<Vec<Dataset>> {
        for Written { data, axes, .. } in &mut self.datasets {
            axes.iter_mut().zip(data.shape()).for_each(|(axis, size)| axis.size = size);
        }
        let datasets: Vec<(&str, &[Dimension])> =
            self.datasets.iter().map(|written| (written.name.as_str(), written.axes.as_slice())).collect();
        let Scales { scales, attached } = Scales::of(&datasets);
        let growing: Vec<usize> = self
            .datasets
            .iter()
            .zip(&attached)
            .filter(|(w, _)| w.grows)
            .filter_map(|(_, s)| s.first().copied())
            .collect();
        let write =
            |(k, (name, axis)): (usize, &(String, Dimension))| axis.write(self.file()?, name, growing.contains(&k));
        let scales: Vec<Dataset> = scales.iter().enumerate().map(write).collect::<hdf5::Result<_>>()?;
        for (Written { data, .. }, attached) in self.datasets.iter().zip(&attached) {
            for (axis, &scale) in attached.iter().enumerate() {
                hdf::attach_scale(data, axis, &scales[scale])?;
            }
        }
        Ok(scales)
    }

    pub(super) fn file(&self) -> hdf5::Result<&File> {
        self.file.as_ref().ok_or_else(|| "the file is closed".into())
    }

    pub(super) fn failed(&self, error: &hdf5::Error) -> IoError {
        IoError::writing(self.path(), error)
    }
}

fn new_dataset<T: H5Type>(
    file: &File,
    name: &str,
    extents: Vec<Extent>,
    chunk: Vec<usize>,
    storage: Storage,
) -> hdf5::Result<Dataset> {
    let builder = file.new_dataset::<T>().obj_track_times(false).chunk(chunk);
    let builder = match storage {
        Storage::Plain => builder.fletcher32(),
        Storage::Packed | Storage::Growing => builder.shuffle().deflate(4).fletcher32(),
    };
    builder.shape(extents).create(name)
}

/// Chunks of one image (the last `image` axes), several where images are small, part of one where it is very large.
fn chunk_shape(shape: &[usize], image: usize, storage: Storage, precision: Precision) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    let mut bytes = match precision {
        Precision::Single => size_of::<f32>(),
        Precision::Double => size_of::<f64>(),
    };
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
    use crate::io::{Axis, Channel, Grid, Rows};
    use ndarray::{ArrayD, IxDyn};

    fn layout<'a>(labels: &'a [&'a str], axes: Vec<Axis>) -> Layout<'a> {
        let quantity = Quantity { grid: Grid::new(axes), ..Quantity::default() };
        Layout { labels, quantity, ..Layout::default() }
    }

    /// Samples of images of 3 × 4 pixels.
    fn images() -> Layout<'static> {
        let axes = vec![Axis::new("depth", 3, 12.5, "m"), Axis::new("distance", 4, 25.0, "m")];
        layout(&["sample", "channel"], axes)
    }

    #[test]
    fn chunks_hold_one_image_or_several_small_ones() {
        let plain = |shape: &[usize], image| chunk_shape(shape, image, Storage::Plain, Precision::Single);
        assert_eq!(plain(&[1000, 1, 64, 64], 3), [1, 1, 64, 64]);
        assert_eq!(plain(&[1000, 3, 512, 512], 3), [1, 3, 512, 512]);
        assert_eq!(plain(&[1000, 8], 1), [512, 8]);
        assert_eq!(plain(&[10, 8], 1), [10, 8]);
        assert_eq!(plain(&[2, 1, 1024, 1024, 1024], 4), [1, 1, 16, 1024, 1024]);
        let growing = |shape: &[usize], image| chunk_shape(shape, image, Storage::Growing, Precision::Single);
        assert_eq!(growing(&[0, 100, 1, 64, 64], 3), [1, 1, 1, 64, 64]);
        assert_eq!(growing(&[0, 100, 1, 32, 32], 3), [1, 4, 1, 32, 32]);
        assert_eq!(growing(&[0, 8], 1), [512, 8]);
        assert_eq!(chunk_shape(&[1000, 8], 1, Storage::Plain, Precision::Double), [256, 8]);
    }

    #[test]
    fn a_file_is_there_when_finished_and_leaves_nothing_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let partial = folder.path().join(".a.h5.posteria.partial");
        for finished in [false, true] {
            let mut create = Create::new(&path, Kind::Maps, &Provenance::default()).unwrap();
            let data = create.dataset("m", &[2, 1, 3, 4], &images(), Storage::Plain).unwrap();
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
            let data = create.dataset("m", &[1, 1, 3, 4], &images(), Storage::Plain).unwrap();
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
    fn every_axis_has_a_scale_in_the_root_with_its_coordinates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let mut create = Create::new(&path, Kind::Maps, &Provenance::default()).unwrap();
        create.coordinates("level", &[0.1, 0.9], "1");
        for (name, size, spacing) in [("a", 3, 0.1), ("b", 3, 0.1), ("c", 3, 0.2)] {
            let layout = layout(&["record", "level"], vec![Axis::new("time", size, spacing, "s")]);
            create.dataset(name, &[0, 2, size], &layout, Storage::Growing).unwrap().resize([5, 2, size]).unwrap();
        }
        create.finish().unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(file.member_names().unwrap(), ["a", "b", "c", "record", "level", "time", "c_time"]);
        let numbers = |name: &str| file.dataset(name).unwrap().read_raw::<f64>().unwrap();
        assert_eq!(numbers("record"), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!((numbers("level"), numbers("c_time")), (vec![0.1, 0.9], vec![0.0, 0.2, 0.4]));
        assert!(file.dataset("record").unwrap().is_resizable() && !file.dataset("time").unwrap().is_resizable());
        drop(file);
        let rows = Rows::open(&format!("{}:/c", path.display())).unwrap();
        assert_eq!(
            (rows.axis_labels(), rows.grid(2).axes[0].spacing),
            (["record", "level", "time"].map(str::to_owned).into(), 0.2)
        );
    }

    #[test]
    fn channels_that_have_names_are_coordinates_by_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let mut create = Create::new(&path, Kind::Maps, &Provenance::default()).unwrap();
        let channels = ["velocity", "density"].map(|name| Channel { name: name.into(), unit: "1".into() }).into();
        let quantity = Quantity { channels, ..Quantity::default() };
        let layout = Layout { labels: &["record", "parameter"], quantity, precision: Precision::Double };
        create.dataset("m", &[3, 2], &layout, Storage::Packed).unwrap();
        create.finish().unwrap();
        let file = File::open(&path).unwrap();
        let names = file.dataset("parameter").unwrap().read_raw::<hdf5::types::VarLenUnicode>().unwrap();
        assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["velocity", "density"]);
        assert_eq!(hdf::type_name(&file.dataset("m").unwrap()), "<f8");
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
        let one_label = layout(&["sample"], images().quantity.grid.axes);
        for (shape, layout) in [
            (&[2, 1, 3, 5][..], images()),
            (&[2, 1, 3, 4], one_label),
            (&[0, 1, 3, 4], images()),
            (&[], Layout::default()),
        ] {
            assert!(create.dataset("m", shape, &layout, Storage::Plain).is_err(), "{shape:?}");
        }
        create.dataset("m", &[2, 1, 3, 4], &images(), Storage::Plain).unwrap();
        let twice = create.dataset("m", &[2, 1, 3, 4], &images(), Storage::Plain).unwrap_err().to_string();
        assert!(twice.contains("a.h5:/m: is there already"), "{twice}");
    }
}

//! Pairs (x, y): what is inferred and what is observed, written as shards and read as one collection.
//!
//! A shard is an HDF5 file with the datasets `x` and `y`, `[sample, channel, axes…]` (vectors are `[sample, parameter]`).
//! Any program can write one; ours add a seal, units, axes and provenance. Programs that count axes from the fastest, such
//! as MATLAB and Julia, write the array `(…axes, channel, sample)`.

mod read;
mod shards;
mod write;

pub use read::Pairs;
pub use shards::shards as files;
pub use write::PairsWriter;

use super::create::Provenance;
use super::quantity::Quantity;

/// Whether the stored y already carries noise: the attribute `noise` of y.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseTag {
    /// "none": y is clean, noise is added anew each time it is used.
    None,
    /// "included", or nothing said: y is used as it is.
    #[default]
    Included,
}

impl NoiseTag {
    /// The value of the attribute.
    pub fn name(self) -> &'static str {
        match self {
            NoiseTag::None => "none",
            NoiseTag::Included => "included",
        }
    }

    fn parse(text: Option<&str>) -> Option<Self> {
        match text.unwrap_or("included") {
            "none" => Some(NoiseTag::None),
            "included" => Some(NoiseTag::Included),
            _ => None,
        }
    }
}

/// All that a collection says about itself beside its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairsInfo {
    /// What is inferred.
    pub x: Quantity,
    /// What is observed.
    pub y: Quantity,
    /// Whether y carries noise.
    pub noise: NoiseTag,
    /// Problem file, seed and version.
    pub provenance: Provenance,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Axis, Grid, hdf};
    use ndarray::{ArrayD, Axis as Dimension, IxDyn, concatenate};
    use std::path::Path;

    fn info() -> PairsInfo {
        let grid = |names: [&str; 2], sizes: [usize; 2], unit| {
            Grid::new((0..2).map(|i| Axis::new(names[i], sizes[i], 12.5 * (i + 1) as f64, unit)).collect())
        };
        PairsInfo {
            x: Quantity {
                name: "velocity".into(),
                unit: "m/s".into(),
                channels: vec![],
                grid: grid(["depth", "distance"], [3, 4], "m"),
            },
            y: Quantity {
                name: "pressure".into(),
                unit: "Pa".into(),
                channels: vec![],
                grid: grid(["time", "receiver"], [5, 2], "s"),
            },
            noise: NoiseTag::None,
            provenance: Provenance { problem: "seed = 7\n".into(), seed: u64::MAX - 1, version: "0.1.0".into() },
        }
    }

    /// An axis that has a unit is one of the image; bands that are counted are channels.
    #[test]
    fn an_axis_with_a_unit_is_not_read_as_channels() {
        let folder = tempfile::tempdir().unwrap();
        let opened = |unit: &str| {
            let path = folder.path().join("pairs.h5");
            let file = hdf5::File::create(&path).unwrap();
            let band = file.new_dataset_builder().with_data(&[1.0, 2.0, 3.0]).create("band").unwrap();
            hdf::make_scale(&band, "band").unwrap();
            hdf::put_text(&band, "units", unit).unwrap();
            for name in ["x", "y"] {
                let data = file.new_dataset_builder().with_data(&numbers(&[9, 3, 5], 0)).create(name).unwrap();
                hdf::attach_scale(&data, 1, &band).unwrap();
            }
            drop((band, file));
            Pairs::open(&path).map(|pairs| pairs.x_shape().to_vec()).map_err(|e| e.to_string())
        };
        assert_eq!(["", "1"].map(opened), [Ok(vec![3, 5]), Ok(vec![3, 5])]);
        assert!(opened("m").unwrap_err().contains("its second axis, where channels are, is band (m)"));
    }

    fn numbers(shape: &[usize], offset: usize) -> ArrayD<f32> {
        ArrayD::from_shape_fn(IxDyn(shape), |i| {
            (0..shape.len()).fold(offset as f32, |sum, axis| sum * 3.7 + i[axis] as f32)
        })
    }

    /// Three shards of 4, 4 and 2 pairs; returns all x and y.
    fn write(folder: &Path) -> (ArrayD<f32>, ArrayD<f32>) {
        let writer = PairsWriter::create(folder, info()).unwrap();
        let shards: Vec<_> = [4, 4, 2]
            .iter()
            .enumerate()
            .map(|(i, &n)| (numbers(&[n, 1, 3, 4], i), numbers(&[n, 2, 5, 2], i + 10)))
            .collect();
        for (i, (x, y)) in shards.iter().enumerate() {
            writer.write_shard(i, x.view(), y.view()).unwrap();
        }
        writer.finish().unwrap();
        let (x, y): (Vec<_>, Vec<_>) = shards.iter().map(|(x, y)| (x.view(), y.view())).unzip();
        (concatenate(Dimension(0), &x).unwrap(), concatenate(Dimension(0), &y).unwrap())
    }

    #[test]
    fn everything_written_is_read_back_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let (x, y) = write(folder.path());
        let pairs = Pairs::open(folder.path()).unwrap();
        assert_eq!((pairs.len(), pairs.x_shape(), pairs.y_shape()), (10, &[1, 3, 4][..], &[2, 5, 2][..]));
        assert_eq!(*pairs.info(), info());
        assert!(pairs.clean());
        for indices in [vec![0], vec![9, 0, 4, 4, 3], (0..10).collect(), vec![7, 8, 9, 2, 3, 4, 5], vec![]] {
            let (read_x, read_y) = pairs.read(&indices).unwrap();
            assert_eq!(read_x, x.select(Dimension(0), &indices), "{indices:?}");
            assert_eq!(read_y, y.select(Dimension(0), &indices), "{indices:?}");
        }
        assert!(pairs.read(&[10]).unwrap_err().to_string().contains("no pair 10"));
    }

    #[test]
    fn a_file_a_folder_and_a_pattern_are_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let (x, _) = write(folder.path());
        let one = Pairs::open(folder.path().join("pairs-00001.h5")).unwrap();
        assert_eq!(one.read(&[1]).unwrap().0, x.select(Dimension(0), &[5]));
        let pattern = Pairs::open(folder.path().join("pairs-*2.h5")).unwrap();
        assert_eq!((pattern.len(), pattern.read(&[0]).unwrap().0), (2, x.select(Dimension(0), &[8])));
    }

    #[test]
    fn vectors_and_foreign_files_need_no_attributes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.hdf5");
        let file = hdf5::File::create(&path).unwrap();
        let (x, y) = (numbers(&[300, 2], 1), numbers(&[300, 7], 2));
        file.new_dataset_builder().with_data(&x.mapv(f64::from)).create("x").unwrap();
        file.new_dataset_builder().with_data(&y).create("y").unwrap();
        file.close().unwrap();
        let pairs = Pairs::open(folder.path()).unwrap();
        assert_eq!(
            pairs.read(&[299, 3]).unwrap(),
            (x.select(Dimension(0), &[299, 3]), y.select(Dimension(0), &[299, 3]))
        );
        assert!(!pairs.clean());
        assert_eq!(pairs.info().x.grid, Grid::default());
    }

    #[test]
    fn shards_that_disagree_are_both_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let other = PairsWriter::create(folder.path(), PairsInfo::default()).unwrap();
        other.write_shard(3, numbers(&[2, 9], 0).view(), numbers(&[2, 7], 0).view()).unwrap();
        let message = Pairs::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("pairs-00000.h5") && message.contains("pairs-00003.h5"), "{message}");
        let noisy = PairsInfo { noise: NoiseTag::Included, ..info() };
        let other = PairsWriter::create(folder.path(), noisy).unwrap();
        other.write_shard(3, numbers(&[2, 1, 3, 4], 0).view(), numbers(&[2, 2, 5, 2], 0).view()).unwrap();
        let message = Pairs::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("noise") && message.contains("pairs-00003.h5"), "{message}");
    }

    #[test]
    fn files_of_other_units_and_steps_are_refused_and_both_are_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let mut other = info();
        other.x.unit = "km/s".into();
        let write_other = |info: PairsInfo| {
            let writer = PairsWriter::create(folder.path(), info).unwrap();
            writer.write_shard(3, numbers(&[2, 1, 3, 4], 0).view(), numbers(&[2, 2, 5, 2], 0).view()).unwrap();
            Pairs::open(folder.path()).map(|pairs| pairs.len()).map_err(|e| e.to_string())
        };
        let message = write_other(other).unwrap_err();
        for part in ["pairs-00003.h5:/x", "the unit is km/s", "pairs-00000.h5", "it is m/s"] {
            assert!(message.contains(part), "{message}");
        }
        let mut other = info();
        other.y.grid.axes[0].origin = 3.0;
        let message = write_other(other).unwrap_err();
        assert!(message.contains("/y: time begins at 3 s") && message.contains("at 0 s"), "{message}");
        let mut silent = info();
        silent.x.unit = String::new();
        assert_eq!(write_other(silent), Ok(12));
    }

    #[test]
    fn values_that_32_bits_cannot_tell_apart_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        for (mean, size, part) in [(1.7e9, 1.0, "subtract a constant"), (0.0, 1e-60, "choose another unit")] {
            let y = numbers(&[30, 2, 4], 1).mapv(|v| mean + size * f64::from(v));
            let file = hdf5::File::create(&path).unwrap();
            file.new_dataset_builder().with_data(&numbers(&[30, 1, 4], 1)).create("x").unwrap();
            file.new_dataset_builder().with_data(&y).create("y").unwrap();
            file.close().unwrap();
            let message = Pairs::open(&path).unwrap_err().to_string();
            assert!(message.contains("a.h5:/y: y, channel 0,") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn unusable_pairs_are_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let check = |x: &ArrayD<f32>, y: Option<&ArrayD<f32>>, part: &str| {
            let file = hdf5::File::create(&path).unwrap();
            file.new_dataset_builder().with_data(x).create("x").unwrap();
            if let Some(y) = y {
                file.new_dataset_builder().with_data(y).create("y").unwrap();
            }
            file.close().unwrap();
            let message = Pairs::open(&path).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("a.h5"), "{message}");
        };
        let x = numbers(&[3, 2], 0);
        check(&x, None, "no dataset \"y\"; the file holds x");
        check(&x, Some(&numbers(&[4, 2], 0)), "x has 3 samples, y has 4");
        check(&numbers(&[3], 0), Some(&x), "no axis beside the samples");
        check(&numbers(&[0, 2], 0), Some(&numbers(&[0, 2], 0)), "holds no pairs");
        let file = hdf5::File::create(&path).unwrap();
        let mut values = numbers(&[3, 2], 0);
        values[[2, 1]] = f32::INFINITY;
        file.new_dataset_builder().with_data(&x).create("x").unwrap();
        file.new_dataset_builder().with_data(&values).create("y").unwrap();
        file.close().unwrap();
        let message = Pairs::open(&path).unwrap().read(&[0, 2]).unwrap_err().to_string();
        assert!(message.contains("a.h5:/y: value inf at index [2, 1]"), "{message}");
        let writer = PairsWriter::create(folder.path(), PairsInfo::default()).unwrap();
        let bad = ArrayD::from_elem(IxDyn(&[3, 2]), f32::NAN);
        let message = writer.write_shard(0, x.view(), bad.view()).unwrap_err().to_string();
        assert!(message.contains("NaN at index [0, 0]"), "{message}");
        let message = writer.write_shard(0, x.view(), numbers(&[2, 2], 0).view()).unwrap_err().to_string();
        assert!(message.contains("number of samples"), "{message}");
        assert!(!writer.shard_path(0).exists());
    }

    #[test]
    fn a_stopped_run_knows_its_finished_shards() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let unfinished = folder.path().join("pairs-00003.h5.partial");
        std::fs::write(&unfinished, "half a shard").unwrap();
        let writer = PairsWriter::create(folder.path(), info()).unwrap();
        let found: Vec<bool> = (0..4).map(|i| writer.has_shard(i, if i < 2 { 4 } else { 2 })).collect();
        assert_eq!(found, [true, true, true, false]);
        assert!(!writer.has_shard(0, 5));
        let mut bytes = std::fs::read(writer.shard_path(1)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(writer.shard_path(1), bytes).unwrap();
        assert!(!writer.has_shard(1, 4));
        let mut other = info();
        other.provenance.seed = 3;
        assert!(!PairsWriter::create(folder.path(), other).unwrap().has_shard(0, 4));
        writer.finish().unwrap();
        assert!(!unfinished.exists());
    }

    #[test]
    fn threads_read_the_same_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let (x, _) = write(folder.path());
        let pairs = Pairs::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (pairs, x) = (&pairs, &x);
                scope.spawn(move || {
                    for i in 0..50 {
                        let indices = [(i * 7 + thread) % 10, (i + thread) % 10];
                        assert_eq!(pairs.read(&indices).unwrap().0, x.select(Dimension(0), &indices));
                    }
                });
            }
        });
    }
}

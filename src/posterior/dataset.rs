//! Statistics of a dataset of draws of any size, block by block, whoever wrote it.

use std::ops::Range;
use std::path::Path;

use super::PosteriorError;
use super::stats::{Reduction, Summary};
use super::streaming::Quantiles;
use crate::io::{Axis, Grid, Kind, Layout, Precision, Provenance, Quantity, ResultWriter, Rows};
use ndarray::{ArrayD, Axis as Dimension};

/// Draws of which quantiles are exact; beyond, they are off by a rank error that the file states.
const LARGEST: usize = 1 << 14;
/// The label of the axis that is reduced where none is named.
const DRAW: &str = "draw";

/// Mean, variance, standard deviation and quantiles over the axis `draw_axis` of a dataset, written as maps to `path`.
///
/// The axis is the one given, else the one labelled "draw", else the first. Blocks of the other axes are reduced one after
/// the other, so that no more than about `memory` bytes are used. `progress` is told the share that is done; the work is
/// given up, and no file written, when it returns false. Returns the number of draws, or none where it was given up.
pub fn reduce_dataset(
    draws: &Rows,
    draw_axis: Option<usize>,
    levels: &[f64],
    path: &Path,
    memory: usize,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<usize>, PosteriorError> {
    let shape = draws.shape().to_vec();
    let axis = draw_axis.or_else(|| draws.axis(DRAW)).unwrap_or(0);
    let Some(&count) = shape.get(axis) else {
        let value = format!("{axis} of {} with shape {shape:?}", draws.place());
        return Err(PosteriorError::Parameter { name: "draw-axis", value, remedy: "axes count from 0" });
    };
    if count < 2 || shape.contains(&0) {
        return Err(PosteriorError::TooFewDraws { place: draws.place().into(), shape, axis });
    }
    let maps = Maps::new(draws, axis);
    let mut writer = maps.create(path, draws, levels)?;
    // Exact quantiles, unless the draws are very many: smaller blocks make room for them.
    let capacity = Quantiles::capacity(1, count, LARGEST * size_of::<f32>());
    let kept = if levels.is_empty() { 0 } else { capacity + levels.len() };
    // What is kept, two moments in double precision, and one slab of draws as large as all of these.
    let per_entry = 2 * (size_of::<f32>() * kept + 2 * size_of::<f64>());
    let entries: usize = maps.shape.iter().product();
    let (mut done, mut rank_error) = (0, 0.0_f64);
    for block in blocks(&maps.shape, (memory / per_entry).max(1)) {
        let size: usize = block.iter().map(ExactSizeIterator::len).product();
        let thick = (memory / (2 * size_of::<f32>() * size)).clamp(1, count);
        let of_block: Vec<usize> = block.iter().map(ExactSizeIterator::len).collect();
        let mut reduction = Reduction::new(&of_block, levels, capacity)?;
        for first in (0..count).step_by(thick) {
            let slab = maps.read(draws, first..(first + thick).min(count), &block)?;
            reduction.add(slab.view())?;
            let share = (first + slab.len_of(Dimension(0))) as f64 / count as f64;
            if !progress((done as f64 + share * size as f64) / entries as f64) {
                return Ok(None);
            }
        }
        done += size;
        let summary = reduction.finish()?;
        rank_error = rank_error.max(summary.rank_error);
        maps.write(&mut writer, &block, &summary)?;
    }
    if !levels.is_empty() {
        writer.describe("quantiles", "rank_error", &rank_error.to_string())?;
    }
    writer.finish()?;
    Ok(Some(count))
}

/// What the maps of a dataset look like: its axes without that of the draws.
struct Maps {
    axis: usize,
    shape: Vec<usize>,
    labels: Vec<String>,
    grid: Grid,
    /// Draws of single numbers make maps of one entry.
    scalar: bool,
}

impl Maps {
    fn new(draws: &Rows, axis: usize) -> Self {
        let without = |mut all: Vec<usize>| {
            all.remove(axis);
            all
        };
        let shape = without(draws.shape().to_vec());
        let names = draws.axis_labels();
        let known = draws.grid(names.iter().filter(|name| !name.is_empty()).count().clamp(1, draws.shape().len()));
        // The grid is made of last axes; the draws may lie among them where a user says so.
        let first = draws.shape().len() - known.axes.len();
        let grid: Vec<Axis> =
            known.axes.into_iter().enumerate().filter(|(i, _)| first + i != axis).map(|(_, a)| a).collect();
        let leading = shape.len() - grid.len();
        let named = (0..draws.shape().len()).filter(|i| *i != axis).map(|i| match names[i].as_str() {
            "" => format!("axis {i}"),
            name => name.to_owned(),
        });
        let mut labels: Vec<String> = named.take(leading).collect();
        let scalar = shape.is_empty();
        if scalar {
            labels.push("value".into());
        }
        Self { axis, shape: if scalar { vec![1] } else { shape }, labels, grid: Grid::new(grid), scalar }
    }

    fn create(&self, path: &Path, draws: &Rows, levels: &[f64]) -> Result<ResultWriter, PosteriorError> {
        let provenance = Provenance { version: env!("CARGO_PKG_VERSION").into(), ..Provenance::default() };
        let mut writer = ResultWriter::create(path, Kind::Maps, &provenance)?;
        let quantity = Quantity { grid: self.grid.clone(), ..Quantity::of(draws, 0)? };
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        let squared = quantity.squared();
        let layout = |quantity: &Quantity, precision| Layout { labels: &labels, quantity: quantity.clone(), precision };
        writer.maps("mean", &self.shape, &layout(&quantity, Precision::Single))?;
        writer.maps("variance", &self.shape, &layout(&squared, Precision::Double))?;
        writer.maps("standard_deviation", &self.shape, &layout(&quantity, Precision::Single))?;
        if !levels.is_empty() {
            writer.coordinates("level", levels, "1");
            let labels: Vec<&str> = std::iter::once("level").chain(labels.iter().copied()).collect();
            let shape = [&[levels.len()], &self.shape[..]].concat();
            writer.maps("quantiles", &shape, &Layout { labels: &labels, quantity, ..Layout::default() })?;
        }
        writer.describe("mean", "draws_of", draws.place())?;
        Ok(writer)
    }

    /// A box of draws with their axis in front: `[draw, block…]`.
    fn read(&self, draws: &Rows, range: Range<usize>, block: &[Range<usize>]) -> Result<ArrayD<f32>, PosteriorError> {
        let mut ranges = if self.scalar { Vec::new() } else { block.to_vec() };
        ranges.insert(self.axis, range);
        let slab = draws.read_box(&ranges)?;
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.remove(self.axis);
        order.insert(0, self.axis);
        let slab = slab.permuted_axes(order);
        Ok(if self.scalar { slab.insert_axis(Dimension(1)) } else { slab })
    }

    fn write(&self, writer: &mut ResultWriter, block: &[Range<usize>], of: &Summary) -> Result<(), PosteriorError> {
        let mut start: Vec<usize> = block.iter().map(|range| range.start).collect();
        writer.write("mean", &start, of.mean.view())?;
        writer.write("variance", &start, of.variance.view())?;
        writer.write("standard_deviation", &start, of.standard_deviation.view())?;
        if !of.levels.is_empty() {
            start.insert(0, 0);
            writer.write("quantiles", &start, of.quantiles.view())?;
        }
        Ok(())
    }
}

/// Cuts an array into boxes of at most `entries` entries (at least one), long along the last axes.
fn blocks(shape: &[usize], entries: usize) -> Vec<Vec<Range<usize>>> {
    let mut size = vec![1; shape.len()];
    let mut left = entries;
    for (size, &extent) in size.iter_mut().zip(shape).rev() {
        *size = left.clamp(1, extent);
        left /= *size;
    }
    let mut blocks = vec![Vec::new()];
    for (&size, &extent) in size.iter().zip(shape) {
        let ranges = (0..extent).step_by(size).map(|start| start..(start + size).min(extent));
        blocks = blocks
            .into_iter()
            .flat_map(|block: Vec<Range<usize>>| {
                ranges.clone().map(move |range| block.iter().cloned().chain([range]).collect())
            })
            .collect();
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::volume;
    use approx::assert_abs_diff_eq;
    use ndarray::IxDyn;

    fn draws(shape: &[usize]) -> ArrayD<f32> {
        let mut state = 1u32;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / 1e6
        })
    }

    fn store(folder: &Path, values: &ArrayD<f32>) -> Rows {
        let path = folder.join("draws.h5");
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset_builder().with_data(values).create("samples").unwrap();
        file.close().unwrap();
        Rows::open(&format!("{}:/samples", path.display())).unwrap()
    }

    #[test]
    fn any_memory_and_any_axis_give_the_statistics_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let values = draws(&[5, 7, 3, 4]);
        let rows = store(dir.path(), &values);
        let out = dir.path().join("maps.h5");
        for axis in 0..4 {
            for memory in [0, 600, 4000, 1 << 30] {
                let mut last = 0.0;
                let mut rising = |share: f64| {
                    assert!((last..=1.0).contains(&share), "{last} {share}");
                    last = share;
                    true
                };
                let count = reduce_dataset(&rows, Some(axis), &[0.25, 0.5], &out, memory, &mut rising).unwrap();
                assert_eq!((count, last), (Some(values.shape()[axis]), 1.0));
                let read = |name: &str| volume::read(&format!("{}:/{name}", out.display())).unwrap();
                let exact = values.mapv(f64::from);
                let mean = exact.mean_axis(Dimension(axis)).unwrap();
                let deviation = exact.std_axis(Dimension(axis), 1.0);
                assert_eq!(read("mean").shape(), mean.shape());
                for (found, expected) in read("mean").iter().zip(&mean) {
                    assert_abs_diff_eq!(f64::from(*found), *expected, epsilon = 1e-5);
                }
                for (found, expected) in read("standard_deviation").iter().zip(&deviation) {
                    assert_abs_diff_eq!(f64::from(*found), *expected, epsilon = 1e-5);
                }
                let medians = values.map_axis(Dimension(axis), |lane| {
                    let mut sorted = lane.to_vec();
                    sorted.sort_by(f32::total_cmp);
                    0.5 * (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2])
                });
                let quantiles = read("quantiles");
                for (found, expected) in quantiles.index_axis(Dimension(0), 1).iter().zip(&medians) {
                    assert_abs_diff_eq!(found, expected, epsilon = 1e-5);
                }
            }
        }
    }

    #[test]
    fn single_numbers_too_few_draws_and_wrong_axes() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("maps.h5");
        let reduce = |rows: &Rows, axis| reduce_dataset(rows, axis, &[], &out, 1 << 20, &mut |_| true);
        let scalars = store(dir.path(), &draws(&[50]));
        assert_eq!(reduce(&scalars, None).unwrap(), Some(50));
        assert_eq!(volume::read(&format!("{}:/mean", out.display())).unwrap().shape(), [1]);
        let error = reduce(&scalars, Some(1)).unwrap_err().to_string();
        assert!(error.contains("draw-axis") && error.contains("draws.h5"), "{error}");
        drop(scalars);
        let one = store(dir.path(), &draws(&[1, 4]));
        let error = reduce(&one, None).unwrap_err().to_string();
        assert!(error.contains("--draw-axis"), "{error}");
        assert_eq!(reduce(&one, Some(1)).unwrap(), Some(4));
        assert_eq!(reduce_dataset(&one, Some(1), &[], &out, 0, &mut |_| false).unwrap(), None);
    }

    #[test]
    fn blocks_tile_the_array() {
        for entries in 1..30 {
            let mut seen = ArrayD::<u8>::zeros(IxDyn(&[2, 3, 4]));
            for block in blocks(&[2, 3, 4], entries) {
                assert!(block.iter().map(ExactSizeIterator::len).product::<usize>() <= entries);
                seen.slice_each_axis_mut(|axis| block[axis.axis.index()].clone().into()).mapv_inplace(|n| n + 1);
            }
            assert!(seen.iter().all(|&n| n == 1), "{entries}");
        }
    }
}

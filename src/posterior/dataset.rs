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
/// The labels of the axes that are reduced where none is named: draws, and the chains that they come in (ArviZ).
const DRAW: &str = "draw";
const CHAIN: &str = "chain";
/// Labels of axes that may be those of draws.
const COUNTED: [&str; 10] =
    ["", "draws", "sample", "samples", "record", "observation", "iteration", "member", "realization", "ensemble"];
/// Differences of 64-bit draws below are zero in 32 bits.
const LEAST: f64 = 1e-37;

/// What was counted while draws were reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Draws.
    pub draws: usize,
    /// Entries of a map.
    pub entries: usize,
    /// Those of them in which some draw is NaN or infinite, and so are the maps.
    pub not_finite: usize,
}

/// Mean, variance, standard deviation and quantiles over the axis `draw_axis` of a dataset, written as maps to `path`.
///
/// The axis is the one given, else the one labelled "draw", together with that labelled "chain" where there is one, else the
/// first where its name does not speak against it. Blocks of the other axes are reduced one after the other, so that no more
/// than about `memory` bytes are used. Of 64-bit draws the digits are kept: a draw is taken off all of them before they are
/// rounded, and the maps are 64-bit. `progress` is told the share that is done; the work is given up, and no file written,
/// when it returns false. Returns what was counted, or none where it was given up.
///
/// # Errors
/// Axes among which that of the draws cannot be told, too few draws, values that the file says are missing.
pub fn reduce_dataset(
    draws: &Rows,
    draw_axis: Option<usize>,
    levels: &[f64],
    path: &Path,
    memory: usize,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Counts>, PosteriorError> {
    let shape = draws.shape().to_vec();
    let reduced = Reduced::of(draws, draw_axis)?;
    let (Some(&length), chains) = (shape.get(reduced.draw), reduced.chain.map_or(1, |axis| shape[axis])) else {
        let value = format!("{} of {} with shape {shape:?}", reduced.draw, draws.place());
        return Err(PosteriorError::Parameter { name: "draw-axis", value, remedy: "axes count from 0" });
    };
    let count = chains * length;
    if count < 2 || shape.contains(&0) {
        return Err(PosteriorError::TooFewDraws { place: draws.place().into(), shape, axis: reduced.draw });
    }
    let maps = Maps::new(draws, reduced);
    let mut writer = maps.create(path, draws, levels)?;
    // Exact quantiles, unless the draws are very many: smaller blocks make room for them.
    let capacity = Quantiles::capacity(1, count, LARGEST * size_of::<f32>());
    let kept = if levels.is_empty() { 0 } else { capacity + levels.len() };
    // What is kept, two moments in double precision, and one slab of draws as large as all of these.
    let per_entry = 2 * (size_of::<f32>() * kept + 2 * size_of::<f64>());
    let per_draw = if draws.is_wide() { size_of::<f64>() + size_of::<f32>() } else { size_of::<f32>() };
    let entries: usize = maps.shape.iter().product();
    let (mut done, mut rank_error, mut not_finite) = (0, 0.0_f64, 0);
    for block in blocks(&maps.shape, (memory / per_entry).max(1)) {
        let size: usize = block.iter().map(ExactSizeIterator::len).product();
        let thick = (memory / (2 * per_draw * size)).clamp(1, length);
        let of_block: Vec<usize> = block.iter().map(ExactSizeIterator::len).collect();
        let mut reduction = Reduction::new(&of_block, levels, capacity)?;
        let source = Block::new(&maps, draws, &block)?;
        for (chain, first) in (0..chains).flat_map(|chain| (0..length).step_by(thick).map(move |first| (chain, first)))
        {
            let range = first..(first + thick).min(length);
            reduction.add(source.read(chain, range.clone())?.view())?;
            let share = (chain * length + range.end) as f64 / count as f64;
            if !progress((done as f64 + share * size as f64) / entries as f64) {
                return Ok(None);
            }
        }
        done += size;
        let summary = reduction.finish()?;
        rank_error = rank_error.max(summary.rank_error);
        not_finite += summary.variance.iter().filter(|variance| !variance.is_finite()).count();
        source.write(&mut writer, &summary)?;
    }
    if !levels.is_empty() {
        writer.describe("quantiles", "rank_error", &rank_error.to_string())?;
    }
    writer.finish()?;
    Ok(Some(Counts { draws: count, entries, not_finite }))
}

/// The axes that are reduced.
#[derive(Clone, Copy, Debug)]
struct Reduced {
    draw: usize,
    chain: Option<usize>,
}

impl Reduced {
    fn of(draws: &Rows, draw_axis: Option<usize>) -> Result<Self, PosteriorError> {
        if let Some(draw) = draw_axis {
            return Ok(Self { draw, chain: None });
        }
        if let Some(draw) = draws.axis(DRAW) {
            return Ok(Self { draw, chain: draws.axis(CHAIN) });
        }
        let labels = draws.axis_labels();
        let first = labels.first().map_or("", String::as_str);
        // MATLAB's files say themselves that their axes are reversed: the first there is the last here.
        let is_reversed = draws.text("MATLAB_class").is_some() && labels.len() > 1;
        if COUNTED.contains(&first) && !is_reversed {
            return Ok(Self { draw: 0, chain: None });
        }
        let named = labels.iter().zip(draws.shape()).map(|(label, size)| match label.as_str() {
            "" => size.to_string(),
            name => format!("{name} {size}"),
        });
        let order = if is_reversed { " (MATLAB's, from the last to the first)" } else { "" };
        let axes = format!("[{}]{order}", named.collect::<Vec<_>>().join(", "));
        Err(PosteriorError::WhichAxis { place: draws.place().into(), axes })
    }

    fn has(&self, axis: usize) -> bool {
        self.draw == axis || self.chain == Some(axis)
    }
}

/// What the maps of a dataset look like: its axes without those of the draws.
struct Maps {
    reduced: Reduced,
    shape: Vec<usize>,
    labels: Vec<String>,
    grid: Grid,
    /// Draws of single numbers make maps of one entry.
    scalar: bool,
    precision: Precision,
}

impl Maps {
    fn new(draws: &Rows, reduced: Reduced) -> Self {
        let rank = draws.shape().len();
        let kept: Vec<usize> = (0..rank).filter(|axis| !reduced.has(*axis)).collect();
        let shape: Vec<usize> = kept.iter().map(|&axis| draws.shape()[axis]).collect();
        let names = draws.axis_labels();
        let known = match draws.measured_axes() {
            0 => draws.grid(names.iter().filter(|name| !name.is_empty()).count().clamp(1, rank)),
            measured => draws.grid(rank - measured),
        };
        // The grid is made of last axes; the draws may lie among them where a user says so.
        let first = rank - known.axes.len();
        let grid: Vec<Axis> =
            known.axes.into_iter().enumerate().filter(|(i, _)| !reduced.has(first + i)).map(|(_, a)| a).collect();
        let named = kept.iter().map(|&axis| match names[axis].as_str() {
            "" => format!("axis {axis}"),
            name => name.to_owned(),
        });
        let mut labels: Vec<String> = named.take(shape.len() - grid.len()).collect();
        let scalar = shape.is_empty();
        if scalar {
            labels.push("value".into());
        }
        let precision = if draws.is_wide() { Precision::Double } else { Precision::Single };
        let shape = if scalar { vec![1] } else { shape };
        Self { reduced, shape, labels, grid: Grid::new(grid), scalar, precision }
    }

    fn create(&self, path: &Path, draws: &Rows, levels: &[f64]) -> Result<ResultWriter, PosteriorError> {
        let provenance = Provenance { version: env!("CARGO_PKG_VERSION").into(), ..Provenance::default() };
        let mut writer = ResultWriter::create(path, Kind::Maps, &provenance)?;
        let quantity = Quantity { grid: self.grid.clone(), ..Quantity::of(draws, 0)? };
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        let squared = quantity.squared();
        let precision = self.precision;
        let layout = |quantity: &Quantity, precision| Layout { labels: &labels, quantity: quantity.clone(), precision };
        writer.maps("mean", &self.shape, &layout(&quantity, precision))?;
        writer.maps("variance", &self.shape, &layout(&squared, Precision::Double))?;
        writer.maps("standard_deviation", &self.shape, &layout(&quantity, precision))?;
        if !levels.is_empty() {
            writer.coordinates("level", levels, "1");
            let labels: Vec<&str> = std::iter::once("level").chain(labels.iter().copied()).collect();
            let shape = [&[levels.len()], &self.shape[..]].concat();
            writer.maps("quantiles", &shape, &Layout { labels: &labels, quantity, precision })?;
        }
        writer.describe("mean", "draws_of", draws.place())?;
        Ok(writer)
    }
}

/// A box of the maps, and the draws that it is made of.
struct Block<'a> {
    maps: &'a Maps,
    draws: &'a Rows,
    block: &'a [Range<usize>],
    /// What is taken off 64-bit draws before they are rounded: one of them, from their middle.
    taken_off: Option<ArrayD<f64>>,
}

impl<'a> Block<'a> {
    fn new(maps: &'a Maps, draws: &'a Rows, block: &'a [Range<usize>]) -> Result<Self, PosteriorError> {
        let mut new = Self { maps, draws, block, taken_off: None };
        if draws.is_wide() {
            let middle = draws.shape()[maps.reduced.draw] / 2;
            let (ranges, start) = new.ranges(0, middle..middle + 1);
            let draw = new.in_front(draws.read_box_double(&ranges)?, &start)?;
            new.taken_off = Some(draw.index_axis_move(Dimension(0), 0));
        }
        Ok(new)
    }

    /// One range an axis of the file, and where they start.
    fn ranges(&self, chain: usize, range: Range<usize>) -> (Vec<Range<usize>>, Vec<usize>) {
        let Reduced { draw, .. } = self.maps.reduced;
        let mut others = self.block.iter();
        let ranges: Vec<Range<usize>> = (0..self.draws.shape().len())
            .map(|axis| match axis {
                axis if axis == draw => range.clone(),
                axis if self.maps.reduced.has(axis) => chain..chain + 1,
                _ => others.next().cloned().unwrap_or(0..1),
            })
            .collect();
        let start = ranges.iter().map(|range| range.start).collect();
        (ranges, start)
    }

    /// A box of draws that starts at `start`, with their axis in front: `[draw, block…]`.
    fn in_front<T: Copy + Into<f64>>(&self, slab: ArrayD<T>, start: &[usize]) -> Result<ArrayD<T>, PosteriorError> {
        if self.draws.knows_missing()
            && let Some((index, _)) = slab.indexed_iter().find(|(_, value)| (**value).into().is_nan())
        {
            let index: Vec<usize> = (0..start.len()).map(|axis| start[axis] + index[axis]).collect();
            return Err(self.draws.missing(&index).into());
        }
        let Reduced { draw, chain } = self.maps.reduced;
        let kept = (0..start.len()).filter(|axis| !self.maps.reduced.has(*axis));
        let order: Vec<usize> = std::iter::once(draw).chain(chain).chain(kept).collect();
        let mut slab = slab.permuted_axes(order);
        if chain.is_some() {
            slab = slab.index_axis_move(Dimension(1), 0);
        }
        Ok(if self.maps.scalar { slab.insert_axis(Dimension(1)) } else { slab })
    }

    /// Draws of a chain, `[draw, block…]`, less what is taken off.
    fn read(&self, chain: usize, range: Range<usize>) -> Result<ArrayD<f32>, PosteriorError> {
        let (ranges, start) = self.ranges(chain, range);
        let Some(taken_off) = &self.taken_off else {
            return self.in_front(self.draws.read_box(&ranges)?, &start);
        };
        let rest = self.in_front(self.draws.read_box_double(&ranges)?, &start)? - taken_off;
        let finite = rest.iter().filter(|value| value.is_finite());
        let most = finite.fold(0.0_f64, |most, value| most.max(value.abs()));
        if most > 0.0 && !(LEAST..=f64::from(f32::MAX)).contains(&most) {
            return Err(PosteriorError::Unheld { place: self.draws.place().into(), most });
        }
        Ok(rest.mapv(|value| value as f32))
    }

    fn write(&self, writer: &mut ResultWriter, of: &Summary) -> Result<(), PosteriorError> {
        let start: Vec<usize> = self.block.iter().map(|range| range.start).collect();
        let of_levels = [&[0], &start[..]].concat();
        writer.write("variance", &start, of.variance.view())?;
        match &self.taken_off {
            None => {
                writer.write("mean", &start, of.mean.view())?;
                writer.write("standard_deviation", &start, of.standard_deviation.view())?;
                if !of.levels.is_empty() {
                    writer.write("quantiles", &of_levels, of.quantiles.view())?;
                }
            }
            Some(taken_off) => {
                writer.write("mean", &start, (of.mean.mapv(f64::from) + taken_off).view())?;
                writer.write("standard_deviation", &start, of.variance.mapv(f64::sqrt).view())?;
                if !of.levels.is_empty() {
                    writer.write("quantiles", &of_levels, (of.quantiles.mapv(f64::from) + taken_off).view())?;
                }
            }
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
                let counts = reduce_dataset(&rows, Some(axis), &[0.25, 0.5], &out, memory, &mut rising).unwrap();
                assert_eq!((counts.map(|counts| counts.draws), last), (Some(values.shape()[axis]), 1.0));
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
        let reduce = |rows: &Rows, axis| {
            reduce_dataset(rows, axis, &[], &out, 1 << 20, &mut |_| true)
                .map(|counts| counts.map(|counts| counts.draws))
        };
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

    /// As ArviZ stores them: chains and draws have axes of their own, named by scales; 64-bit numbers far from zero.
    #[test]
    fn chains_are_pooled_and_64_bit_draws_keep_their_digits() {
        let dir = tempfile::tempdir().unwrap();
        let [path, out] = ["chains.nc", "maps.h5"].map(|name| dir.path().join(name));
        let values = draws(&[3, 20, 2, 4]).mapv(|v| 1.7e9 + f64::from(v) / 1e3);
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&values).create("x").unwrap();
        file.new_dataset_builder().with_data(&values.mapv(|v| v - 1.7e9).mapv(|v| v as f32)).create("rest").unwrap();
        let axes = [("chain", 3, 1.0), ("draw", 20, 1.0), ("z", 2, 1.0), ("y", 4, 0.2)];
        for (axis, (name, size, step)) in axes.into_iter().enumerate() {
            let coordinates: Vec<f64> = (0..size).map(|i| f64::from(i) * step).collect();
            let scale = file.new_dataset_builder().with_data(&coordinates).create(name).unwrap();
            crate::io::attach_for_tests(&scale, name, &[("x", axis), ("rest", axis)]);
        }
        file.close().unwrap();
        let reduce = |name: &str, axis| {
            let rows = Rows::open(&format!("{}:/{name}", path.display())).unwrap();
            reduce_dataset(&rows, axis, &[0.5], &out, 400, &mut |_| true).unwrap().map(|counts| counts.draws)
        };
        let maps = |name: &str| Rows::open(&format!("{}:/{name}", out.display())).unwrap();
        let all = |rows: Rows| rows.read_box_double(&[0..2, 0..4]).unwrap();
        assert_eq!(reduce("rest", None), Some(60));
        let [deviation, rest] = ["standard_deviation", "mean"].map(|name| all(maps(name)));
        assert_eq!(reduce("x", None), Some(60));
        assert_eq!(maps("mean").axis_labels(), ["z", "y"]);
        assert_eq!(maps("mean").grid(1).axes, [Axis::new("y", 4, 0.2, "")]);
        let pooled = values.to_shape(IxDyn(&[60, 2, 4])).unwrap();
        let exact = pooled.mean_axis(Dimension(0)).unwrap();
        for k in 0..8 {
            let [found, exact, rest, deviation, found_deviation] =
                [&all(maps("mean")), &exact, &rest, &deviation, &all(maps("standard_deviation"))]
                    .map(|map| map.iter().copied().nth(k).unwrap());
            assert_abs_diff_eq!(found, exact, epsilon = 1e-5);
            assert_abs_diff_eq!(found - 1.7e9, rest, epsilon = 1e-5);
            assert_abs_diff_eq!(found_deviation, deviation, epsilon = 1e-5);
        }
        assert_eq!(reduce("x", Some(1)), Some(20));
        assert_eq!(maps("mean").axis_labels(), ["chain", "z", "y"]);
    }

    #[test]
    fn the_axis_of_draws_is_asked_for_where_names_speak_against_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("maps.h5");
        for (labels, asked) in
            [(["z", "y"], true), (["sample", "y"], false), (["chain", "y"], true), (["", "y"], false)]
        {
            let path = dir.path().join("a.h5");
            let file = hdf5::File::create(&path).unwrap();
            let data = file.new_dataset_builder().with_data(&draws(&[4, 5])).create("x").unwrap();
            let labels: Vec<hdf5::types::VarLenUnicode> = labels.iter().map(|label| label.parse().unwrap()).collect();
            data.new_attr_builder().with_data(&labels).create("DIMENSION_LABELS").unwrap();
            drop((data, file));
            let rows = Rows::open(&path.display().to_string()).unwrap();
            let found = reduce_dataset(&rows, None, &[], &out, 1 << 20, &mut |_| true);
            match found {
                Err(error) => assert!(asked && error.to_string().contains("--draw-axis"), "{error}"),
                Ok(counts) => assert!(!asked && counts.is_some_and(|counts| counts.draws == 4)),
            }
        }
    }

    #[test]
    fn missing_draws_are_named_by_their_place_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.nc");
        let mut values = draws(&[3, 8, 5]);
        values[[2, 6, 4]] = f32::NAN;
        let file = hdf5::File::create(&path).unwrap();
        let data = file.new_dataset_builder().with_data(&values).create("x").unwrap();
        data.new_attr::<f32>().create("_FillValue").unwrap().write_scalar(&f32::NAN).unwrap();
        drop((data, file));
        let rows = Rows::open(&path.display().to_string()).unwrap();
        let found = reduce_dataset(&rows, Some(1), &[], &dir.path().join("maps.h5"), 100, &mut |_| true);
        let message = found.unwrap_err().to_string();
        assert!(message.contains("[2, 6, 4] is missing"), "{message}");
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

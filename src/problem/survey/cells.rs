use ndarray::{ArrayD, ArrayViewD};

/// The least and the greatest value of each cell over pairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    range: Option<[ArrayD<f32>; 2]>,
    pairs: u64,
}

impl Cells {
    /// One pair more, `[channel, axes…]`.
    pub fn add(&mut self, image: ArrayViewD<f32>) {
        self.pairs += 1;
        let [least, greatest] = self.range.get_or_insert_with(|| [image.to_owned(), image.to_owned()]);
        least.zip_mut_with(&image, |least, &v| *least = least.min(v));
        greatest.zip_mut_with(&image, |greatest, &v| *greatest = greatest.max(v));
    }

    /// Where the cells are that had one value in all pairs, of two pairs or more, or varied less than a millionth of what the
    /// middle one of their channel did.
    pub fn constant(&self) -> Vec<Vec<usize>> {
        let Some([least, greatest]) = self.range.as_ref().filter(|_| self.pairs > 1) else { return Vec::new() };
        let widths = greatest - least;
        let of_channel = |(channel, widths): (usize, ArrayViewD<f32>)| {
            let least_width = LEAST * median(widths.iter().copied());
            let same = widths.indexed_iter().filter(|(_, width)| **width <= least_width);
            let place = |place: ndarray::IxDyn| [&[channel], ndarray::Dimension::slice(&place)].concat();
            same.map(|(at, _)| place(at)).collect::<Vec<_>>()
        };
        widths.outer_iter().enumerate().flat_map(of_channel).collect()
    }

    /// Of each channel, the size of the middle one of its cells about the middle of all, and the cell that is the farthest off
    /// with its distance.
    pub fn typical(&self) -> Vec<(f64, Vec<usize>, f64)> {
        let Some([least, greatest]) = &self.range else { return Vec::new() };
        let of_channel = |(least, greatest): (ArrayViewD<f32>, ArrayViewD<f32>)| {
            let middle = |(l, g): (&f32, &f32)| 0.5 * (f64::from(*l) + f64::from(*g));
            let middles: Vec<f64> = least.iter().zip(&greatest).map(middle).collect();
            let centre = f64::from(median(middles.iter().map(|&v| v as f32)));
            let off = |(k, (l, g)): (usize, (&f32, &f32))| {
                let width = f64::from(*g) - f64::from(*l);
                (middles[k] - centre).hypot(WIDTH * width)
            };
            let sizes: Vec<f64> = least.iter().zip(&greatest).enumerate().map(off).collect();
            let farthest = (0..sizes.len()).max_by(|&a, &b| sizes[a].total_cmp(&sizes[b])).unwrap_or(0);
            let mut place = vec![0; least.ndim()];
            least.shape().iter().zip(&mut place).rev().fold(farthest, |rest, (size, at)| {
                *at = rest % size;
                rest / size
            });
            let typical = f64::from(median(sizes.iter().map(|&v| v as f32)));
            (typical, place, sizes.get(farthest).copied().unwrap_or(0.0))
        };
        least.outer_iter().zip(greatest.outer_iter()).map(of_channel).collect()
    }
}

/// Cells that vary by a smaller share of what others do say nothing.
const LEAST: f32 = 1e-6;
/// The deviation of a cell, as a share of its range over many pairs.
const WIDTH: f64 = 0.25;

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut sorted: Vec<f32> = values.collect();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn cells_that_never_vary_are_found() {
        let mut cells = Cells::default();
        cells.add(array![[1.0, 2.0], [3.0, 4.0]].into_dyn().view());
        assert!(cells.constant().is_empty(), "one pair says nothing");
        cells.add(array![[1.0, 2.5], [3.0, 4.5]].into_dyn().view());
        assert_eq!(cells.constant(), [[0, 0], [1, 0]]);
        let mut cells = Cells::default();
        for k in 0..9 {
            let v = k as f32;
            cells.add(array![[v, 1.0 - v, 1e6], [v, 2.0 * v, 1e-9 * v]].into_dyn().view());
        }
        assert_eq!(cells.constant(), [[0, 2], [1, 2]]);
        let [(typical, place, farthest), _] = &cells.typical()[..] else { panic!("two channels") };
        assert!(*typical < 10.0 && *farthest > 9e5 && *place == [2], "{typical} {place:?} {farthest}");
    }
}

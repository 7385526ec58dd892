//! Images in standard deviations of the posterior: what truth and draws then have in common, whatever the posterior.
//!
//! The first half of the draws of a pair gives the mean m and the deviation s of every cell. The truth and each other draw
//! then are z = (x − m)/s. Given the first half they are exchangeable under an exact posterior, so that the rank of the
//! truth in any number made of z is exactly uniform, whatever the posterior looks like and however its cells depend on
//! each other (Modrák et al. 2025).

use super::UqError;
use super::cells::Cells;
use super::ranks::rank;
use crate::posterior::streaming::Moments;
use ndarray::{ArrayViewD, Axis, Slice};
use rand_chacha::ChaCha8Rng;

/// Draws of a half that moments are taken of, at least.
pub const FEWEST: u32 = 4;
/// No deviation counts for more: of cells in which draws agree and the truth differs it would be infinite.
const FARTHEST: f64 = 10.0;
/// Distances of cells whose differences are looked at.
const LAGS: [usize; 2] = [1, 4];

/// Within so many deviations of the mean lie 50, 90 and 98 % of normal numbers.
const NEAR: [f64; 3] = [0.6745, 1.6449, 2.3263];

/// What a number of z says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Mean of z.
    Bias,
    /// Mean of z².
    Spread,
    /// Shares of cells with |z| up to some bound.
    Coverage,
    /// Mean of |z|, and the largest, over the root of the mean of z².
    Tails,
    /// Mean squared difference of cells so far apart, over the mean of z².
    Texture,
}

/// Draws of one pair while they stream past.
pub struct Standardised {
    shape: Vec<usize>,
    first: Moments,
    half: u64,
    /// Mean and deviation of every cell, once the first half was seen.
    centre: Option<[Vec<f64>; 2]>,
    of_draws: Vec<Vec<f64>>,
}

impl Standardised {
    /// Of images `[channel, axes…]`, of which `draws` draws are to come; nothing where they are too few.
    pub fn new(shape: &[usize], draws: u32) -> Option<Self> {
        let half = draws / 2;
        (half >= FEWEST).then(|| Self {
            shape: shape.to_vec(),
            first: Moments::new(shape),
            half: half.into(),
            centre: None,
            of_draws: Vec::new(),
        })
    }

    /// More draws, `[draw, channel, axes…]`.
    pub fn add(&mut self, draws: ArrayViewD<f32>, cells: &Cells) -> Result<(), UqError> {
        let count = draws.shape().first().copied().unwrap_or(0);
        let rest = (self.half.saturating_sub(self.first.count()) as usize).min(count);
        if rest > 0 {
            self.first.add(draws.slice_axis(Axis(0), Slice::from(..rest)))?;
        }
        if rest < count {
            let centre = self.centre.get_or_insert_with(|| {
                let [mean, deviation] = [self.first.mean(), self.first.standard_deviation()];
                [mean.iter().copied().collect(), deviation.iter().copied().collect()]
            });
            for draw in draws.slice_axis(Axis(0), Slice::from(rest..)).axis_iter(Axis(0)) {
                self.of_draws.push(numbers(&standardise(draw, centre, cells), &self.shape));
            }
        }
        Ok(())
    }

    /// The rank of the truth among the second half, in every number; their count.
    pub fn ranks(&self, truth: ArrayViewD<f32>, cells: &Cells, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let Some(centre) = &self.centre else { return Vec::new() };
        let of_truth = numbers(&standardise(truth, centre, cells), &self.shape);
        let among = |(number, &value): (usize, &f64)| {
            let of_draws: Vec<f64> = self.of_draws.iter().filter_map(|numbers| numbers.get(number).copied()).collect();
            rank(value, &of_draws, rng)
        };
        of_truth.iter().enumerate().map(among).collect()
    }
}

/// Draws that the truth is ranked among, of so many.
pub fn second_half(draws: u32) -> u32 {
    draws - draws / 2
}

/// z of every cell, in order; zero where a cell is known.
fn standardise(image: ArrayViewD<f32>, [mean, deviation]: &[Vec<f64>; 2], cells: &Cells) -> Vec<f64> {
    let of_cell = |(index, (&x, (&mean, &deviation))): (usize, (&f32, (&f64, &f64)))| {
        let off = f64::from(x) - mean;
        match off == 0.0 || !cells.has(index) {
            true => 0.0,
            false => (off / deviation).clamp(-FARTHEST, FARTHEST),
        }
    };
    image.iter().zip(mean.iter().zip(deviation)).enumerate().map(of_cell).collect()
}

/// The aspect of each of [`numbers`] of images of this shape.
pub fn aspects(shape: &[usize]) -> Vec<Aspect> {
    let mut aspects = vec![Aspect::Bias, Aspect::Spread];
    aspects.extend([Aspect::Coverage; NEAR.len()]);
    if shape.iter().product::<usize>() > 1 {
        aspects.extend([Aspect::Tails; 2]);
    }
    aspects.extend(LAGS.iter().filter(|&&lag| shape.iter().any(|&n| n > lag)).map(|_| Aspect::Texture));
    aspects
}

/// Numbers of one standardised image, in the order of [`aspects`].
fn numbers(z: &[f64], shape: &[usize]) -> Vec<f64> {
    let count = z.len().max(1) as f64;
    let square = z.iter().map(|z| z * z).sum::<f64>() / count;
    let root = square.sqrt().max(f64::MIN_POSITIVE);
    let mut numbers = vec![z.iter().sum::<f64>() / count, square];
    numbers.extend(NEAR.map(|bound| z.iter().filter(|z| z.abs() <= bound).count() as f64 / count));
    if z.len() > 1 {
        numbers.push(z.iter().map(|z| z.abs()).sum::<f64>() / count / root);
        numbers.push(z.iter().fold(0.0_f64, |largest, z| largest.max(z.abs())) / root);
    }
    for lag in LAGS.iter().filter(|&&lag| shape.iter().any(|&n| n > lag)) {
        numbers.push(difference(z, shape, *lag) / square.max(f64::MIN_POSITIVE));
    }
    numbers
}

/// Mean squared difference of the cells that are `lag` apart along an axis, over all axes.
fn difference(z: &[f64], shape: &[usize], lag: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    for (axis, &size) in shape.iter().enumerate().filter(|(_, size)| **size > lag) {
        let stride: usize = shape[axis + 1..].iter().product();
        for line in z.chunks_exact(size * stride) {
            let differences = line.iter().zip(&line[lag * stride..]).map(|(a, b)| (a - b) * (a - b));
            sum += differences.sum::<f64>();
            count += (size - lag) * stride;
        }
    }
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use ndarray::ArrayD;

    #[test]
    fn differences_are_taken_along_every_axis() {
        // [[0, 1, 3], [10, 11, 13]]: rows differ by 10, columns by 1 and 2.
        let z = [0.0, 1.0, 3.0, 10.0, 11.0, 13.0];
        assert_eq!(difference(&z, &[1, 2, 3], 1), (3.0 * 100.0 + 2.0 * (1.0 + 4.0)) / 7.0);
        assert_eq!(difference(&z, &[2, 3], 2), 9.0);
        assert_eq!(aspects(&[1, 2, 3]).len(), numbers(&z, &[1, 2, 3]).len());
        assert_eq!(aspects(&[1]).len(), numbers(&[1.0], &[1]).len());
        assert_eq!(aspects(&[1, 9, 9]).len(), numbers(&[1.0; 81], &[1, 9, 9]).len());
    }

    /// Slabs of any size give the same, and a truth far above all draws has the highest rank in mean and spread.
    #[test]
    fn the_second_half_is_ranked_by_the_first() -> Result<(), UqError> {
        let draws = ArrayD::from_shape_fn(vec![20, 1, 2, 2], |i| ((i[0] * 7 + i[2] * 3 + i[3]) % 11) as f32);
        let truth = ArrayD::from_elem(vec![1, 2, 2], 30.0);
        let ranks = |thick: usize| -> Result<_, UqError> {
            let mut seen = Standardised::new(&[1, 2, 2], 20).expect("enough");
            for slab in draws.axis_chunks_iter(Axis(0), thick) {
                seen.add(slab, &Cells::default())?;
            }
            Ok(seen.ranks(truth.view(), &Cells::default(), &mut stream(1, Purpose::Diagnostic, 0)))
        };
        let all = ranks(20)?;
        assert_eq!(all[..2], [10, 10]);
        assert_eq!((all.clone(), all), (ranks(3)?, ranks(1)?));
        assert!(Standardised::new(&[1, 2, 2], 7).is_none());
        Ok(())
    }
}

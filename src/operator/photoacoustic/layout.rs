//! Where everything lies: image, grid and sensors in pixels, on three axes in the order in which they are worked on.

use super::PhotoacousticConfig;
use super::config::that;
use crate::operator::OperatorError;
use ndarray::{ArrayD, ArrayView3, ArrayViewD, Axis};
use std::collections::BTreeSet;

/// Positions are rounded to this part of a pixel, so that those meant to share a coordinate do.
const FINENESS: f64 = (1u64 << 40) as f64;
/// Pixels between the waves that matter and those that came round: the tails of band-limited pixels fade in them.
const MARGIN: f64 = 8.0;
/// No grid may be larger.
const MOST_PIXELS: usize = 1 << 30;
/// Nor anything that is held in memory.
const MOST_NUMBERS: usize = 1 << 30;

/// The first axis is the one that the fewest sensors differ in: it is summed over by tables, see [`super::depth`]. An image
/// of two axes gets one of a single pixel between them.
#[derive(Clone)]
pub(super) struct Layout {
    /// The image axis that each axis is; none for the one put in between.
    order: Vec<usize>,
    /// Pixels of the image.
    pub image: [usize; 3],
    /// Pixels of the periodic grid.
    pub grid: [usize; 3],
    /// Metres.
    pub spacing: [f64; 3],
    /// In pixels from the first of the image.
    pub sensors: Vec<[f64; 3]>,
}

impl Layout {
    /// The layout of a sound configuration for images of shape `domain`.
    pub fn new(config: &PhotoacousticConfig, domain: &[usize]) -> Result<Layout, OperatorError> {
        let image = &domain[1..];
        let axes = image.len();
        let pixels = |position: &Vec<f64>| -> Vec<f64> {
            position.iter().zip(&config.spacing).map(|(p, h)| (p / h * FINENESS).round() / FINENESS).collect()
        };
        let sensors: Vec<Vec<f64>> = config.sensors.positions().iter().map(pixels).collect();
        let grid = match &config.grid {
            Some(grid) => grid.clone(),
            None => {
                let travel = config.sound_speed * config.last_time();
                (0..axes).map(|a| unreached(image[a], &sensors, a, travel / config.spacing[a])).collect()
            }
        };
        let all = grid.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).filter(|&n| n <= MOST_PIXELS);
        let remedy = "the waves would travel on too large a grid; record fewer times, or nearer sensors";
        that("times", config.times, all.is_some(), remedy)?;
        let coordinates = |a: usize| sensors.iter().map(|s| s[a].to_bits()).collect::<BTreeSet<_>>().len();
        let rows = |&a: &usize| coordinates(a);
        let first = (0..axes).min_by_key(rows).unwrap_or(0);
        let order: Vec<usize> = std::iter::once(first).chain((0..axes).filter(|&a| a != first)).collect();
        let at_first = |values: &[usize]| three(order.iter().map(|&a| values[a]).collect(), 1);
        let (image, grid, sensors_in_all) = (at_first(image), at_first(&grid), sensors.len());
        let needed = [
            [config.times, sensors_in_all, 1],
            [config.times, grid[1], grid[2]],
            [sensors_in_all, grid[1] + grid[2], 1],
            [rows(&first), grid[0], image[0]],
        ];
        let fits = |counts: &[usize; 3]| counts.iter().fold(1, |n: usize, &c| n.saturating_mul(c)) <= MOST_NUMBERS;
        let remedy = "the records and their waves would fill the memory; give fewer times or sensors";
        that("times", config.times, needed.iter().all(fits), remedy)?;
        Ok(Layout {
            image,
            grid,
            spacing: three(order.iter().map(|&a| config.spacing[a]).collect(), 1.0),
            sensors: sensors.iter().map(|s| three(order.iter().map(|&a| s[a]).collect(), 0.0)).collect(),
            order,
        })
    }

    /// An image of shape `[1, axes…]` on the three axes.
    pub fn view<'a, T>(&self, image: ArrayViewD<'a, T>) -> Result<ArrayView3<'a, T>, OperatorError> {
        let found = image.shape().to_vec();
        let image = image.index_axis_move(Axis(0), 0).permuted_axes(self.order.clone());
        let image = if self.order.len() == 2 { image.insert_axis(Axis(1)) } else { image };
        image.into_dimensionality().map_err(|_| OperatorError::Shape {
            what: "image",
            found,
            expected: format!("one channel and {} axes", self.order.len()),
        })
    }

    /// Pixels of the grid in the order of the image's axes.
    pub fn grid_of_image(&self) -> Vec<usize> {
        let here = if self.order.len() == 2 { vec![self.grid[0], self.grid[2]] } else { self.grid.to_vec() };
        let mut grid = vec![0; here.len()];
        self.order.iter().zip(here).for_each(|(&a, n)| grid[a] = n);
        grid
    }

    /// An image on the three axes as one of shape `[1, axes…]`.
    pub fn restore<T: Clone>(&self, image: ArrayD<T>) -> ArrayD<T> {
        let image = if self.order.len() == 2 { image.index_axis_move(Axis(1), 0) } else { image };
        let mut back = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(here, &a)| back[a] = here);
        image.permuted_axes(back).insert_axis(Axis(0))
    }

    /// 2π k / (n h) of the frequency k of an axis, in radians a metre.
    pub fn wave_number(&self, axis: usize, frequency: i64) -> f64 {
        std::f64::consts::TAU * frequency as f64 / (self.grid[axis] as f64 * self.spacing[axis])
    }
}

/// The axes in their order, with `between` where there are only two.
fn three<V: Copy>(values: Vec<V>, between: V) -> [V; 3] {
    match values[..] {
        [a, b] => [a, between, b],
        [a, b, c] => [a, b, c],
        _ => [between; 3],
    }
}

/// The least good number of pixels along an axis on which waves that travel `travel` pixels come round to no sensor from
/// the image, and to no pixel of the image from a sensor.
fn unreached(image: usize, sensors: &[Vec<f64>], axis: usize, travel: f64) -> usize {
    let last = (image - 1) as f64;
    let apart = sensors.iter().map(|s| s[axis].abs().max((s[axis] - last).abs())).fold(last, f64::max);
    good_size((apart + travel + MARGIN).ceil().min(MOST_PIXELS as f64) as usize)
}

/// The least even number from `least` on without prime factors above 5: Fourier transforms of it are quick.
fn good_size(least: usize) -> usize {
    let smooth = |mut n: usize| {
        for factor in [2, 3, 5] {
            while n.is_multiple_of(factor) {
                n /= factor;
            }
        }
        n == 1
    };
    (least.max(2).next_multiple_of(2)..).step_by(2).find(|&n| smooth(n)).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_sizes_are_even_and_smooth() {
        let sizes = [(1, 2), (7, 8), (97, 100), (101, 108), (162, 162), (163, 180)];
        assert!(sizes.iter().all(|&(least, size)| good_size(least) == size));
    }
}

//! The spatial axes of an image: what its pixels are in the world.

use serde::{Deserialize, Serialize};

/// One spatial axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What it is: "depth", "distance", "time", …
    pub name: String,
    /// Number of pixels.
    pub size: usize,
    /// Distance between neighbouring pixels, in `unit`; coordinates start at zero.
    pub spacing: f64,
    /// SI unit of the spacing: "m", "s"; "" where it has none.
    pub unit: String,
}

impl Axis {
    /// An axis of `size` pixels, `spacing` (in `unit`) apart.
    pub fn new(name: &str, size: usize, spacing: f64, unit: &str) -> Self {
        Self { name: name.into(), size, spacing, unit: unit.into() }
    }

    /// The coordinates of the pixels, from zero, in `unit`.
    pub fn coordinates(&self) -> Vec<f64> {
        (0..self.size).map(|i| i as f64 * self.spacing).collect()
    }
}

/// The spatial axes of an image, in the order of its last axes; empty for a vector of parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Slowest axis first.
    pub axes: Vec<Axis>,
}

impl Grid {
    /// A grid of these axes, slowest first.
    pub fn new(axes: Vec<Axis>) -> Self {
        Self { axes }
    }

    /// The grid of an image about which nothing is said: pixels of size one.
    pub fn of_pixels(sizes: &[usize]) -> Self {
        const NAMES: [&str; 3] = ["plane", "row", "column"];
        let axis = |(i, &size): (usize, &usize)| match (i + NAMES.len()).checked_sub(sizes.len()) {
            Some(place) => Axis::new(NAMES[place], size, 1.0, "pixel"),
            None => Axis::new(&format!("axis {i}"), size, 1.0, "pixel"),
        };
        Self { axes: sizes.iter().enumerate().map(axis).collect() }
    }

    /// The numbers of pixels.
    pub fn sizes(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_start_at_zero() {
        assert_eq!(Axis::new("depth", 3, 12.5, "m").coordinates(), [0.0, 12.5, 25.0]);
    }

    #[test]
    fn pixels_have_names_in_every_rank() {
        let names = |sizes: &[usize]| Grid::of_pixels(sizes).axes.iter().map(|a| a.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&[4]), ["column"]);
        assert_eq!(names(&[2, 3, 4]), ["plane", "row", "column"]);
        assert_eq!(names(&[1, 2, 3, 4]), ["axis 0", "plane", "row", "column"]);
        assert_eq!(Grid::of_pixels(&[2, 3]).sizes(), [2, 3]);
    }
}

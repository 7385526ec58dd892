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
    /// Distance between neighbouring pixels, in `unit`.
    pub spacing: f64,
    /// SI unit of the spacing: "m", "s"; "" where it has none.
    pub unit: String,
    /// Coordinate of the first pixel, in `unit`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub origin: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Axis {
    /// An axis of `size` pixels, `spacing` (in `unit`) apart, the first at zero.
    pub fn new(name: &str, size: usize, spacing: f64, unit: &str) -> Self {
        Self { name: name.into(), size, spacing, unit: unit.into(), origin: 0.0 }
    }

    /// The same with its first pixel elsewhere.
    pub fn starting_at(self, origin: f64) -> Self {
        Self { origin, ..self }
    }

    /// The coordinates of the pixels, in `unit`.
    pub fn coordinates(&self) -> Vec<f64> {
        (0..self.size).map(|i| self.origin + i as f64 * self.spacing).collect()
    }

    /// Whether it says more than that pixels are counted.
    pub fn is_measured(&self) -> bool {
        super::unit::is_said(&self.unit) || self.spacing != 1.0 || self.origin != 0.0
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
    fn coordinates_start_at_zero_or_where_they_are_said_to() {
        let axis = Axis::new("depth", 3, 12.5, "m");
        assert_eq!(axis.coordinates(), [0.0, 12.5, 25.0]);
        assert!(!serde_json::to_string(&axis).unwrap().contains("origin"));
        let axis = axis.starting_at(-5.0);
        assert_eq!(axis.coordinates(), [-5.0, 7.5, 20.0]);
        assert_eq!(serde_json::from_str::<Axis>(&serde_json::to_string(&axis).unwrap()).unwrap(), axis);
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

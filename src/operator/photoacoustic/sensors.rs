use super::config::{is_positive, that};
use crate::operator::OperatorError;
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// Where the pressure is recorded: points, in metres along the axes of the image from the centre of its first pixel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sensors {
    /// At equal distances on a straight line, both ends among them.
    Line {
        /// How many.
        count: usize,
        /// Position of the first.
        first: Vec<f64>,
        /// Position of the last.
        last: Vec<f64>,
    },
    /// A grid on a parallelogram in space, its corners among them. The second side varies fastest.
    Plane {
        /// How many along the two sides.
        counts: [usize; 2],
        /// Position of the first.
        corner: Vec<f64>,
        /// Where the first side ends.
        first_end: Vec<f64>,
        /// Where the second side ends.
        second_end: Vec<f64>,
    },
    /// At equal angles on a circle around an image of two axes: the full turn, or an arc of it.
    Circle {
        /// How many.
        count: usize,
        /// Position of the centre.
        center: Vec<f64>,
        /// In metres.
        radius: f64,
        /// Of the first, in radians, from the first axis towards the second.
        #[serde(default)]
        first_angle: f64,
        /// The angle that they share out, each standing at the start of its part.
        #[serde(default = "full_turn")]
        arc: f64,
    },
    /// Evenly on a sphere around an image of three axes, on the spiral of Fibonacci.
    Sphere {
        /// How many.
        count: usize,
        /// Position of the centre.
        center: Vec<f64>,
        /// In metres.
        radius: f64,
    },
    /// Anywhere.
    Points {
        /// One position each.
        positions: Vec<Vec<f64>>,
    },
}

fn full_turn() -> f64 {
    TAU
}

impl Sensors {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Sensors::Line { count, .. } | Sensors::Circle { count, .. } | Sensors::Sphere { count, .. } => *count,
            Sensors::Plane { counts, .. } => counts[0].saturating_mul(counts[1]),
            Sensors::Points { positions } => positions.len(),
        }
    }

    /// Metres between neighbours where all are equally far apart in a row.
    pub(super) fn distance(&self) -> Option<f64> {
        match self {
            Sensors::Line { count, first, last } if *count > 1 => {
                let length = first.iter().zip(last).map(|(a, b)| (b - a).powi(2)).sum::<f64>().sqrt();
                Some(length / (count - 1) as f64)
            }
            _ => None,
        }
    }

    /// An error unless they stand in a space of so many axes.
    pub(super) fn validate(&self, axes: usize) -> Result<(), OperatorError> {
        let point = |name, position: &[f64]| {
            let good = position.len() == axes && position.iter().all(|p| p.is_finite());
            that(name, format!("{position:?}"), good, "give metres along each axis of the image")
        };
        let radial = |kind: &'static str, needed: usize, center: &[f64], radius: f64| {
            let remedy = "a circle goes with images of two axes, a sphere with three";
            that("sensors.kind", kind, axes == needed, remedy)?;
            point("sensors.center", center)?;
            that("sensors.radius", radius, is_positive(radius), "give a positive number of metres")
        };
        match self {
            Sensors::Line { first, last, .. } => {
                point("sensors.first", first)?;
                point("sensors.last", last)
            }
            Sensors::Plane { corner, first_end, second_end, .. } => {
                that("sensors.kind", "plane", axes == 3, "a plane goes with images of three axes; take a line")?;
                point("sensors.corner", corner)?;
                point("sensors.first_end", first_end)?;
                point("sensors.second_end", second_end)
            }
            Sensors::Circle { center, radius, first_angle, arc, .. } => {
                radial("circle", 2, center, *radius)?;
                that("sensors.first_angle", first_angle, first_angle.is_finite(), "give radians")?;
                let turn = is_positive(*arc) && *arc <= TAU * (1.0 + 1e-12);
                that("sensors.arc", arc, turn, "give radians, at most a full turn")
            }
            Sensors::Sphere { center, radius, .. } => radial("sphere", 3, center, *radius),
            Sensors::Points { positions } => positions.iter().try_for_each(|p| point("sensors.positions", p)),
        }
    }

    /// The position of each.
    pub fn positions(&self) -> Vec<Vec<f64>> {
        match self {
            Sensors::Line { count, first, last } => (0..*count)
                .map(|j| first.iter().zip(last).map(|(&a, &b)| a + (b - a) * along(j, *count)).collect())
                .collect(),
            Sensors::Plane { counts, corner, first_end, second_end } => (0..self.count())
                .map(|j| {
                    let (u, v) = (along(j / counts[1], counts[0]), along(j % counts[1], counts[1]));
                    let sides = first_end.iter().zip(second_end);
                    corner.iter().zip(sides).map(|(&c, (&a, &b))| c + (a - c) * u + (b - c) * v).collect()
                })
                .collect(),
            Sensors::Circle { count, center, radius, first_angle, arc } => (0..*count)
                .map(|j| {
                    let (sine, cosine) = (first_angle + arc * j as f64 / *count as f64).sin_cos();
                    center.iter().zip([cosine, sine]).map(|(c, e)| c + radius * e).collect()
                })
                .collect(),
            Sensors::Sphere { count, center, radius } => (0..*count)
                .map(|j| {
                    let height = 1.0 - (2.0 * j as f64 + 1.0) / *count as f64;
                    let (sine, cosine) = (PI * (3.0 - 5.0_f64.sqrt()) * j as f64).sin_cos();
                    let across = (1.0 - height * height).sqrt();
                    center.iter().zip([height, across * cosine, across * sine]).map(|(c, e)| c + radius * e).collect()
                })
                .collect(),
            Sensors::Points { positions } => positions.clone(),
        }
    }

    /// The direction that each looks in, of length one: across a line in the plane or a plane in space, inwards on a circle or
    /// sphere, else, as a line in space has no side, towards `middle`. Which side of a line or plane does not matter to those
    /// who ask.
    pub(super) fn normals(&self, middle: &[f64]) -> Vec<Vec<f64>> {
        let difference = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let alike = |normal: Vec<f64>| vec![unit(normal); self.count()];
        let towards = |point: &[f64]| self.positions().iter().map(|p| unit(difference(point, p))).collect();
        match self {
            Sensors::Line { first, last, .. } if first.len() == 2 && first != last => {
                let side = difference(last, first);
                alike(vec![-side[1], side[0]])
            }
            Sensors::Plane { corner, first_end, second_end, .. } => {
                let (a, b) = (difference(first_end, corner), difference(second_end, corner));
                alike(vec![a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
            }
            Sensors::Circle { center, .. } | Sensors::Sphere { center, .. } => towards(center),
            _ => towards(middle),
        }
    }
}

/// How far along a side of `count` points the point number `j` is, from 0 to 1.
fn along(j: usize, count: usize) -> f64 {
    j as f64 / count.saturating_sub(1).max(1) as f64
}

fn unit(vector: Vec<f64>) -> Vec<f64> {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 { vector.into_iter().map(|v| v / length).collect() } else { vector }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Across every side of a line or plane, however it lies; at the centre of what is round; at the middle for the rest.
    #[test]
    fn sensors_look_across_their_array() {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
        let flat = [
            Sensors::Line { count: 3, first: vec![-1.0, 2.0], last: vec![4.0, 0.5] },
            Sensors::Plane {
                counts: [2, 3],
                corner: vec![1.0, -2.0, 0.5],
                first_end: vec![3.0, 4.0, 1.5],
                second_end: vec![-1.0, 0.0, 7.0],
            },
        ];
        for sensors in flat {
            let positions = sensors.positions();
            for normal in sensors.normals(&vec![0.0; positions[0].len()]) {
                assert!((dot(&normal, &normal) - 1.0).abs() < 1e-12);
                assert!(positions.iter().all(|p| dot(&normal, &minus(p, &positions[0])).abs() < 1e-12), "{normal:?}");
            }
        }
        let (center, middle) = (vec![1.0, 2.0, -3.0], [0.0, 5.0, 1.0]);
        let round = Sensors::Sphere { count: 9, center: center.clone(), radius: 2.0 };
        let line = Sensors::Line { count: 4, first: vec![0.0; 3], last: vec![1.0, 1.0, 2.0] };
        for (sensors, towards) in [(round, &center[..]), (line, &middle)] {
            for (place, normal) in sensors.positions().iter().zip(sensors.normals(&middle)) {
                let way = minus(towards, place);
                assert!((dot(&normal, &way) - dot(&way, &way).sqrt()).abs() < 1e-12, "{normal:?}");
            }
        }
    }
}

//! A posterior over images or volumes along lines: truth, mean and interval, pixel by pixel.

use super::axis::number;
use super::fields::Field;
use super::frame::{Side, coordinate};
use super::maps::Panel;
use super::posterior::Posterior;
use super::profiles;
use crate::io::Grid;
use ndarray::{ArrayD, Axis, Slice};

/// A panel for each axis, along the line through the greatest mean; none where there is one axis. What they show.
pub fn panels(posterior: &Posterior) -> (Vec<Vec<Panel>>, String) {
    if posterior.is_profile() {
        return (Vec::new(), String::new());
    }
    let place = greatest(&posterior.mean.values);
    let axes = &posterior.mean.grid.axes;
    let panel = |axis: usize| {
        let at = |other: usize| {
            let unit = Side::of_axis(&axes[other]).unit;
            let value = number(coordinate(&axes[other], place[other]));
            format!("{} = {value} {unit}", axes[other].name).trim_end().to_owned()
        };
        let others: Vec<String> = (0..axes.len()).filter(|other| *other != axis).map(at).collect();
        let title = format!("Along {}, {}", axes[axis].name, others.join(", "));
        profiles::curves(&title, &posterior.along(axis, &place))
    };
    // The fastest axis first: rows are read from left to right.
    let panels: Vec<Panel> = (0..axes.len()).rev().map(panel).collect();
    let interval = match &posterior.interval {
        Some([(low, _), (high, _)]) => {
            let percent = |level: f64| number((level * 1000.0).round() / 10.0);
            format!("the interval from {} to {} %", percent(*low), percent(*high))
        }
        None => "the mean within two standard deviations".into(),
    };
    let truth = if posterior.truth.is_some() { "truth, " } else { "" };
    (
        vec![panels],
        format!("{truth}posterior mean and {interval} of each pixel, on the lines through the greatest mean."),
    )
}

/// The place of the greatest value; the first where none is a number.
fn greatest(values: &ArrayD<f32>) -> Vec<usize> {
    let mut best = (f32::NEG_INFINITY, vec![0; values.ndim()]);
    for (place, &value) in values.indexed_iter() {
        if value > best.0 {
            best = (value, ndarray::Dimension::slice(&place).to_vec());
        }
    }
    best.1
}

impl Posterior {
    /// The posterior on the line along an axis through a place.
    fn along(&self, axis: usize, place: &[usize]) -> Posterior {
        let field = |field: &Field| field.along(axis, place);
        let optional = |of: &Option<Field>| of.as_ref().map(field);
        Posterior {
            mean: field(&self.mean),
            standard_deviation: optional(&self.standard_deviation),
            truth: optional(&self.truth),
            observation: None,
            exact_mean: optional(&self.exact_mean),
            exact_standard_deviation: optional(&self.exact_standard_deviation),
            classical: None,
            adjoint: None,
            samples: Vec::new(),
            interval: self.interval.as_ref().map(|limits| limits.each_ref().map(|(level, of)| (*level, field(of)))),
        }
    }
}

impl Field {
    /// The values on the line along an axis through a place.
    pub fn along(&self, axis: usize, place: &[usize]) -> Field {
        let mut values = self.values.view();
        for (other, &index) in place.iter().enumerate().filter(|(other, _)| *other != axis) {
            values.slice_axis_inplace(Axis(other), Slice::from(index..index + 1));
        }
        let line: ArrayD<f32> = values.iter().copied().collect::<ndarray::Array1<f32>>().into_dyn();
        let grid = Grid::new(self.grid.axes.get(axis).cloned().into_iter().collect());
        Field { values: line, grid, unit: self.unit.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::IxDyn;

    #[test]
    fn a_line_goes_through_its_place() {
        let values = ArrayD::from_shape_fn(IxDyn(&[3, 4, 5]), |i| (100 * i[0] + 10 * i[1] + i[2]) as f32);
        assert_eq!(greatest(&values), [2, 3, 4]);
        assert_eq!(greatest(&values.mapv(|_| f32::NAN)), [0, 0, 0]);
        let field = Field { values, grid: Grid::of_pixels(&[3, 4, 5]), unit: String::new() };
        let line = field.along(1, &[2, 0, 3]);
        assert_eq!(line.values.as_slice().unwrap(), [203.0, 213.0, 223.0, 233.0]);
        assert_eq!((line.grid.axes[0].name.as_str(), line.grid.sizes()), ("row", vec![4]));
    }
}

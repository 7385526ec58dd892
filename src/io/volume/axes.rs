//! What the axes of a dataset are: names, coordinates and units, from the dimension scales that are attached to them (the
//! convention of netCDF) and from the attributes `DIMENSION_LABELS`, `spacing` and `spacing_units`.

use super::{Rows, Store};
use crate::io::grid::{Axis, Grid};
use crate::io::hdf;
use crate::io::packing::Packing;
use crate::io::unit;

/// By what share of their distance coordinates may lie off even ones: in 32 bits they are rounded.
const UNEVEN: f64 = 1e-3;
/// More coordinates are not read.
const MOST: usize = 1 << 24;
/// How a dimension of netCDF without coordinates is called.
const NO_COORDINATES: &str = "This is a netCDF dimension but not a netCDF variable";

/// Evenly spaced coordinates.
struct Even {
    origin: f64,
    spacing: f64,
    unit: String,
}

impl Even {
    /// Whether they say more than that entries are counted.
    fn is_measured(&self) -> bool {
        self.spacing != 1.0 || self.origin != 0.0 || unit::is_said(&self.unit)
    }
}

impl Rows {
    /// The names of the axes: their labels (`DIMENSION_LABELS`), else those of the dimension scales attached to them, ""
    /// where an axis has neither.
    pub fn axis_labels(&self) -> Vec<String> {
        let labels = self.texts("DIMENSION_LABELS").filter(|labels| labels.len() == self.shape.len());
        let mut labels = labels.unwrap_or_else(|| vec![String::new(); self.shape.len()]);
        for (axis, label) in labels.iter_mut().enumerate().filter(|(_, label)| label.is_empty()) {
            *label = self.scale_name(axis).unwrap_or_default();
        }
        labels
    }

    /// The axis of this name: "draw" in the samples of a posterior.
    pub fn axis(&self, label: &str) -> Option<usize> {
        self.axis_labels().iter().position(|known| known == label)
    }

    /// How many of the last axes are measured: as many as the attribute `spacing` has numbers, else those whose scales say
    /// more than that entries are counted.
    pub fn measured_axes(&self) -> usize {
        if let Some(spacing) = self.spacing(self.shape.len()) {
            return spacing.len();
        }
        let is_measured = |axis: &usize| self.even(*axis).is_some_and(|even| even.is_measured());
        (0..self.shape.len()).rev().take_while(is_measured).count()
    }

    /// The spatial axes: as many of the last axes as the attribute `spacing` has numbers, else all behind the first
    /// `leading` (2 for `[sample, channel, axes…]`). Their names, spacings, first coordinates and units are those of the
    /// attributes and of the dimension scales; an axis without coordinates, or with uneven ones, has pixels of size one.
    pub fn grid(&self, leading: usize) -> Grid {
        let behind = self.shape.len().saturating_sub(leading);
        let spacing = self.spacing(behind);
        let first = spacing.as_ref().map_or(leading.min(self.shape.len()), |s| self.shape.len() - s.len());
        let units = self.texts("spacing_units").unwrap_or_default();
        let labels = self.axis_labels();
        let has_scales = spacing.is_none() && (first..self.shape.len()).any(|axis| self.scale_name(axis).is_some());
        let pixels = Grid::of_pixels(&self.shape[first..]).axes;
        let axis = |(i, pixel): (usize, Axis)| {
            let even = self.even(first + i);
            let known = spacing.as_ref().and_then(|spacing| spacing.get(i));
            let named = if known.is_some() || has_scales { labels[first + i].as_str() } else { "" };
            let name = if named.is_empty() { pixel.name.clone() } else { named.to_owned() };
            match (known, even) {
                (Some(&spacing), even) => Axis {
                    origin: even.map_or(0.0, |even| even.origin),
                    ..Axis::new(&name, pixel.size, spacing, units.get(i).map_or("", String::as_str))
                },
                (None, Some(even)) if even.is_measured() => {
                    Axis::new(&name, pixel.size, even.spacing, &even.unit).starting_at(even.origin)
                }
                _ => Axis { name, ..pixel },
            }
        };
        Grid::new(pixels.into_iter().enumerate().map(axis).collect())
    }

    /// The attribute `spacing`, where it can be that of at most `axes` axes.
    fn spacing(&self, axes: usize) -> Option<Vec<f64>> {
        self.numbers("spacing").filter(|s| s.len() <= axes && s.iter().all(|v| v.is_finite()))
    }

    /// The dimension scale of an axis, and its path.
    fn scale(&self, axis: usize) -> Option<(String, hdf5::Dataset)> {
        let Store::Hdf5(data, _) = &self.store else { return None };
        let path = hdf::attached_scale(data, axis)?;
        let scale = data.file().and_then(|file| file.dataset(&path)).ok()?;
        Some((path, scale))
    }

    /// The name of the dimension scale of an axis. Where two datasets of a file have axes of one name and different
    /// coordinates, ours has the name of its dataset in front: `y_row`, whose `long_name` is "row".
    fn scale_name(&self, axis: usize) -> Option<String> {
        let (path, scale) = self.scale(axis)?;
        let name = path.rsplit('/').next()?;
        let is_behind = |long: &String| name.strip_suffix(long.as_str()).is_some_and(|front| front.ends_with('_'));
        Some(hdf::text(&scale, "long_name").filter(is_behind).unwrap_or_else(|| name.to_owned()))
    }

    /// The coordinates of an axis, where they are numbers at even distances.
    fn even(&self, axis: usize) -> Option<Even> {
        let (_, scale) = self.scale(axis)?;
        let size = *self.shape.get(axis)?;
        let has_none = hdf::text(&scale, "NAME").is_some_and(|name| name.starts_with(NO_COORDINATES));
        if has_none || size == 0 || size > MOST || scale.shape() != [size] || !hdf::is_numeric(&scale) {
            return None;
        }
        let mut values = vec![0.0f64; size];
        hdf::read_box(&scale, &[0], &[size], &mut values).ok()?;
        if let Some(packing) = Packing::of(&scale) {
            values.iter_mut().for_each(|value| *value = packing.value(*value));
        }
        let digits = if hdf::type_name(&scale).ends_with("f4") { 7 } else { 12 };
        let origin = values[0];
        let spacing = match size {
            1 => 1.0,
            _ => rounded((values[size - 1] - origin) / (size - 1) as f64, digits),
        };
        let is_even = |(i, value): (usize, &f64)| {
            (value - origin - i as f64 * spacing).abs() <= UNEVEN * spacing.abs() * (1.0 + i as f64 * 1e-3)
        };
        let are_even = spacing != 0.0 && spacing.is_finite() && values.iter().enumerate().all(is_even);
        are_even.then(|| Even { origin, spacing, unit: hdf::text(&scale, "units").unwrap_or_default() })
    }
}

/// To so many significant digits: three steps of 0.1 end at 0.30000000000000004.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, IxDyn};

    /// A dataset with scales of these names, coordinates and units, as netCDF writes it.
    fn netcdf(axes: &[(&str, Vec<f64>, &str)]) -> (tempfile::TempDir, Rows) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let file = hdf5::File::create(&path).unwrap();
        let shape: Vec<usize> = axes.iter().map(|(_, values, _)| values.len()).collect();
        let data = file.new_dataset_builder().with_data(&ArrayD::<f32>::zeros(IxDyn(&shape))).create("x").unwrap();
        for (axis, (name, values, unit)) in axes.iter().enumerate() {
            let scale = file.new_dataset_builder().with_data(values).create(*name).unwrap();
            hdf::make_scale(&scale, if *unit == "none" { NO_COORDINATES } else { name }).unwrap();
            hdf::put_text(&scale, "units", unit).unwrap();
            hdf::attach_scale(&data, axis, &scale).unwrap();
        }
        drop((data, file));
        let rows = Rows::open(&format!("{}:/x", path.display())).unwrap();
        (folder, rows)
    }

    fn steps(count: usize, origin: f64, step: f64) -> Vec<f64> {
        (0..count).map(|i| origin + i as f64 * step).collect()
    }

    #[test]
    fn coordinates_of_scales_are_those_of_the_axes() {
        let (_folder, rows) = netcdf(&[
            ("draw", steps(5, 0.0, 1.0), ""),
            ("channel", steps(1, 0.0, 1.0), "1"),
            ("z", steps(4, -0.3, 0.1), "m"),
            ("y", vec![0.0, 1.0, 4.0], "m"),
            ("x_", steps(6, 0.0, 0.0), "none"),
            ("t", steps(7, 0.0, 0.2), ""),
        ]);
        let expected = [
            Axis::new("z", 4, 0.1, "m").starting_at(-0.3),
            Axis::new("y", 3, 1.0, "pixel"),
            Axis::new("x_", 6, 1.0, "pixel"),
            Axis::new("t", 7, 0.2, ""),
        ];
        assert_eq!(rows.grid(2).axes, expected);
        assert_eq!(rows.measured_axes(), 1);
    }
}

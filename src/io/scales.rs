//! Which dimension scale each axis of a file's datasets gets, by the conventions of netCDF: every axis of every dataset has
//! one, it stands in the root of the file, and the axis is called as it is. So xarray, netCDF4 and their like open the file
//! with names, coordinates and units.

use super::hdf;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Extent, File};

/// Coordinates of a growing axis that share a chunk.
const CHUNK: usize = 1024;

/// One axis of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// What it is: "row", "time", "draw".
    pub name: String,
    /// Number of entries.
    pub size: usize,
    /// Where they are.
    pub coordinates: Coordinates,
}

/// Where the entries of an axis are.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinates {
    /// They are counted from zero: draws, records.
    Counted,
    /// Each has a name: channels.
    Named(Vec<String>),
    /// Each has a place.
    Measured {
        /// One an entry.
        values: Vec<f64>,
        /// Of the values.
        unit: String,
    },
}

/// The dimension scales of a file, and which of them belongs to each axis.
#[derive(Debug, Default, PartialEq)]
pub struct Scales {
    /// Name in the root of the file, and the axes it stands for.
    pub scales: Vec<(String, Dimension)>,
    /// One list a dataset: the number of the scale of each axis.
    pub attached: Vec<Vec<usize>>,
}

impl Scales {
    /// Scales for datasets, given by name and axes. Axes that are equal share one. Of two that have a name in common and are
    /// not equal, or would be called as a dataset is, the later one has the name of its dataset in front: `y_channel`. No
    /// two axes of one dataset share a scale.
    pub fn of(datasets: &[(&str, &[Dimension])]) -> Self {
        let mut found = Self::default();
        for (dataset, axes) in datasets {
            let mut attached: Vec<usize> = Vec::new();
            for axis in *axes {
                let is_equal = |(k, (_, known)): (usize, &(String, Dimension))| known == axis && !attached.contains(&k);
                let known = found.scales.iter().enumerate().find_map(|(k, s)| is_equal((k, s)).then_some(k));
                let scale = known.unwrap_or_else(|| {
                    let is_free = |name: &String| {
                        datasets.iter().all(|(other, _)| other != name) && found.scales.iter().all(|(s, _)| s != name)
                    };
                    let plain = if axis.name.is_empty() { "axis".into() } else { axis.name.replace(['/', '.'], "_") };
                    let mut name = plain.clone();
                    let mut number = 1;
                    while !is_free(&name) {
                        let suffix = if number > 1 { format!("_{number}") } else { String::new() };
                        name = format!("{dataset}_{plain}{suffix}");
                        number += 1;
                    }
                    found.scales.push((name, axis.clone()));
                    found.scales.len() - 1
                });
                attached.push(scale);
            }
            found.attached.push(attached);
        }
        found
    }
}

impl Dimension {
    /// Writes the axis as a dimension scale of this name. An axis that can grow has a scale that can.
    pub fn write(&self, file: &File, name: &str, grows: bool) -> hdf5::Result<Dataset> {
        let scale = match &self.coordinates {
            Coordinates::Counted => {
                let counted: Vec<i64> = (0..self.size as i64).collect();
                self.values(file, name, grows, &counted)?
            }
            Coordinates::Named(names) => {
                let names: Vec<VarLenUnicode> =
                    names.iter().map(|n| hdf::text_value(n)).collect::<hdf5::Result<_>>()?;
                self.values(file, name, grows, &names)?
            }
            Coordinates::Measured { values, .. } => self.values(file, name, grows, values)?,
        };
        hdf::make_scale(&scale, &self.name)?;
        hdf::put_text(&scale, "long_name", &self.name)?;
        match &self.coordinates {
            Coordinates::Counted => hdf::put_text(&scale, "units", "1")?,
            Coordinates::Named(_) => {}
            Coordinates::Measured { unit, .. } => hdf::put_text(&scale, "units", unit)?,
        }
        Ok(scale)
    }

    fn values<T: hdf5::H5Type>(&self, file: &File, name: &str, grows: bool, values: &[T]) -> hdf5::Result<Dataset> {
        let builder = file.new_dataset::<T>().obj_track_times(false);
        let scale = match grows {
            true => builder.chunk(self.size.clamp(1, CHUNK)).shape(Extent::resizable(self.size)).create(name)?,
            false => builder.shape(self.size).create(name)?,
        };
        if !values.is_empty() {
            scale.write_raw(values)?;
        }
        Ok(scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, size: usize) -> Dimension {
        Dimension { name: name.into(), size, coordinates: Coordinates::Counted }
    }

    /// What each axis of each dataset is called.
    fn names(datasets: &[(&str, &[Dimension])]) -> Vec<Vec<String>> {
        let found = Scales::of(datasets);
        let of_one = |scales: &Vec<usize>| scales.iter().map(|&k| found.scales[k].0.clone()).collect();
        found.attached.iter().map(of_one).collect()
    }

    #[test]
    fn equal_axes_share_a_scale_and_others_are_told_apart() {
        let (x, y) = ([axis("sample", 9), axis("channel", 1)], [axis("sample", 9), axis("channel", 3)]);
        let found = names(&[("x", &x), ("y", &y), ("z", &x)]);
        assert_eq!(found, [["sample", "channel"], ["sample", "y_channel"], ["sample", "channel"]]);
    }

    #[test]
    fn no_axis_is_called_as_a_dataset_and_none_twice_in_one() {
        let square = [axis("x", 4), axis("x", 4), axis("a/b.c", 2), axis("", 2)];
        assert_eq!(names(&[("x", &square), ("m", &square)])[0], ["x_x", "x_x_2", "a_b_c", "axis"]);
        assert_eq!(names(&[("x", &square), ("m", &square)])[1], ["x_x", "x_x_2", "a_b_c", "axis"]);
    }
}

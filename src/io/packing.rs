//! Numbers that stand in a file for others, by the conventions of netCDF and CF: a stored number v is
//! `scale_factor` · v + `add_offset`, and some of them say that a value is missing (`_FillValue`, `missing_value`).

use super::hdf;
use hdf5::{Dataset, H5Type};

/// What the attributes of a dataset say of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Packing {
    scale: f64,
    offset: f64,
    missing: Vec<f64>,
}

impl Packing {
    /// Of a dataset; nothing where its numbers are what they are.
    pub fn of(data: &Dataset) -> Option<Self> {
        let number = |name: &str| hdf::numbers::<f64>(data, name).and_then(|values| values.first().copied());
        let (scale, offset) = (number("scale_factor"), number("add_offset"));
        let is_single =
            data.dtype().and_then(|kind| kind.to_descriptor()).is_ok_and(|kind| kind == f32::type_descriptor());
        // 1e20 of a 64-bit attribute is another number than the 1e20 that 32-bit floats hold.
        let as_stored = |value: f64| if is_single { f64::from(value as f32) } else { value };
        let said = ["_FillValue", "missing_value"].iter().filter_map(|name| hdf::numbers(data, name)).flatten();
        let missing: Vec<f64> = said.map(as_stored).collect();
        if scale.is_none() && offset.is_none() && missing.is_empty() {
            return None;
        }
        Some(Self { scale: scale.unwrap_or(1.0), offset: offset.unwrap_or(0.0), missing })
    }

    /// Whether values are other numbers than those that are stored.
    pub fn is_scaled(&self) -> bool {
        self.scale != 1.0 || self.offset != 0.0
    }

    /// Whether some numbers say that a value is missing. NaN does then too.
    pub fn knows_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The value of a stored number; NaN where it is missing.
    pub fn value(&self, stored: f64) -> f64 {
        match self.missing.contains(&stored) {
            true => f64::NAN,
            false if self.is_scaled() => self.scale * stored + self.offset,
            false => stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Rows;

    #[test]
    fn packed_numbers_are_unpacked_and_missing_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packed.nc");
        let file = hdf5::File::create(&path).unwrap();
        let stored = ndarray::array![[100i16, -200], [-32768, 0]];
        let data = file.new_dataset_builder().with_data(&stored).create("v").unwrap();
        hdf::put(&data, "scale_factor", &0.01f64).unwrap();
        hdf::put(&data, "add_offset", &1500.0f64).unwrap();
        hdf::put(&data, "_FillValue", &-32768i16).unwrap();
        let plain = file.new_dataset_builder().with_data(&ndarray::array![1.0f32, -999.9]).create("plain").unwrap();
        hdf::put_numbers(&plain, "missing_value", &[-999.9]).unwrap();
        drop((data, plain, file));
        let rows = Rows::open(&format!("{}:/v", path.display())).unwrap();
        let values = rows.read().unwrap();
        assert_eq!([values[[0, 0]], values[[0, 1]], values[[1, 1]]], [1501.0, 1498.0, 1500.0]);
        assert!(values[[1, 0]].is_nan());
        let message = rows.finite_or_error(0, values.as_slice().unwrap()).unwrap_err().to_string();
        assert!(message.contains("packed.nc:/v: the value at index [1, 0] is missing"), "{message}");
        let plain = Rows::open(&format!("{}:/plain", path.display())).unwrap().read().unwrap();
        assert!(plain[0] == 1.0 && plain[1].is_nan());
    }
}

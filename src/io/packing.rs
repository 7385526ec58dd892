//! Numbers that stand in a file for others, by the conventions of netCDF and CF: a stored number v is
//! `scale_factor` · v + `add_offset`, of bytes whose sign is no sign (`_Unsigned`), and some of them say that a value is
//! missing: `_FillValue`, `missing_value`, what lies outside `valid_range`, `valid_min` and `valid_max`, and in floats that
//! the netCDF library wrote what it fills never written values with.

use super::hdf;
use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, H5Type};

/// What the attributes of a dataset say of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Packing {
    scale: f64,
    offset: f64,
    missing: Vec<f64>,
    /// The least and the greatest stored number that is no missing one.
    valid: [f64; 2],
    /// What is added to negative numbers where their sign is no sign.
    unsigned: f64,
}

/// What the netCDF library fills floats with that nobody wrote.
const NEVER_WRITTEN: f64 = 9.969_209_968_386_869e36;

impl Packing {
    /// Of a dataset; nothing where its numbers are what they are.
    pub fn of(data: &Dataset) -> Option<Self> {
        let number = |name: &str| match hdf::numbers::<f64>(data, name) {
            Some(values) => values.first().copied(),
            None => hdf::text(data, name)?.trim().parse().ok(),
        };
        let kind = data.dtype().and_then(|kind| kind.to_descriptor()).ok();
        let unsigned = match (hdf::text(data, "_Unsigned"), &kind) {
            (Some(text), Some(TypeDescriptor::Integer(size))) if text.eq_ignore_ascii_case("true") => {
                2.0_f64.powi(8 * (*size as i32))
            }
            _ => 0.0,
        };
        let (scale, offset) = (number("scale_factor"), number("add_offset"));
        let is_single = kind == Some(f32::type_descriptor());
        // 1e20 of a 64-bit attribute is another number than the 1e20 that 32-bit floats hold.
        let as_stored = |value: f64| match is_single {
            true => f64::from(value as f32),
            false if value < 0.0 => value + unsigned,
            false => value,
        };
        let said = ["_FillValue", "missing_value"].iter().filter_map(|name| hdf::numbers(data, name)).flatten();
        let mut missing: Vec<f64> = said.map(as_stored).collect();
        let is_float = matches!(kind, Some(TypeDescriptor::Float(_)));
        let by_netcdf = || data.file().is_ok_and(|file| file.attr("_NCProperties").is_ok());
        if is_float && number("_FillValue").is_none() && by_netcdf() {
            missing.push(as_stored(NEVER_WRITTEN));
        }
        let range = hdf::numbers::<f64>(data, "valid_range").filter(|range| range.len() == 2).unwrap_or_default();
        let end = |place: usize, name: &str| number(name).or(range.get(place).copied()).map(as_stored);
        let (least, greatest) = (end(0, "valid_min"), end(1, "valid_max"));
        let valid = [least.unwrap_or(f64::NEG_INFINITY), greatest.unwrap_or(f64::INFINITY)];
        let found = Self { scale: scale.unwrap_or(1.0), offset: offset.unwrap_or(0.0), missing, valid, unsigned };
        (found.is_scaled() || found.knows_missing() || unsigned > 0.0).then_some(found)
    }

    /// Whether values are other numbers than those that are stored.
    pub fn is_scaled(&self) -> bool {
        self.scale != 1.0 || self.offset != 0.0
    }

    /// Whether some numbers say that a value is missing. NaN does then too.
    pub fn knows_missing(&self) -> bool {
        !self.missing.is_empty() || self.valid.iter().any(|end| end.is_finite())
    }

    /// The value of a stored number; NaN where it is missing.
    pub fn value(&self, stored: f64) -> f64 {
        let stored = if stored < 0.0 { stored + self.unsigned } else { stored };
        let [least, greatest] = self.valid;
        match self.missing.contains(&stored) || stored < least || stored > greatest {
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
        let bytes = file.new_dataset_builder().with_data(&ndarray::array![-56i8, 100, -1]).create("bytes").unwrap();
        hdf::put_text(&bytes, "_Unsigned", "true").unwrap();
        hdf::put(&bytes, "_FillValue", &-1i8).unwrap();
        hdf::put(&bytes, "scale_factor", &0.5f64).unwrap();
        let valid = file.new_dataset_builder().with_data(&ndarray::array![3.0f32, 9999.0]).create("valid").unwrap();
        hdf::put_numbers(&valid, "valid_range", &[0.0, 100.0]).unwrap();
        drop((data, plain, bytes, valid, file));
        let rows = Rows::open(&format!("{}:/v", path.display())).unwrap();
        let values = rows.read().unwrap();
        assert_eq!([values[[0, 0]], values[[0, 1]], values[[1, 1]]], [1501.0, 1498.0, 1500.0]);
        assert!(values[[1, 0]].is_nan());
        let message = rows.finite_or_error(0, values.as_slice().unwrap()).unwrap_err().to_string();
        assert!(message.contains("packed.nc:/v: the value at index [1, 0] is missing"), "{message}");
        let plain = Rows::open(&format!("{}:/plain", path.display())).unwrap().read().unwrap();
        assert!(plain[0] == 1.0 && plain[1].is_nan());
        let bytes = Rows::open(&format!("{}:/bytes", path.display())).unwrap().read().unwrap();
        assert!(bytes[0] == 100.0 && bytes[1] == 50.0 && bytes[2].is_nan(), "{bytes}");
        let valid = Rows::open(&format!("{}:/valid", path.display())).unwrap().read().unwrap();
        assert!(valid[0] == 3.0 && valid[1].is_nan());
    }
}

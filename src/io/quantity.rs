//! What the values of an array are.

use super::error::{IoError, Result};
use super::grid::Grid;
use super::hdf;
use super::volume::Rows;
use hdf5::Location;
use serde::{Deserialize, Serialize};

/// What x or y is: name, unit and spatial axes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// "velocity", "pressure", … (attribute `long_name`).
    pub name: String,
    /// SI unit of the values (attribute `units`).
    pub unit: String,
    /// What each channel is, where they are not the same: name and unit in place of those above (attributes
    /// `channel_names` and `channel_units`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// The last axes of the array; empty for vectors, and for images whose pixels have no size.
    pub grid: Grid,
}

/// What one channel is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// "velocity", "density", …
    pub name: String,
    /// SI unit of its values, "" where it has none.
    #[serde(default)]
    pub unit: String,
}

impl Quantity {
    /// What the attributes of an array say, whose spatial axes are behind the first `leading`, see [`Rows::grid`].
    ///
    /// # Errors
    /// Not as many units of channels as names.
    pub fn of(rows: &Rows, leading: usize) -> Result<Self> {
        let [names, units] = ["channel_names", "channel_units"].map(|name| rows.texts(name).unwrap_or_default());
        if units.len() != names.len() && !units.is_empty() {
            let what = format!("has {} channel_names and {} channel_units", names.len(), units.len());
            return Err(IoError::content(
                rows.place(),
                what,
                "give each channel a name and a unit, \"\" where it has none",
            ));
        }
        let channel = |(i, name): (usize, &String)| Channel {
            name: name.clone(),
            unit: units.get(i).cloned().unwrap_or_default(),
        };
        Ok(Self {
            name: rows.text("long_name").unwrap_or_default(),
            unit: rows.text("units").unwrap_or_default(),
            channels: names.iter().enumerate().map(channel).collect(),
            grid: rows.grid(leading),
        })
    }

    /// The unit of a channel.
    pub fn unit_of(&self, channel: usize) -> &str {
        self.channels.get(channel).map_or(&self.unit, |channel| &channel.unit)
    }

    /// The name of a channel among several: its own, else "channel 1".
    pub fn name_of(&self, channel: usize) -> String {
        match self.channels.get(channel) {
            Some(Channel { name, .. }) if !name.is_empty() => name.clone(),
            _ => format!("channel {channel}"),
        }
    }

    /// Whether values of different channels can be added up.
    pub fn has_one_unit(&self) -> bool {
        self.channels.iter().all(|channel| channel.unit == self.channels[0].unit)
    }

    /// The one unit of all channels; "" where they differ.
    pub fn common_unit(&self) -> &str {
        if self.has_one_unit() { self.unit_of(0) } else { "" }
    }

    /// The same of squares of these values.
    pub fn squared(&self) -> Self {
        let squared = |unit: &String| if unit.is_empty() { String::new() } else { format!("({unit})^2") };
        let channel = |channel: &Channel| Channel { unit: squared(&channel.unit), ..channel.clone() };
        let channels = self.channels.iter().map(channel).collect();
        Self { unit: squared(&self.unit), channels, ..self.clone() }
    }

    /// Writes all but the grid among the attributes of a dataset.
    pub(super) fn describe(&self, data: &Location) -> hdf5::Result<()> {
        hdf::put_text(data, "long_name", &self.name)?;
        hdf::put_text(data, "units", if self.channels.is_empty() { &self.unit } else { self.common_unit() })?;
        if self.channels.is_empty() {
            return Ok(());
        }
        let each = |f: fn(&Channel) -> &String| self.channels.iter().map(|c| f(c).clone()).collect::<Vec<_>>();
        hdf::put_texts(data, "channel_names", &each(|channel| &channel.name))?;
        hdf::put_texts(data, "channel_units", &each(|channel| &channel.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Kind, Layout, Provenance, ResultWriter, Source};

    #[test]
    fn channels_are_read_back_and_have_their_own_units() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.h5");
        let channel = |name: &str, unit: &str| Channel { name: name.into(), unit: unit.into() };
        let quantity = Quantity {
            name: "ground".into(),
            unit: String::new(),
            channels: vec![channel("velocity", "m/s"), channel("", ""), channel("density", "kg/m^3")],
            grid: Grid::of_pixels(&[4, 5]),
        };
        let mut writer = ResultWriter::create(&path, Kind::Maps, &Provenance::default()).unwrap();
        for (name, quantity) in [("mean", quantity.clone()), ("variance", quantity.squared())] {
            writer
                .dataset(name, &[3, 4, 5], &Layout { labels: &["record", "channel"], quantity, ..Layout::default() })
                .unwrap();
        }
        writer.finish().unwrap();
        let source = Source::open(&path).unwrap();
        let found = Quantity::of(&source.rows("mean").unwrap(), 2).unwrap();
        assert_eq!(found, quantity);
        assert_eq!([0, 1, 2].map(|i| found.unit_of(i)), ["m/s", "", "kg/m^3"]);
        assert_eq!([0, 1, 2, 3].map(|i| found.name_of(i)), ["velocity", "channel 1", "density", "channel 3"]);
        assert_eq!((found.has_one_unit(), found.common_unit()), (false, ""));
        let variance = Quantity::of(&source.rows("variance").unwrap(), 2).unwrap();
        assert_eq!([0, 1, 2].map(|i| variance.unit_of(i)), ["(m/s)^2", "", "(kg/m^3)^2"]);
        let plain = Quantity { unit: "Pa".into(), ..Quantity::default() };
        assert_eq!((plain.unit_of(7), plain.common_unit(), plain.has_one_unit()), ("Pa", "Pa", true));
    }
}

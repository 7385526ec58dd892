//! Channels of different units made comparable, so that errors in them can be added up.

use crate::io::Quantity;
use ndarray::{ArrayD, Axis};

/// Divides each channel by the standard deviation of its truths, where channels have units of their own; else nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// One a channel; none where all have one unit.
    deviations: Option<Vec<f64>>,
    unit: String,
    /// Name and unit of each channel, where images have several; no two have one name.
    channels: Vec<[String; 2]>,
    /// Whether images are differences from one of the truths.
    are_differences: bool,
}

impl Scale {
    /// Images as they are, in this unit.
    pub fn one_unit(unit: &str) -> Self {
        Self { deviations: None, unit: unit.into(), channels: Vec::new(), are_differences: false }
    }

    /// From what the images are, of so many channels, and from true ones, `[channel, axes…]`, which are looked at only where
    /// they are needed. A channel that does not vary keeps its unit's scale.
    pub fn of<E>(
        quantity: &Quantity,
        channels: usize,
        truths: impl IntoIterator<Item = Result<ArrayD<f32>, E>>,
    ) -> Result<Self, E> {
        let is_twice = |name: &str| (0..channels).filter(|&other| quantity.name_of(other) == name).count() > 1;
        let named = |i: usize| {
            let (name, unit) = (quantity.name_of(i), quantity.unit_of(i));
            let name = if is_twice(&name) { format!("{name} (channel {i})") } else { name };
            [name, if unit.is_empty() { "1".to_owned() } else { unit.to_owned() }]
        };
        let channels = if channels > 1 { (0..channels).map(named).collect() } else { Vec::new() };
        if quantity.has_one_unit() {
            return Ok(Self { channels, ..Self::one_unit(quantity.common_unit()) });
        }
        let mut sums = vec![[0.0; 3]; quantity.channels.len()];
        for truth in truths {
            for (channel, [count, sum, squares]) in truth?.axis_iter(Axis(0)).zip(&mut sums) {
                *count += channel.len() as f64;
                *sum += channel.iter().map(|&v| f64::from(v)).sum::<f64>();
                *squares += channel.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            }
        }
        let deviation = |[count, sum, squares]: [f64; 3]| {
            let mean = sum / count;
            let variance = squares / count - mean * mean;
            if variance > 1e-12 * mean * mean { variance.sqrt() } else { 1.0 }
        };
        let deviations = Some(sums.into_iter().map(deviation).collect());
        Ok(Self { deviations, unit: "1".into(), channels, are_differences: false })
    }

    /// The same for images from which one of the truths was taken off: their size says nothing.
    pub fn of_differences(self) -> Self {
        Self { are_differences: true, ..self }
    }

    /// Whether the size of images means something.
    pub fn knows_size(&self) -> bool {
        !self.are_differences
    }

    /// The unit of scaled images: "1" where channels were divided.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// What a channel was divided by.
    pub fn deviation(&self, channel: usize) -> f64 {
        self.deviations.iter().flatten().nth(channel).copied().unwrap_or(1.0)
    }

    /// Name and unit of each channel, the unit "1" where it has none; empty where images have one alone.
    pub fn channels(&self) -> &[[String; 2]] {
        &self.channels
    }

    /// Images `[image, channel, axes…]`, scaled.
    pub fn apply(&self, mut images: ArrayD<f32>) -> ArrayD<f32> {
        for (channel, deviation) in self.deviations.iter().flatten().enumerate() {
            images.index_axis_mut(Axis(1), channel).mapv_inplace(|v| (f64::from(v) / deviation) as f32);
        }
        images
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Channel;
    use ndarray::{Array, IxDyn};

    fn quantity(units: [&str; 2]) -> Quantity {
        let channels = units.map(|unit| Channel { name: "channel".into(), unit: unit.into() });
        Quantity { unit: "Pa".into(), channels: channels.into(), ..Quantity::default() }
    }

    #[test]
    fn a_change_of_units_changes_nothing() {
        let truths = |factor: f32| {
            (0..4).map(move |k| {
                let value = |i: ndarray::IxDyn| {
                    let v = ((7 * k + 3 * i[1]) % 11) as f32;
                    if i[0] == 1 { factor * (v - 20.0) } else { v }
                };
                Ok::<_, ()>(Array::from_shape_fn(IxDyn(&[2, 5]), value))
            })
        };
        let scaled = |factor: f32| {
            let scale = Scale::of(&quantity(["m/s", "kg/m^3"]), 2, truths(factor)).unwrap();
            assert_eq!(scale.unit(), "1");
            let told = [["channel (channel 0)", "m/s"], ["channel (channel 1)", "kg/m^3"]];
            assert_eq!(scale.channels(), told);
            let image = truths(factor).next().unwrap().unwrap();
            scale.apply(image.insert_axis(Axis(0)))
        };
        let (one, thousand) = (scaled(1.0), scaled(1e3));
        assert!(one.iter().zip(&thousand).all(|(a, b)| (a - b).abs() < 1e-5 * a.abs().max(1.0)));
        let plain = Scale::of(&quantity(["m/s", "m/s"]), 2, truths(1e3)).unwrap();
        let image = truths(1e3).next().unwrap().unwrap().insert_axis(Axis(0));
        assert_eq!((plain.unit(), plain.apply(image.clone())), ("m/s", image));
    }
}

use super::bandwidth::Bandwidth;
use super::sensors::Sensors;
use super::silence::Silence;
use crate::io::{Axis, Grid, Quantity};
use crate::operator::OperatorError;
use crate::operator::batch::check_domain;
use serde::{Deserialize, Serialize};

/// A photoacoustic scanner as a problem file describes it, in SI units.
///
/// Positions are in metres along the axes of the image, slowest first, from the centre of its first pixel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PhotoacousticConfig {
    /// Distance of neighbouring pixels along each axis, in metres.
    pub spacing: Vec<f64>,
    /// Speed of sound, in metres a second: that of water where nothing is said.
    #[serde(default = "water")]
    pub sound_speed: f64,
    /// Between two samples of a trace, in seconds.
    pub time_step: f64,
    /// Samples of a trace.
    pub times: usize,
    /// From the laser pulse to the first sample, in seconds.
    #[serde(default)]
    pub first_time: f64,
    /// Where the pressure is recorded.
    pub sensors: Sensors,
    /// What of its frequencies the sensors pass; all of them where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Pixels of the periodic grid that the waves travel on; large enough that none comes round to a sensor, where nothing
    /// is said. Where the image lies in it makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Vec<usize>>,
}

fn water() -> f64 {
    1500.0
}

/// A trace of a second at 16 MHz is a slip of the keyboard.
const MOST_TIMES: usize = 1 << 24;
/// More sensors than any scanner has.
const MOST_SENSORS: usize = 1 << 20;

/// The axes of images, slowest first.
const IN_A_PLANE: [&str; 2] = ["depth", "distance"];
const IN_SPACE: [&str; 3] = ["depth", "height", "width"];

impl PhotoacousticConfig {
    /// Initial pressures of shape `domain`, `[1, axes…]`, and the traces `[1, time, sensor]` of the sensors.
    pub fn quantities(&self, domain: &[usize]) -> [Quantity; 2] {
        let extents = domain.get(1..).unwrap_or_default();
        let names: &[&str] = if extents.len() == IN_SPACE.len() { &IN_SPACE } else { &IN_A_PLANE };
        let axis = |((&name, &size), &spacing): ((&&str, &usize), &f64)| Axis::new(name, size, spacing, "m");
        let pixels = names.iter().zip(extents).zip(&self.spacing).map(axis).collect();
        let times = Axis::new("time", self.times, self.time_step, "s");
        let (distance, unit) = self.sensors.distance().map_or((1.0, ""), |distance| (distance, "m"));
        let sensors = Axis::new("sensor", self.sensors.count(), distance, unit);
        let quantity = |name: &str, axes| Quantity { name: name.into(), grid: Grid::new(axes), ..Quantity::default() };
        [quantity("initial pressure", pixels), quantity("pressure", vec![times, sensors])]
    }

    /// An error that names the first key whose value is not possible for images of shape `domain`, `[1, axes…]`.
    pub fn validate(&self, domain: &[usize]) -> Result<(), OperatorError> {
        check_domain(domain)?;
        if domain[0] != 1 || domain.len() < 3 {
            let expected = "one channel and two or three axes".to_string();
            return Err(OperatorError::Shape { what: "shape of one image", found: domain.to_vec(), expected });
        }
        let axes = domain.len() - 1;
        let spacing = format!("{:?}", self.spacing);
        that("spacing", &spacing, self.spacing.len() == axes, "give metres for each axis of the image")?;
        that("spacing", &spacing, self.spacing.iter().all(|&h| is_positive(h)), "give positive numbers of metres")?;
        that("sound_speed", self.sound_speed, is_positive(self.sound_speed), "give metres a second, such as 1500")?;
        that("time_step", self.time_step, is_positive(self.time_step), "give a positive number of seconds")?;
        that("times", self.times, (1..=MOST_TIMES).contains(&self.times), "give 1 to 16 million samples")?;
        let soon = self.first_time >= 0.0 && self.first_time.is_finite();
        that("first_time", self.first_time, soon, "give seconds after the pulse, zero or more")?;
        let count = self.sensors.count();
        that("sensors.count", count, (1..=MOST_SENSORS).contains(&count), "give one to a million sensors")?;
        self.sensors.validate(axes)?;
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.validate(self.time_step)?;
        }
        if let Some(grid) = &self.grid {
            let fits = grid.len() == axes && grid.iter().zip(&domain[1..]).all(|(grid, image)| grid >= image);
            let remedy = "give as many pixels as the image has, or more, for each of its axes";
            that("grid", format!("{grid:?}"), fits, remedy)?;
        }
        self.silence(domain).heard_or_error()
    }

    /// What of images of shape `domain` is not heard within the record.
    pub(crate) fn silence(&self, domain: &[usize]) -> Silence {
        Silence::of(self, domain)
    }

    /// Of the last sample, in seconds.
    pub fn last_time(&self) -> f64 {
        self.first_time + self.time_step * self.times.saturating_sub(1) as f64
    }

    /// Of each sample, in seconds.
    pub fn sample_times(&self) -> Vec<f64> {
        (0..self.times).map(|j| self.first_time + self.time_step * j as f64).collect()
    }
}

/// An error unless the value is good.
pub(super) fn that(
    name: &'static str,
    value: impl ToString,
    good: bool,
    remedy: &'static str,
) -> Result<(), OperatorError> {
    if good {
        return Ok(());
    }
    Err(OperatorError::Parameter { name, value: value.to_string(), remedy })
}

pub(super) fn is_positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

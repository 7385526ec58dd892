use super::config::PhotoacousticConfig;
use crate::operator::OperatorError;

/// Pixels along an axis, and sensors, between which all distances are looked at: so many that nothing of size is missed, at
/// no cost.
const PIXELS: usize = 17;
const SENSORS: usize = 257;
/// A smaller share of the image, or of the sensors, that is heard is rather a mistake.
const MOST: f64 = 0.5;

/// What of an image is not heard: sound is late for the end of the record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Silence {
    /// Share of the pixels that some sensor hears: of those that are looked at.
    pixels: f64,
    /// Share of the sensors that hear some pixel.
    sensors: f64,
    /// Metres from a sensor to the nearest pixel.
    nearest: f64,
    /// Metres that sound goes within the record.
    path: f64,
}

impl Silence {
    /// Of images of shape `domain`, `[1, axes…]`.
    pub fn of(config: &PhotoacousticConfig, domain: &[usize]) -> Self {
        let axes: Vec<Vec<f64>> = domain[1..]
            .iter()
            .zip(&config.spacing)
            .map(|(&size, spacing)| some_of(size, PIXELS).map(|i| i as f64 * spacing).collect())
            .collect();
        let positions = config.sensors.positions();
        let sensors: Vec<&Vec<f64>> = some_of(positions.len(), SENSORS).map(|i| &positions[i]).collect();
        let path = config.sound_speed * config.last_time();
        // A pixel is as wide as the spacing: its sound begins half of that nearer.
        let width = 0.5 * config.spacing.iter().map(|h| h * h).sum::<f64>().sqrt();
        let distance = |sensor: &[f64], pixel: &[f64]| {
            let square: f64 = sensor.iter().zip(pixel).map(|(a, b)| (a - b).powi(2)).sum();
            (square.sqrt() - width).max(0.0)
        };
        let first_heard = |sensor: &Vec<f64>| {
            let nearest: Vec<f64> = (sensor.iter().zip(&domain[1..]).zip(&config.spacing))
                .map(|((place, &size), spacing)| (place / spacing).round().min(size as f64 - 1.0).max(0.0) * spacing)
                .collect();
            distance(sensor, &nearest)
        };
        let first: Vec<f64> = positions.iter().map(first_heard).collect();
        let (mut heard_pixels, mut pixels) = (0, 0);
        for number in 0..axes.iter().map(Vec::len).product() {
            let mut rest = number;
            let mut pixel = vec![0.0; axes.len()];
            for (place, axis) in pixel.iter_mut().zip(&axes).rev() {
                *place = axis[rest % axis.len()];
                rest /= axis.len();
            }
            pixels += 1;
            heard_pixels += usize::from(sensors.iter().any(|sensor| distance(sensor, &pixel) <= path));
        }
        let share = |count: usize, all: usize| count as f64 / all.max(1) as f64;
        let hearing = first.iter().filter(|distance| **distance <= path).count();
        let nearest = first.iter().copied().fold(f64::INFINITY, f64::min);
        Self { pixels: share(heard_pixels, pixels), sensors: share(hearing, first.len()), nearest, path }
    }

    /// An error where nothing is heard.
    pub fn heard_or_error(&self) -> Result<(), OperatorError> {
        match self.nearest <= self.path {
            true => Ok(()),
            false => Err(OperatorError::Silent { nearest: self.nearest, path: self.path }),
        }
    }

    /// A word where little is.
    pub fn warning(&self) -> Option<String> {
        let said = |share: f64, what: &str| {
            let percent = if share < 0.01 { "less than 1".into() } else { format!("{:.0}", 100.0 * share) };
            format!(
                "{percent} % of {what}: sound goes {:.3e} m within the record; check `times`, `time_step` and `sound_speed`, and that \
                 `spacing` and `sensors` are in metres",
                self.path
            )
        };
        if self.pixels < MOST {
            Some(said(self.pixels, "the pixels are near enough to be heard by any sensor"))
        } else if self.sensors < MOST {
            Some(said(self.sensors, "the sensors are near enough to hear anything of the image"))
        } else {
            None
        }
    }
}

/// Some numbers below `count`, evenly from the first to the last.
fn some_of(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let some = count.min(most);
    (0..some).map(move |k| if some > 1 { k * (count - 1) / (some - 1) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::photoacoustic::Sensors;

    fn config(spacing: f64, sound_speed: f64, times: usize, distance: f64) -> PhotoacousticConfig {
        let (first, last) = (vec![-distance, 0.0], vec![-distance, 31.0 * distance]);
        let sensors = Sensors::Line { count: 16, first, last };
        PhotoacousticConfig {
            spacing: vec![spacing; 2],
            sound_speed,
            time_step: 6.667e-8,
            times,
            first_time: 6.667e-8,
            sensors,
            bandwidth: None,
            grid: None,
        }
    }

    fn silence(spacing: f64, sound_speed: f64, times: usize, distance: f64) -> Silence {
        Silence::of(&config(spacing, sound_speed, times, distance), &[1, 32, 32])
    }

    #[test]
    fn metres_are_heard_and_millimetres_are_not() {
        let right = silence(1e-4, 1500.0, 48, 1e-4);
        assert_eq!((right.pixels, right.sensors, right.warning()), (1.0, 1.0, None));
        assert!(right.heard_or_error().is_ok());
        for wrong in [silence(1e-4, 1500.0, 48, 0.1), silence(1e-4, 1.5, 48, 1e-3)] {
            let message = wrong.heard_or_error().unwrap_err().to_string();
            assert!(message.contains("no sound") && message.contains("in metres"), "{message}");
        }
        let (short, coarse) = (silence(1e-4, 1500.0, 3, 1e-4), silence(0.1, 1500.0, 48, 1e-4));
        for little in [short, coarse] {
            assert!(little.heard_or_error().is_ok() && little.warning().unwrap().contains("pixels"), "{little:?}");
        }
        assert!(silence(0.1, 1500.0, 48, 1e-4).warning().unwrap().starts_with("less than 1 % of the pixels"));
    }

    /// A short record of one sensor amid a large image: it hears the few pixels around it, which are none of those that stand
    /// for all.
    #[test]
    fn what_is_heard_by_chance_of_few_pixels_is_heard() {
        let sensors = Sensors::Points { positions: vec![vec![50e-4, 53e-4]] };
        let config = PhotoacousticConfig { sensors, ..config(1e-4, 1500.0, 3, 1e-4) };
        let amid = Silence::of(&config, &[1, 512, 512]);
        assert!(amid.heard_or_error().is_ok() && amid.sensors == 1.0 && amid.pixels == 0.0, "{amid:?}");
    }
}

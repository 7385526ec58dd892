use super::sizes::Sizes;
use super::{filled, quoted};

/// Vessels by photoacoustics: pixels of 0.1 mm in water, crossed by sound in one time step.
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoacousticTemplate {
    /// Pixels along each axis, two or three.
    pub shape: Vec<usize>,
    /// Where the pressure is recorded.
    pub sensors: SensorsTemplate,
    /// Standard deviation of the noise.
    pub noise: f64,
}

/// Where the sensors of this template are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SensorsTemplate {
    /// A pixel above the first row: a line, or a plane above a volume.
    #[default]
    Line,
    /// All around: a circle, or a sphere around a volume.
    Circle,
}

/// Side of a pixel, in metres.
const PIXEL: f64 = 1e-4;
/// In metres a second.
const SOUND_SPEED: f64 = 1500.0;
/// From a circle of sensors to the corners of the image, in pixels.
const MARGIN: f64 = 2.0;

impl PhotoacousticTemplate {
    /// The text of `problem.toml`.
    pub fn text(&self, name: &str) -> String {
        let sizes = Sizes::of(&self.shape);
        let metres = |pixels: f64| format!("{:e}", pixels * PIXEL);
        // Until the sound of the farthest corner has arrived.
        let times = match self.sensors {
            SensorsTemplate::Line => self.diagonal(),
            SensorsTemplate::Circle => self.diagonal() + MARGIN,
        };
        filled(
            include_str!("photoacoustic.toml"),
            &[
                ("{name}", quoted(name)),
                ("{shape}", format!("{:?}", self.shape)),
                ("{spacing}", list(self.shape.iter().map(|_| metres(1.0)))),
                ("{speed}", format!("{SOUND_SPEED:?}")),
                ("{step}", format!("{:e}", PIXEL / SOUND_SPEED)),
                ("{times}", (times.ceil() as usize).to_string()),
                ("{sensors}", self.sensors_table(metres)),
                ("{noise}", format!("{:?}", self.noise)),
                ("{unknown}", sizes.unknown_table()),
                ("{scales}", sizes.scales.to_string()),
            ],
        )
    }

    /// From corner to corner, in pixels.
    fn diagonal(&self) -> f64 {
        self.shape.iter().map(|&size| (size as f64).powi(2)).sum::<f64>().sqrt()
    }

    fn sensors_table(&self, metres: impl Fn(f64) -> String) -> String {
        let point = |pixels: &[f64]| list(pixels.iter().map(|&p| metres(p)));
        let center: Vec<f64> = self.shape.iter().map(|&size| (size as f64 - 1.0) / 2.0).collect();
        let around = format!("center = {}\nradius = {}", point(&center), metres(self.diagonal() / 2.0 + MARGIN));
        let last = |axis: usize| self.shape.get(axis).copied().unwrap_or(1) as f64 - 1.0;
        let longest = self.shape.iter().max().copied().unwrap_or(1);
        match (self.sensors, self.shape.len()) {
            (SensorsTemplate::Line, 3) => format!(
                "kind = \"plane\" # a pixel above the first layer\ncounts = {:?}\ncorner = {}\nfirst_end = {}\nsecond_end = {}",
                [self.shape[1].div_ceil(2), self.shape[2].div_ceil(2)],
                point(&[-1.0, 0.0, 0.0]),
                point(&[-1.0, last(1), 0.0]),
                point(&[-1.0, 0.0, last(2)]),
            ),
            (SensorsTemplate::Line, _) => format!(
                "kind = \"line\" # a pixel above the first row, one above each column\ncount = {}\nfirst = {}\nlast = {}",
                last(1) as usize + 1,
                point(&[-1.0, 0.0]),
                point(&[-1.0, last(1)]),
            ),
            (SensorsTemplate::Circle, 3) => {
                format!("kind = \"sphere\" # around the volume\ncount = {}\n{around}", 8 * longest)
            }
            (SensorsTemplate::Circle, _) => {
                format!("kind = \"circle\" # around the image\ncount = {longest}\n{around}")
            }
        }
    }
}

fn list(numbers: impl Iterator<Item = String>) -> String {
    format!("[{}]", numbers.collect::<Vec<_>>().join(", "))
}

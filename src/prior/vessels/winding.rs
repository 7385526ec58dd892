//! How vessels wind.

use super::growth::{Point, distance_squared};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// Waves in a displacement.
const WAVES: usize = 12;
/// Vessels follow waves of this many times their radius halfway, longer ones better.
const STIFFNESS: f64 = 10.0;

/// A displacement of tissue u(x) = Σ eᵢ aᵢ sin(kᵢ·x + φᵢ) of transverse waves, eᵢ ⟂ kᵢ, with wavelengths spread
/// log-uniformly and aᵢ ∝ 1/|kᵢ|, so that vessels wind on all scales alike. Transverse waves keep the volume to first
/// order, so vessels neither bunch nor tear.
///
/// A straight line of direction t gets the mean squared slope ⟨|∂u/∂t|²⟩ = c Σ aᵢ²kᵢ²/2 across t, where c, the mean of
/// cos²(k, t) (1 − (e·t)²), is 3/8 in the plane and 4/15 in space, and so becomes longer by half of it: the tortuosity
/// (length over chord) less one.
pub struct Winding {
    waves: Vec<Wave>,
}

struct Wave {
    number: Point,
    direction: Point,
    phase: f64,
    /// Vessels of this radius follow it halfway.
    softest: f64,
}

impl Winding {
    /// A displacement that makes lines longer by the factor `tortuosity`, with wavelengths in pixels between two bounds.
    pub fn new(tortuosity: f64, wavelengths: [f64; 2], flat: bool, rng: &mut ChaCha8Rng) -> Self {
        let geometry = if flat { 3.0 / 8.0 } else { 4.0 / 15.0 };
        let slope = (4.0 * (tortuosity - 1.0) / (geometry * WAVES as f64)).sqrt();
        let ratio = wavelengths[1] / wavelengths[0];
        let wave = |index: usize| {
            let wavelength = wavelengths[0] * ratio.powf((index as f64 + rng.random::<f64>()) / WAVES as f64);
            let k = TAU / wavelength;
            let forward = direction(flat, rng);
            let across = perpendicular(&forward, flat, rng);
            Wave {
                number: forward.map(|n| n * k),
                direction: across.map(|e| e * slope / k),
                phase: TAU * rng.random::<f64>(),
                softest: wavelength / STIFFNESS,
            }
        };
        Winding { waves: (0..WAVES).map(wave).collect() }
    }

    /// Where a place of a vessel of some radius comes to lie: waves shorter than the vessel can bend leave it where it is.
    pub fn displaced(&self, place: &Point, radius: f64) -> Point {
        let mut moved = *place;
        for Wave { number, direction, phase, softest } in &self.waves {
            let stiff = radius / softest;
            let sine = (number[0] * place[0] + number[1] * place[1] + number[2] * place[2] + phase).sin();
            let sine = sine / (1.0 + stiff * stiff);
            (0..3).for_each(|a| moved[a] += sine * direction[a]);
        }
        moved
    }
}

/// A uniform unit vector, in the plane or in space.
fn direction(flat: bool, rng: &mut ChaCha8Rng) -> Point {
    let angle = TAU * rng.random::<f64>();
    let up: f64 = if flat { 0.0 } else { 2.0 * rng.random::<f64>() - 1.0 };
    let out = (1.0 - up * up).max(0.0).sqrt();
    [up, out * angle.sin(), out * angle.cos()]
}

fn perpendicular(to: &Point, flat: bool, rng: &mut ChaCha8Rng) -> Point {
    if flat {
        return [0.0, -to[2], to[1]];
    }
    loop {
        let other = direction(flat, rng);
        let cross = [
            to[1] * other[2] - to[2] * other[1],
            to[2] * other[0] - to[0] * other[2],
            to[0] * other[1] - to[1] * other[0],
        ];
        let length = distance_squared(&cross, &[0.0; 3]).sqrt();
        if length > 0.1 {
            return cross.map(|c| c / length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn straight_lines_become_longer_by_the_tortuosity() {
        for (flat, tortuosity) in [(true, 1.05), (true, 1.2), (false, 1.05), (false, 1.2)] {
            let (lines, steps) = (400, 400);
            let mut total = 0.0;
            for line in 0..lines {
                let mut rng = stream(5, Purpose::Prior, line);
                let winding = Winding::new(tortuosity, [12.0, 64.0], flat, &mut rng);
                let toward = direction(flat, &mut rng);
                let places: Vec<Point> =
                    (0..=steps).map(|s| winding.displaced(&toward.map(|t| t * f64::from(s) * 0.5), 0.0)).collect();
                let length: f64 = places.windows(2).map(|p| distance_squared(&p[0], &p[1]).sqrt()).sum();
                total += length / (0.5 * f64::from(steps)) / lines as f64;
            }
            assert!((total - tortuosity).abs() < 0.25 * (tortuosity - 1.0), "{flat} {tortuosity}: {total}");
        }
    }

    #[test]
    fn thick_vessels_follow_long_waves_only() {
        let winding = Winding::new(1.2, [10.0, 12.0], true, &mut stream(5, Purpose::Prior, 0));
        let moved =
            |radius: f64| distance_squared(&winding.displaced(&[0.0, 3.0, 4.0], radius), &[0.0, 3.0, 4.0]).sqrt();
        assert!(moved(5.0) < 0.06 * moved(0.0) && moved(0.0) > 0.0);
    }
}

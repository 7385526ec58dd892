//! From a tree of straight segments to the courses that vessels take: smooth, tapering, tortuous.

use super::super::between;
use super::growth::{Forest, Point, distance_squared};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// Waves in a displacement.
const WAVES: usize = 14;
/// Vessels follow waves of this many times their radius halfway, longer ones better.
const STIFFNESS: f64 = 10.0;
/// An end narrows to this share of its radius.
const TIP: f64 = 0.5;
/// A branch is at least this share as bright as the vessel it leaves.
const FADING: f64 = 0.75;
/// Length of the straight pieces, in pixels.
const STEP: f64 = 1.5;
/// Vessels are as bright as their radius to this power.
const DIMMING: f64 = 0.1;

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
    fn displaced(&self, place: &Point, radius: f64) -> Point {
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
pub fn direction(flat: bool, rng: &mut ChaCha8Rng) -> Point {
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

/// A straight piece of a vessel: two ends, the radii there, and how bright it is.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub ends: [Point; 2],
    pub radii: [f64; 2],
    pub contrast: [f64; 2],
}

/// How the trees of a forest are laid out.
pub struct Layout<'a> {
    /// Radius of an end, in pixels.
    pub radius: f64,
    pub winding: &'a Winding,
}

/// The pieces of all vessels, from the roots on.
///
/// The larger child continues a vessel: its course is a cubic Hermite curve with one tangent on both sides of the
/// bifurcation, and its radius passes smoothly from segment to segment. The smaller child leaves at its own angle.
pub fn pieces(forest: &Forest, contrasts: &[f64], layout: &Layout, rng: &mut ChaCha8Rng) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let roots = forest.nodes.iter().enumerate().filter(|(_, node)| node.parent.is_none());
    for ((root, node), &contrast) in roots.zip(contrasts) {
        let mut open: Vec<(usize, f64)> = node.children.iter().map(|&child| (child, contrast)).collect();
        while let Some((segment, contrast)) = open.pop() {
            lay(forest, root, segment, contrast, layout, &mut pieces);
            let main = forest.main_child(segment);
            for &child in &forest.nodes[segment].children {
                let faded = between([FADING, 1.0], rng);
                open.push((child, if Some(child) == main { contrast } else { contrast * faded }));
            }
        }
    }
    pieces
}

struct Section {
    place: Point,
    radius: f64,
    contrast: f64,
}

fn lay(forest: &Forest, root: usize, segment: usize, contrast: f64, layout: &Layout, pieces: &mut Vec<Piece>) {
    let nodes = &forest.nodes;
    let Some(parent) = nodes[segment].parent else { return };
    let (from, to) = (&nodes[parent].place, &nodes[segment].place);
    let length = distance_squared(from, to).sqrt();
    if length < 1e-6 {
        return;
    }
    let continues = forest.main_child(parent) == Some(segment) && nodes[parent].parent.is_some();
    let straight: Point = std::array::from_fn(|a| (to[a] - from[a]) / length);
    let start = if continues { tangent(forest, parent).unwrap_or(straight) } else { straight };
    let end = tangent(forest, segment).unwrap_or(straight);
    let own = forest.radius(segment);
    let leaf = nodes[segment].children.is_empty();
    let bent_radius = if continues { f64::midpoint(forest.radius(parent), own) } else { forest.radius(parent) };
    let start_radius = if continues { f64::midpoint(forest.radius(parent), own) } else { own };
    let end_radius = match forest.main_child(segment) {
        Some(child) => f64::midpoint(own, forest.radius(child)),
        None => TIP * own,
    };
    let steps = (length / STEP).ceil().max(1.0) as usize;
    let at = |share: f64| {
        let (s2, s3) = (share * share, share * share * share);
        let [h0, h1, m0, m1] = [2.0 * s3 - 3.0 * s2 + 1.0, 3.0 * s2 - 2.0 * s3, s3 - 2.0 * s2 + share, s3 - s2];
        let place = std::array::from_fn(|a| h0 * from[a] + h1 * to[a] + length * (m0 * start[a] + m1 * end[a]));
        let radius = layout.radius * (start_radius + (end_radius - start_radius) * share);
        let bent = layout.radius * (bent_radius + (end_radius - bent_radius) * share);
        let size = (radius / layout.radius / forest.radius(root)).powf(DIMMING);
        let fade = if leaf { 1.0 - (1.0 - TIP) * share } else { 1.0 };
        Section { place: layout.winding.displaced(&place, bent), radius, contrast: contrast * size * fade }
    };
    let mut last = at(0.0);
    for step in 1..=steps {
        let next = at(step as f64 / steps as f64);
        pieces.push(Piece {
            ends: [last.place, next.place],
            radii: [last.radius, next.radius],
            contrast: [last.contrast, next.contrast],
        });
        last = next;
    }
}

/// The direction of a vessel where it bifurcates: from the last node to the next one along it.
fn tangent(forest: &Forest, segment: usize) -> Option<Point> {
    let before = &forest.nodes[forest.nodes[segment].parent?].place;
    let after = &forest.nodes[forest.main_child(segment)?].place;
    let length = distance_squared(before, after).sqrt();
    (length > 1e-6).then(|| std::array::from_fn(|a| (after[a] - before[a]) / length))
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

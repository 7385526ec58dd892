//! From trees of straight segments to the courses that vessels take: smooth, tapering, tortuous.

use super::super::between;
use super::growth::{Forest, Point, distance_squared};
use super::winding::Winding;
use rand_chacha::ChaCha8Rng;

/// An end narrows to this share of its radius, and dims to this share of its contrast.
const TIP: f64 = 0.5;
/// A branch is at least this share as bright as the vessel it leaves.
const FADING: f64 = 0.75;
/// Vessels are as bright as their radius to this power.
const DIMMING: f64 = 0.1;
/// Length of the straight pieces, in pixels.
const STEP: f64 = 2.0;

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

/// The pieces of one segment of the tree with this root.
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
    let (own, feeding) = (forest.radius(segment), forest.radius(parent));
    let first = if continues { f64::midpoint(feeding, own) } else { own };
    let (last, tip) = match forest.main_child(segment) {
        Some(child) => (f64::midpoint(own, forest.radius(child)), 1.0),
        None => (own, TIP),
    };
    let radii = [first, tip * last].map(|radius| layout.radius * radius);
    // A branch leaves where the vessel that feeds it lies, and so begins as stiff.
    let stiff = if continues { radii[0] } else { layout.radius * feeding };
    let seen = |radius: f64| contrast * (radius / forest.radius(root)).powf(DIMMING);
    let contrasts = [seen(first), tip * seen(last)];
    let place = |share: f64| {
        let (s2, s3) = (share * share, share * share * share);
        let [h0, h1, m0, m1] = [2.0 * s3 - 3.0 * s2 + 1.0, 3.0 * s2 - 2.0 * s3, s3 - 2.0 * s2 + share, s3 - s2];
        let place = std::array::from_fn(|a| h0 * from[a] + h1 * to[a] + length * (m0 * start[a] + m1 * end[a]));
        layout.winding.displaced(&place, mix([stiff, radii[1]], share))
    };
    let steps = (length / STEP).ceil().max(1.0);
    let mut before = (place(0.0), 0.0);
    for step in 1..=steps as usize {
        let share = step as f64 / steps;
        let here = (place(share), share);
        let ends = [before.1, share];
        pieces.push(Piece {
            ends: [before.0, here.0],
            radii: ends.map(|share| mix(radii, share)),
            contrast: ends.map(|share| mix(contrasts, share)),
        });
        before = here;
    }
}

/// The value at this share of the way from the first to the second.
fn mix([from, to]: [f64; 2], share: f64) -> f64 {
    from + (to - from) * share
}

/// The direction of a vessel where it bifurcates: from the last node to the next one along it.
fn tangent(forest: &Forest, segment: usize) -> Option<Point> {
    let before = &forest.nodes[forest.nodes[segment].parent?].place;
    let after = &forest.nodes[forest.main_child(segment)?].place;
    let length = distance_squared(before, after).sqrt();
    (length > 1e-6).then(|| std::array::from_fn(|a| (after[a] - before[a]) / length))
}

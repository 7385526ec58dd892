//! Vessel trees by constrained constructive optimisation.

use super::tissue::Tissue;
use rand_chacha::ChaCha8Rng;

/// A place in pixels along depth, height and width; an image lies at depth zero.
pub type Point = [f64; 3];

/// Of so many places for a new end, the one farthest from the vessels of its circulation is taken.
const CANDIDATES: usize = 5;
/// Steps towards the place of a bifurcation: when it is made, and when all are.
const FERMAT_STEPS: usize = 8;
const RELAXATIONS: usize = 2;

/// A vessel segment: from the node at its parent's end to its own.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it ends.
    pub place: Point,
    /// The segment that feeds it; nothing for the root of a tree, which is a mere place.
    pub parent: Option<usize>,
    /// The segments it feeds: none at an end, two at a bifurcation; one at a root.
    pub children: Vec<usize>,
    /// How many ends it feeds: its flow.
    pub ends: usize,
}

/// The trees of one circulation, which share the tissue and keep clear of each other.
///
/// Ends are added one by one where the tissue is farthest from any vessel. A new end is joined to the nearest segment
/// P → D by a bifurcation at the place B that minimises the volume of the three segments that meet there,
/// r₀²|B − P| + r₁²|B − D| + r₂²|B − T|. With every end drawing the same flow and r₀^γ = r₁^γ + r₂^γ (Murray 1926),
/// a segment that feeds n ends has r ∝ n^(1/γ), so radii, asymmetry and angles all follow from who feeds whom.
/// Schreiner and Buxbaum 1993, doi:10.1109/10.243413; Karch et al. 1999, doi:10.1016/S0010-4825(98)00045-6.
#[derive(Clone, Debug)]
pub struct Forest {
    pub nodes: Vec<Node>,
    /// The exponent γ.
    pub murray: f64,
}

impl Forest {
    /// A forest of trees with these roots and first ends, grown to `ends` ends in a tissue.
    pub fn grow(trunks: &[[Point; 2]], ends: usize, tissue: &Tissue, murray: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut forest = Forest { nodes: Vec::with_capacity(2 * ends + 2 * trunks.len()), murray };
        for &[root, end] in trunks {
            let at = forest.nodes.len();
            forest.nodes.push(Node { place: root, parent: None, children: vec![at + 1], ends: 1 });
            forest.nodes.push(Node { place: end, parent: Some(at), children: Vec::new(), ends: 1 });
        }
        for _ in trunks.len()..ends {
            let (mut best, mut farthest) = (None, -1.0);
            for _ in 0..CANDIDATES {
                let place = tissue.place(rng);
                if let Some((segment, distance)) = forest.nearest(&place)
                    && distance > farthest
                {
                    (best, farthest) = (Some((place, segment)), distance);
                }
            }
            if let Some((place, segment)) = best {
                forest.attach(place, segment);
            }
        }
        forest.relax();
        forest
    }

    /// Moves bifurcations to where the final flows want them: they were placed for those of their time.
    fn relax(&mut self) {
        for _ in 0..RELAXATIONS {
            for index in 0..self.nodes.len() {
                let node = &self.nodes[index];
                if let (Some(parent), &[first, second]) = (node.parent, &node.children[..]) {
                    let corners = [parent, first, second].map(|other| self.nodes[other].place);
                    let weights = [index, first, second].map(|segment| self.radius(segment).powi(2));
                    self.nodes[index].place = nearer(&node.place, &corners, weights);
                }
            }
        }
    }

    /// The segment nearest to a place, and its squared distance.
    fn nearest(&self, place: &Point) -> Option<(usize, f64)> {
        let (mut best, mut least) = (None, f64::INFINITY);
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(parent) = node.parent {
                let distance = distance_to_segment(place, &self.nodes[parent].place, &node.place);
                if distance < least {
                    (best, least) = (Some(index), distance);
                }
            }
        }
        best.map(|index| (index, least))
    }

    /// Joins a new end to a segment.
    fn attach(&mut self, end: Point, segment: usize) {
        let Some(parent) = self.nodes[segment].parent else { return };
        let ends = self.nodes[segment].ends;
        let corners = [self.nodes[parent].place, self.nodes[segment].place, end];
        let area = |ends: usize| (ends as f64).powf(2.0 / self.murray);
        let place = fermat(&corners, [area(ends + 1), area(ends), 1.0]);
        let (fork, leaf) = (self.nodes.len(), self.nodes.len() + 1);
        self.nodes.push(Node { place, parent: Some(parent), children: vec![segment, leaf], ends });
        self.nodes.push(Node { place: end, parent: Some(fork), children: Vec::new(), ends: 1 });
        self.nodes[segment].parent = Some(fork);
        self.nodes[parent].children.iter_mut().filter(|child| **child == segment).for_each(|child| *child = fork);
        let mut upstream = Some(fork);
        while let Some(index) = upstream {
            self.nodes[index].ends += 1;
            upstream = self.nodes[index].parent;
        }
    }

    /// The radius of a segment where an end has radius 1.
    pub fn radius(&self, segment: usize) -> f64 {
        (self.nodes[segment].ends as f64).powf(1.0 / self.murray)
    }

    /// The child that feeds most ends: the vessel goes on there, the other one branches off.
    pub fn main_child(&self, segment: usize) -> Option<usize> {
        self.nodes[segment].children.iter().copied().max_by_key(|&child| self.nodes[child].ends)
    }
}

/// The place that minimises Σ weight · distance to three corners, by Weiszfeld's iteration.
fn fermat(corners: &[Point; 3], weights: [f64; 3]) -> Point {
    let total: f64 = weights.iter().sum();
    let mut place: Point =
        std::array::from_fn(|a| corners.iter().zip(weights).map(|(c, w)| w * c[a]).sum::<f64>() / total);
    for _ in 0..FERMAT_STEPS {
        place = nearer(&place, corners, weights);
    }
    place
}

/// One step of the iteration.
fn nearer(place: &Point, corners: &[Point; 3], weights: [f64; 3]) -> Point {
    let (mut sum, mut norm) = ([0.0; 3], 0.0);
    for (corner, weight) in corners.iter().zip(weights) {
        let pull = weight / distance_squared(place, corner).sqrt().max(1e-3);
        (0..3).for_each(|a| sum[a] += pull * corner[a]);
        norm += pull;
    }
    sum.map(|s| s / norm)
}

pub fn distance_squared(a: &Point, b: &Point) -> f64 {
    (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum()
}

/// The squared distance of a place from the segment a → b.
fn distance_to_segment(place: &Point, a: &Point, b: &Point) -> f64 {
    let along: Point = std::array::from_fn(|i| b[i] - a[i]);
    let from: Point = std::array::from_fn(|i| place[i] - a[i]);
    let dot = |u: &Point, v: &Point| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    let share = (dot(&from, &along) / dot(&along, &along).max(1e-12)).clamp(0.0, 1.0);
    let off: Point = std::array::from_fn(|i| from[i] - share * along[i]);
    dot(&off, &off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn forest(flat: bool, ends: usize) -> Forest {
        let mut rng = stream(3, Purpose::Prior, 0);
        let tissue = Tissue::about(if flat { [1, 64, 64] } else { [40, 40, 40] }, flat);
        let trunks = tissue.trunks(2, &mut rng);
        Forest::grow(&trunks, ends, &tissue, 2.8, &mut rng)
    }

    #[test]
    fn every_bifurcation_keeps_flow_and_murrays_law() {
        for flat in [true, false] {
            let forest = forest(flat, 80);
            let mut ends = 0;
            for (index, node) in forest.nodes.iter().enumerate() {
                for &child in &node.children {
                    assert_eq!(forest.nodes[child].parent, Some(index));
                }
                match (node.parent, &node.children[..]) {
                    (Some(_), &[a, b]) => {
                        let power = |segment| forest.radius(segment).powf(2.8);
                        assert!((power(index) / (power(a) + power(b)) - 1.0).abs() < 1e-12);
                    }
                    (Some(_), []) => ends += 1,
                    (None, &[child]) => assert_eq!(node.ends, forest.nodes[child].ends),
                    other => panic!("neither root, bifurcation nor end: {other:?}"),
                }
                assert!(!flat || node.place[0] == 0.0);
            }
            assert_eq!(ends, 80);
        }
    }

    /// Where two equal vessels part, cos θ = r₀²/(2 r₁²) (Murray 1926).
    #[test]
    fn equal_branches_part_at_murrays_angle() {
        let area: f64 = 2f64.powf(2.0 / 3.0);
        let corners = [[0.0, 0.0, -50.0], [0.0, 30.0, 50.0], [0.0, -30.0, 50.0]];
        let mut place = fermat(&corners, [area, 1.0, 1.0]);
        (0..200).for_each(|_| place = nearer(&place, &corners, [area, 1.0, 1.0]));
        assert!(place[1].abs() < 1e-9);
        let cosine = (50.0 - place[2]) / distance_squared(&place, &corners[1]).sqrt();
        assert!((cosine - area / 2.0).abs() < 1e-6, "{cosine}");
    }

    /// Real bifurcations are asymmetric: a few vessels carry most of the flow.
    #[test]
    fn vessels_keep_clear_of_each_other_and_differ_in_size() {
        let forest = forest(true, 120);
        let greatest = forest.nodes.iter().map(|node| node.ends).max().unwrap_or(0);
        assert!(greatest > 30, "{greatest}");
        let leaves = forest.nodes.iter().enumerate().filter(|(_, node)| node.children.is_empty());
        let mut clear: Vec<f64> = leaves
            .map(|(index, leaf)| {
                let others =
                    forest.nodes.iter().enumerate().filter(|(other, node)| *other != index && node.parent.is_some());
                let distance = |node: &Node| {
                    let parent = node.parent.unwrap_or(0);
                    distance_to_segment(&leaf.place, &forest.nodes[parent].place, &node.place).sqrt()
                };
                others.map(|(_, node)| distance(node)).fold(f64::INFINITY, f64::min)
            })
            .collect();
        clear.sort_by(f64::total_cmp);
        // 120 ends share some 83 × 83 pixels: 7.6 apart if in a square lattice.
        assert!(clear[60] > 2.5, "median {}", clear[60]);
    }
}

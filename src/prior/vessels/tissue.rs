//! The tissue that vessels supply, and where they enter it.

use super::growth::Point;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Tissue reaches beyond the image by this share of its longest side, so that vessels cross the image's border.
const MARGIN: f64 = 0.15;

/// A box of tissue about an image or a volume.
pub struct Tissue {
    low: Point,
    high: Point,
    flat: bool,
}

impl Tissue {
    /// About pixels of these extents along depth, height and width; an image has one plane.
    pub fn about(extents: [usize; 3], flat: bool) -> Self {
        let margin = MARGIN * extents.into_iter().max().unwrap_or(1) as f64;
        let margin = |axis: usize| if flat && axis == 0 { 0.0 } else { margin };
        let low = std::array::from_fn(|a| -margin(a));
        let high = std::array::from_fn(|a| extents[a] as f64 - 1.0 + margin(a));
        Self { low, high, flat }
    }

    fn axes(&self) -> std::ops::Range<usize> {
        usize::from(self.flat)..3
    }

    /// How many cells of this side it holds.
    pub fn cells(&self, side: f64) -> usize {
        self.axes().map(|a| (self.high[a] - self.low[a]) / side).product::<f64>() as usize
    }

    /// The place at these shares of the way along each axis.
    fn at(&self, shares: Point) -> Point {
        std::array::from_fn(|a| self.low[a] + (self.high[a] - self.low[a]) * shares[a])
    }

    /// A uniform place.
    pub fn place(&self, rng: &mut ChaCha8Rng) -> Point {
        let shares = std::array::from_fn(|_| rng.random());
        self.at(shares)
    }

    /// The first vessels of so many trees, each a root on a border and a first end across the tissue. Borders are used in
    /// turn, in random order.
    pub fn trunks(&self, number: usize, rng: &mut ChaCha8Rng) -> Vec<[Point; 2]> {
        let mut borders: Vec<(usize, f64)> = self.axes().flat_map(|axis| [(axis, 0.0), (axis, 1.0)]).collect();
        borders.shuffle(rng);
        let trunk = |(axis, side): (usize, f64)| {
            let mut between = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
            let mut root: Point = std::array::from_fn(|_| between(0.2, 0.8));
            let mut end: Point = std::array::from_fn(|_| between(0.15, 0.85));
            let across = between(0.6, 0.95);
            root[axis] = side;
            end[axis] = (side - across).abs();
            [self.at(root), self.at(end)]
        };
        borders.into_iter().cycle().take(number).map(trunk).collect()
    }
}

//! An image cut into runs of rows, each with as much of its surroundings as a network sees.

use core::ops::Range;

use burn::tensor::Tensor;

use crate::flow::{Border, Conditioner, Edge, Field, Tile};

/// Cuts along the first spatial axis that has an extent.
pub struct Tiling {
    /// Of the tensor.
    axis: usize,
    size: usize,
    tiles: usize,
    /// Rows that a network sees beyond a row.
    reach: usize,
    border: Border,
}

/// Values inside a network that exist at once while it is pulled back: its tape, and twice as many in passing.
const AT_ONCE: usize = 3;

impl Tiling {
    /// As few tiles as keep the values inside a network within so many bytes; one where it must not be cut.
    pub fn new<N: Conditioner>(conditioner: &N, shape: [usize; 5], bytes: usize) -> Self {
        let axis = (2..4).find(|&axis| shape[axis] > 1).unwrap_or(4);
        let size = shape[axis];
        let whole = Self { axis, size, tiles: 1, reach: 0, border: conditioner.border() };
        let (Some(reach), Some(each)) = (conditioner.reach(), conditioner.tape_bytes()) else {
            return whole;
        };
        let reach = reach[axis - 2];
        let pixels = shape[0] * shape[2] * shape[3] * shape[4];
        let wanted = (AT_ONCE * each * pixels).div_ceil(bytes.max(1));
        // Every tile has the rows that its neighbours see of it; a halo of more rows than the tile itself is a waste.
        let tiles = wanted.min(size / (2 * reach).max(1)).max(1);
        Self { tiles, reach, ..whole }
    }

    /// The axis that is cut.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// Whether there is one tile only.
    pub fn is_whole(&self) -> bool {
        self.tiles == 1
    }

    /// The rows of each tile.
    pub fn rows(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.tiles).map(|i| i * self.size / self.tiles..(i + 1) * self.size / self.tiles)
    }

    /// Runs of rows that a tile holds, in its order: its own and its halo, which is cut off at the border or goes on at
    /// the other side.
    fn held(&self, own: &Range<usize>) -> Vec<Range<usize>> {
        let Self { size, reach, .. } = *self;
        let inside = own.start.saturating_sub(reach)..(own.end + reach).min(size);
        let (before, after) = match self.border {
            Border::Periodic if !self.is_whole() => {
                (reach.saturating_sub(own.start), (own.end + reach).saturating_sub(size))
            }
            _ => (0, 0),
        };
        [size - before..size, inside, 0..after].into_iter().filter(|run| !run.is_empty()).collect()
    }

    /// What the network is given for the rows `own`.
    pub fn tile(&self, field: &Field, own: &Range<usize>) -> Tile {
        let parts = self.held(own).iter().map(|run| rows(field, self.axis, run)).collect();
        let mut edges = [[Edge::Border; 2]; 3];
        if !self.is_whole() {
            let edge = |border: bool| {
                if border && self.border == Border::Zeros { Edge::Border } else { Edge::Interior }
            };
            edges[self.axis - 2] = [edge(own.start == 0), edge(own.end == self.size)];
        }
        Tile { field: joined(parts, self.axis), edges }
    }

    /// Adds the gradient of what a tile holds to that of the whole.
    pub fn add(&self, sum: Field, tile: Field, own: &Range<usize>) -> Field {
        if self.is_whole() {
            return sum + tile;
        }
        let mut first = 0;
        self.held(own).into_iter().fold(sum, |sum, run| {
            let part = rows(&tile, self.axis, &(first..first + run.len()));
            first += run.len();
            let mut at = sum.dims().map(|size| 0..size);
            at[self.axis] = run;
            let before = sum.clone().slice(at.clone());
            sum.slice_assign(at, before + part)
        })
    }
}

/// Some rows of a field.
pub fn rows(field: &Field, axis: usize, run: &Range<usize>) -> Field {
    if run.len() == field.dims()[axis] { field.clone() } else { field.clone().narrow(axis, run.start, run.len()) }
}

/// Parts one after the other.
pub fn joined<const D: usize>(mut parts: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
    if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, axis) }
}

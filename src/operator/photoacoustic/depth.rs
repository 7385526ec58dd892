//! From the image to the rows of sensors: the sum over the first axis, mode by mode of the other two.
//!
//! For a mode k⊥ of the other axes and a row at r on the first, p(r, t) = Σ_i G(t, i) x̂_i with
//!
//! ```text
//! G(t, i) = (1/N) Σ_k cos(c t √(κ_k² + |κ⊥|²)) cos(κ_k h (r − i))     over the N frequencies of the first axis,
//! ```
//!
//! real because cos(c|κ|t) is even in κ_k. It is the product of a table of cosines and one of positions. Where all products
//! fit into memory they are kept, else the two factors are applied one after the other: the same numbers up to rounding.

use super::layout::Layout;
use crate::operator::Real;
use crate::operator::fourier::frequency;
use rayon::prelude::*;
use rustfft::num_complex::Complex;
use std::collections::HashMap;

/// Memory for the products, in bytes.
pub(super) const TABLES: usize = 1 << 28;

/// The sum over the first axis for every mode and row.
#[derive(Clone)]
pub(super) struct Depth<T> {
    /// Times c, in metres.
    paths: Vec<f64>,
    /// κ_k² of the ⌊N/2⌋ + 1 frequencies k ≥ 0.
    squares: Vec<f64>,
    /// m_k/N cos(κ_k h (r − i)), `[row][k][i]`, with the number m_k of frequencies that k stands for.
    positions: Vec<Vec<f64>>,
    /// |κ⊥|² of the modes, each once, and which of them a mode has.
    transverse: Vec<f64>,
    of_mode: Vec<usize>,
    /// G, `[transverse][row][i][t]`; none where they do not fit.
    tables: Option<Vec<T>>,
    extent: usize,
}

/// Modes whose |κ⊥|² agree to this part of the largest share a table.
const ALIKE: f64 = (1u64 << 48) as f64;

impl<T: Real> Depth<T> {
    /// For rows at these places on the first axis, in pixels; `modes` is |κ⊥|² of each mode, `memory` what tables may take.
    pub fn new(layout: &Layout, rows: &[f64], modes: &[f64], paths: Vec<f64>, memory: usize) -> Depth<T> {
        let (n, extent) = (layout.grid[0], layout.image[0]);
        let frequencies: Vec<i64> = (0..=n / 2).map(|k| frequency(k, n).abs()).collect();
        let squares = frequencies.iter().map(|&k| layout.wave_number(0, k).powi(2)).collect();
        let position = |row: &f64| {
            let of = |k: i64, i: usize| {
                let share = if k == 0 || 2 * k == n as i64 { 1.0 } else { 2.0 };
                share / n as f64 * (layout.wave_number(0, k) * layout.spacing[0] * (row - i as f64)).cos()
            };
            frequencies.iter().flat_map(|&k| (0..extent).map(move |i| of(k, i))).collect()
        };
        let largest = modes.iter().fold(f64::MIN_POSITIVE, |m, &k| m.max(k));
        let (mut transverse, mut known) = (Vec::new(), HashMap::new());
        let of_mode = modes
            .iter()
            .map(|&square| {
                *known.entry((square / largest * ALIKE).round() as u64).or_insert_with(|| {
                    transverse.push(square);
                    transverse.len() - 1
                })
            })
            .collect();
        let positions = rows.iter().map(position).collect();
        let mut depth = Depth { paths, squares, positions, transverse, of_mode, tables: None, extent };
        let one = rows.len() * extent * depth.paths.len();
        if depth.transverse.len().saturating_mul(one).saturating_mul(size_of::<T>()) <= memory {
            let mut tables = vec![T::zero(); depth.transverse.len() * one];
            let all = tables.par_chunks_mut(one.max(1)).zip(&depth.transverse);
            all.for_each(|(table, &square)| depth.multiply_out(square, table));
            depth.tables = Some(tables);
        }
        depth
    }

    /// cos(c t √(κ_k² + κ⊥²)), `[k][t]`.
    fn cosines(&self, transverse: f64) -> impl Iterator<Item = f64> {
        let waves = self.squares.iter().map(move |square| (square + transverse).sqrt());
        waves.flat_map(|wave| self.paths.iter().map(move |path| (wave * path).cos()))
    }

    /// G of one transverse wave number, `[row][i][t]`.
    fn multiply_out(&self, transverse: f64, table: &mut [T]) {
        let times = self.paths.len();
        let cosines: Vec<f64> = self.cosines(transverse).collect();
        let mut sum = vec![0.0; self.extent * times];
        for (positions, table) in self.positions.iter().zip(table.chunks_mut(self.extent * times)) {
            sum.fill(0.0);
            for (cosines, positions) in cosines.chunks(times).zip(positions.chunks(self.extent)) {
                sum.chunks_mut(times).zip(positions).for_each(|(sum, &p)| add_scaled(sum, p, cosines));
            }
            table.iter_mut().zip(&sum).for_each(|(t, &s)| *t = T::of(s));
        }
    }

    /// The sums of one mode.
    pub fn of_mode(&self, mode: usize) -> OfMode<'_, T> {
        let (times, which) = (self.paths.len(), self.of_mode[mode]);
        let one = self.extent * times;
        let factors = match &self.tables {
            Some(tables) => {
                let all = self.positions.len() * one;
                Factors::Product(&tables[which * all..(which + 1) * all])
            }
            None => {
                let cosines = self.cosines(self.transverse[which]).map(T::of).collect();
                Factors::Separate { cosines, positions: &self.positions }
            }
        };
        OfMode { factors, extent: self.extent, times }
    }
}

/// The sums of one mode for every row.
pub(super) struct OfMode<'a, T> {
    factors: Factors<'a, T>,
    extent: usize,
    times: usize,
}

enum Factors<'a, T> {
    /// `[row][i][t]`.
    Product(&'a [T]),
    /// `[k][t]`, and `[row][k][i]`.
    Separate { cosines: Vec<T>, positions: &'a [Vec<f64>] },
}

impl<T: Real> OfMode<'_, T> {
    /// Adds the trace of the mode x̂_i of an image at a row: real parts, then imaginary parts.
    pub fn apply(&self, row: usize, image: &[Complex<T>], trace: &mut [T]) {
        let (re, im) = trace.split_at_mut(self.times);
        let mut add = |table: &[T], x: Complex<T>| {
            add_scaled(re, x.re, table);
            add_scaled(im, x.im, table);
        };
        match &self.factors {
            Factors::Product(tables) => {
                self.table(tables, row).zip(image).for_each(|(table, &x)| add(table, x));
            }
            Factors::Separate { cosines, positions } => {
                for (table, line) in cosines.chunks(self.times).zip(positions[row].chunks(self.extent)) {
                    let zero = Complex::new(T::zero(), T::zero());
                    add(table, line.iter().zip(image).fold(zero, |sum, (&p, &x)| sum + x * T::of(p)));
                }
            }
        }
    }

    /// The adjoint of [`OfMode::apply`]: adds to the mode of the image.
    pub fn adjoint(&self, row: usize, trace: &[T], image: &mut [Complex<T>]) {
        let (re, im) = trace.split_at(self.times);
        let gathered = |table: &[T]| Complex::new(dot(table, re), dot(table, im));
        match &self.factors {
            Factors::Product(tables) => {
                self.table(tables, row).zip(image).for_each(|(table, x)| *x = *x + gathered(table));
            }
            Factors::Separate { cosines, positions } => {
                for (table, line) in cosines.chunks(self.times).zip(positions[row].chunks(self.extent)) {
                    let wave = gathered(table);
                    image.iter_mut().zip(line).for_each(|(x, &p)| *x = *x + wave * T::of(p));
                }
            }
        }
    }

    /// G of a row, pixel by pixel.
    fn table<'t>(&self, tables: &'t [T], row: usize) -> impl Iterator<Item = &'t [T]> {
        let one = self.extent * self.times;
        tables[row * one..(row + 1) * one].chunks(self.times)
    }
}

/// out += a x.
pub(super) fn add_scaled<T: Real>(out: &mut [T], a: T, x: &[T]) {
    out.iter_mut().zip(x).for_each(|(out, &x)| *out = *out + a * x);
}

/// Σ a x, in eight partial sums that the processor takes side by side.
pub(super) fn dot<T: Real>(a: &[T], x: &[T]) -> T {
    let (a, a_rest) = a.as_chunks::<8>();
    let (x, x_rest) = x.as_chunks::<8>();
    let mut lanes = [T::zero(); 8];
    for (a, x) in a.iter().zip(x) {
        for lane in 0..8 {
            lanes[lane] = lanes[lane] + a[lane] * x[lane];
        }
    }
    let rest: T = a_rest.iter().zip(x_rest).map(|(&a, &x)| a * x).sum();
    lanes.into_iter().sum::<T>() + rest
}

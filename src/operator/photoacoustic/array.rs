//! From the rows to the sensors: the sums over the other two axes, one after the other.
//!
//! p(r, s₁, s₂, t) = (1/N₁N₂) Σ_k₁ Σ_k₂ φ_k₁(s₁) φ_k₂(s₂) p̂(r, k₁, k₂, t) with φ_k(s) = exp(2πi k s/N), real at the Nyquist
//! frequency: the band-limited interpolation of the field, which on a pixel is its value there. Sensors are ordered as a tree
//! of rows (equal place on the first axis), lines (equal on the second too) and points, so that what they share is
//! summed once.

use super::depth::add_scaled;
use super::layout::Layout;
use crate::operator::Real;
use crate::operator::fourier::frequency;
use rustfft::num_complex::Complex;
use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

/// All sensors of one place on the first axis.
#[derive(Clone)]
pub(super) struct Row<T> {
    lines: Vec<Line<T>>,
}

#[derive(Clone)]
struct Line<T> {
    /// φ_k₁, all N₁ of them.
    phases: Vec<Complex<T>>,
    points: Vec<Point<T>>,
}

#[derive(Clone)]
struct Point<T> {
    sensor: usize,
    /// m_k₂/(N₁N₂) φ_k₂ for k₂ ≥ 0, with the number m_k₂ of frequencies that each stands for.
    phases: Vec<Complex<T>>,
}

/// The rows of the sensors, and the place of each on the first axis.
pub(super) fn rows<T: Real>(layout: &Layout) -> (Vec<f64>, Vec<Row<T>>) {
    // Ordered by the bits of the coordinates: any order serves, if it is always the same.
    let mut tree: BTreeMap<u64, BTreeMap<u64, Vec<usize>>> = BTreeMap::new();
    for (index, [row, line, _]) in layout.sensors.iter().enumerate() {
        tree.entry(row.to_bits()).or_default().entry(line.to_bits()).or_default().push(index);
    }
    let [_, n1, n2] = layout.grid;
    let point = |sensor: usize| {
        let phases = (0..=n2 / 2).map(|k| {
            let share = if k == 0 || 2 * k == n2 { 1.0 } else { 2.0 } / (n1 * n2) as f64;
            cast(phase(frequency(k, n2), n2, layout.sensors[sensor][2]) * share)
        });
        Point { sensor, phases: phases.collect() }
    };
    let line = |(place, sensors): (&u64, &Vec<usize>)| Line {
        phases: (0..n1).map(|k| cast(phase(frequency(k, n1), n1, f64::from_bits(*place)))).collect(),
        points: sensors.iter().map(|&sensor| point(sensor)).collect(),
    };
    tree.iter().map(|(place, lines)| (f64::from_bits(*place), Row { lines: lines.iter().map(line).collect() })).unzip()
}

fn phase(k: i64, n: usize, place: f64) -> Complex<f64> {
    let angle = TAU * k as f64 * place / n as f64;
    if 2 * k.unsigned_abs() as usize == n { Complex::new((PI * place).cos(), 0.0) } else { Complex::cis(angle) }
}

fn cast<T: Real>(z: Complex<f64>) -> Complex<T> {
    Complex::new(T::of(z.re), T::of(z.im))
}

impl<T: Real> Row<T> {
    /// Writes the traces of the sensors of the row, `[sensor][t]`, from those of the modes, `[k₁][k₂][real, imaginary][t]`.
    pub fn apply(&self, modes: &[T], times: usize, traces: &mut [T]) {
        for line in &self.lines {
            let half = line.points.first().map_or(0, |point| point.phases.len());
            let mut sum = vec![T::zero(); half * 2 * times];
            for (&phase, modes) in line.phases.iter().zip(modes.chunks(half * 2 * times)) {
                for (sum, mode) in sum.chunks_mut(2 * times).zip(modes.chunks(2 * times)) {
                    add_product(sum, phase, mode, times);
                }
            }
            for point in &line.points {
                let trace = &mut traces[point.sensor * times..(point.sensor + 1) * times];
                for (phase, sum) in point.phases.iter().zip(sum.chunks(2 * times)) {
                    let (re, im) = sum.split_at(times);
                    add_scaled(trace, phase.re, re);
                    add_scaled(trace, -phase.im, im);
                }
            }
        }
    }

    /// The adjoint of [`Row::apply`]: adds to the traces of the modes.
    pub fn adjoint(&self, traces: &[T], times: usize, modes: &mut [T]) {
        for line in &self.lines {
            let half = line.points.first().map_or(0, |point| point.phases.len());
            let mut sum = vec![T::zero(); half * 2 * times];
            for point in &line.points {
                let trace = &traces[point.sensor * times..(point.sensor + 1) * times];
                for (phase, sum) in point.phases.iter().zip(sum.chunks_mut(2 * times)) {
                    let (re, im) = sum.split_at_mut(times);
                    add_scaled(re, phase.re, trace);
                    add_scaled(im, -phase.im, trace);
                }
            }
            for (phase, modes) in line.phases.iter().zip(modes.chunks_mut(half * 2 * times)) {
                for (sum, mode) in sum.chunks(2 * times).zip(modes.chunks_mut(2 * times)) {
                    add_product(mode, phase.conj(), sum, times);
                }
            }
        }
    }
}

/// out += a z for complex traces, real parts first.
fn add_product<T: Real>(out: &mut [T], a: Complex<T>, z: &[T], times: usize) {
    let (out_re, out_im) = out.split_at_mut(times);
    let (re, im) = z.split_at(times);
    add_scaled(out_re, a.re, re);
    add_scaled(out_re, -a.im, im);
    add_scaled(out_im, a.re, im);
    add_scaled(out_im, a.im, re);
}

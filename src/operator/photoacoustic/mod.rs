//! Photoacoustics: a laser pulse heats, the heated tissue sounds, sensors around it listen.

mod array;
mod back_projection;
mod bandwidth;
mod config;
mod depth;
mod layout;
mod sensors;
mod silence;
pub(super) mod time_reversal;

pub use back_projection::BackProjection;
pub use bandwidth::Bandwidth;
pub use config::PhotoacousticConfig;
pub use sensors::Sensors;
pub use time_reversal::TimeReversal;

use super::fourier::Fourier;
use super::{LinearOperator, Operator, OperatorError, Real, map_samples};
use array::Row;
use bandwidth::Filter;
use depth::{Depth, TABLES};
use layout::Layout;
use ndarray::{ArrayD, ArrayView3, ArrayViewD, Axis, IxDyn, s};
use rustfft::num_complex::Complex;

/// The pressure at sensors, over time, of an initial pressure x in a homogeneous medium without absorption:
///
/// ```text
/// y(t, s) = B p(s, t),   p(·, t) = F⁻¹ cos(c t |κ|) F x,   κ = 2π k / (n h) on every axis,
/// ```
///
/// on a periodic grid: exact for band-limited images at any time and with any time step (Cox et al. 2007, k-space propagation
/// models for acoustically heterogeneous media). p is interpolated between pixels by its own Fourier series, the image stands
/// in zeros, and the filter B is the band of the sensors ([`Bandwidth`]).
///
/// Images are `[sample, 1, axes…]` of two or three axes, observations `[sample, 1, time, sensor]`, in the unit of the image.
/// Of the three sums over wave numbers, the one over the axis that the fewest sensors differ in is tabulated; a sensor
/// array along a line or plane of the grid costs little more than the others ([`Sensors`] says where they stand).
#[derive(Clone)]
pub struct Photoacoustic<T: Real> {
    domain: Vec<usize>,
    range: Vec<usize>,
    layout: Layout,
    /// Over the second and third axis.
    fourier: Fourier<T>,
    depth: Depth<T>,
    rows: Vec<Row<T>>,
    filter: Option<Filter<T>>,
}

/// Numbers that the modes of some rows may take at a time.
const MODES: usize = 1 << 25;

impl<T: Real> Photoacoustic<T> {
    /// The scanner for images of shape `domain`, `[1, axes…]`.
    ///
    /// # Errors
    /// A value that is not possible, by the name of its key.
    pub fn new(config: &PhotoacousticConfig, domain: &[usize]) -> Result<Self, OperatorError> {
        Self::with_tables(config, domain, TABLES)
    }

    /// The same with so many bytes for tables.
    fn with_tables(config: &PhotoacousticConfig, domain: &[usize], memory: usize) -> Result<Self, OperatorError> {
        config.validate(domain)?;
        let layout = Layout::new(config, domain)?;
        let fourier = Fourier::new(&layout.grid[1..]);
        let square = |k: &[i64]| layout.wave_number(1, k[0]).powi(2) + layout.wave_number(2, k[1]).powi(2);
        let modes: Vec<f64> = fourier.tabulate(square).into_iter().collect();
        let (places, rows) = array::rows(&layout);
        let paths = config.sample_times().into_iter().map(|t| config.sound_speed * t).collect();
        let depth = Depth::new(&layout, &places, &modes, paths, memory);
        let filter = config.bandwidth.as_ref().map(|band| band.filter(config.time_step, config.times));
        let range = vec![1, config.times, layout.sensors.len()];
        Ok(Photoacoustic { domain: domain.to_vec(), range, layout, fourier, depth, rows, filter })
    }

    /// Pixels of the periodic grid, in the order of the image's axes.
    pub fn grid(&self) -> Vec<usize> {
        self.layout.grid_of_image()
    }

    fn modes(&self) -> usize {
        self.fourier.half().iter().product()
    }

    /// Rows whose modes are in memory at a time.
    fn rows_at_once(&self) -> usize {
        (MODES / (self.modes() * 2 * self.range[1])).max(1)
    }

    fn record(&self, image: ArrayView3<T>) -> ArrayD<T> {
        let [times, sensors] = [self.range[1], self.range[2]];
        let (extent, modes) = (self.layout.image[0], self.modes());
        let spectrum = self.spectrum(image);
        let mut traces = vec![T::zero(); sensors * times];
        let mut buffer = Vec::new();
        for first in (0..self.rows.len()).step_by(self.rows_at_once()) {
            let block = &self.rows[first..self.rows.len().min(first + self.rows_at_once())];
            buffer.clear();
            buffer.resize(block.len() * modes * 2 * times, T::zero());
            for (mode, image) in spectrum.chunks(extent).enumerate() {
                let sums = self.depth.of_mode(mode);
                for (row, modes) in buffer.chunks_mut(modes * 2 * times).enumerate() {
                    sums.apply(first + row, image, &mut modes[mode * 2 * times..(mode + 1) * 2 * times]);
                }
            }
            for (row, modes) in block.iter().zip(buffer.chunks(modes * 2 * times)) {
                row.apply(modes, times, &mut traces);
            }
        }
        let mut y = ArrayD::zeros(IxDyn(&self.range));
        for (s, trace) in traces.chunks(times).enumerate() {
            let filtered = self.filter.as_ref().map(|filter| filter.apply(trace));
            let trace = filtered.as_deref().unwrap_or(trace);
            (0..times).for_each(|t| y[[0, t, s]] = trace[t]);
        }
        y
    }

    fn transpose(&self, y: ArrayViewD<T>) -> ArrayD<T> {
        let [times, sensors] = [self.range[1], self.range[2]];
        let (extent, modes) = (self.layout.image[0], self.modes());
        let mut traces = Vec::with_capacity(sensors * times);
        for s in 0..sensors {
            let trace: Vec<T> = (0..times).map(|t| y[[0, t, s]]).collect();
            traces.extend(self.filter.as_ref().map(|filter| filter.apply(&trace)).unwrap_or(trace));
        }
        let mut spectrum = vec![Complex::new(T::zero(), T::zero()); modes * extent];
        let mut buffer = Vec::new();
        for first in (0..self.rows.len()).step_by(self.rows_at_once()) {
            let block = &self.rows[first..self.rows.len().min(first + self.rows_at_once())];
            buffer.clear();
            buffer.resize(block.len() * modes * 2 * times, T::zero());
            for (row, modes) in block.iter().zip(buffer.chunks_mut(modes * 2 * times)) {
                row.adjoint(&traces, times, modes);
            }
            for (mode, image) in spectrum.chunks_mut(extent).enumerate() {
                let sums = self.depth.of_mode(mode);
                for (row, modes) in buffer.chunks(modes * 2 * times).enumerate() {
                    sums.adjoint(first + row, &modes[mode * 2 * times..(mode + 1) * 2 * times], image);
                }
            }
        }
        self.layout.restore(self.image(&spectrum))
    }

    /// The transform of an image in zeros over the second and third axis, `[k₁][k₂][i]`.
    fn spectrum(&self, image: ArrayView3<T>) -> Vec<Complex<T>> {
        let [extent, n1, n2] = self.layout.image;
        let mut spectrum = vec![Complex::new(T::zero(), T::zero()); self.modes() * extent];
        let mut plane = ArrayD::zeros(IxDyn(self.fourier.shape()));
        for (i, slice) in image.axis_iter(Axis(0)).enumerate() {
            plane.slice_mut(s![..n1, ..n2]).assign(&slice);
            let modes = self.fourier.forward(plane.view());
            modes.iter().enumerate().for_each(|(mode, &value)| spectrum[mode * extent + i] = value);
        }
        spectrum
    }

    /// The adjoint of [`Photoacoustic::spectrum`], in the plain sum over real and imaginary parts.
    fn image(&self, spectrum: &[Complex<T>]) -> ArrayD<T> {
        let [extent, n1, n2] = self.layout.image;
        // The inverse transform counts a mode as often as it stands for one, and divides by their number.
        let weight = self.fourier.multiplicity().mapv(|m| T::of(self.fourier.pixels() as f64 / m));
        let mut image = ArrayD::zeros(IxDyn(&self.layout.image));
        for i in 0..extent {
            let mut modes = weight.mapv(|w| Complex::new(w, T::zero()));
            modes.iter_mut().enumerate().for_each(|(mode, m)| *m = *m * spectrum[mode * extent + i]);
            let plane = self.fourier.inverse(modes);
            image.index_axis_mut(Axis(0), i).assign(&plane.slice(s![..n1, ..n2]));
        }
        image
    }
}

impl<T: Real> Operator<T> for Photoacoustic<T> {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.range
    }

    fn apply(&self, x: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        map_samples("image", x, &self.domain, &self.range, |x| Ok(self.record(self.layout.view(x)?)))
    }

    fn linearize(&self, _: ArrayViewD<T>) -> Result<Box<dyn LinearOperator<T> + '_>, OperatorError> {
        Ok(Box::new(self))
    }
}

impl<T: Real> LinearOperator<T> for Photoacoustic<T> {
    fn adjoint(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        map_samples("observation", y, &self.range, &self.domain, |y| Ok(self.transpose(y)))
    }
}

#[cfg(test)]
mod truth;

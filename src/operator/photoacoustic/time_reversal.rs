use super::PhotoacousticConfig;
use super::layout::Layout;
use crate::operator::classical::ClassicalMethod;
use crate::operator::fourier::Fourier;
use crate::operator::{OperatorError, Real, map_samples};
use ndarray::{ArrayD, ArrayViewD, IxDyn, Zip, s};

/// Time reversal: the waves run backwards while the sensors dictate the pressure that they recorded.
///
/// From silence after the last sample, p(t − Δt) = 2 F⁻¹ cos(c|κ|Δt) F p(t) − p(t + Δt), and at each step the pixels nearest
/// to the sensors are set to their records (Burgholzer et al. 2007, Exact and approximative imaging methods for
/// photoacoustic tomography; on a k-space grid Treeby and Cox 2010, k-Wave). Exact where sensors surround the image
/// and all waves have left it; a record that starts late, or has gaps, leaves artefacts.
#[derive(Clone)]
pub struct TimeReversal<T: Real> {
    domain: Vec<usize>,
    range: Vec<usize>,
    layout: Layout,
    fourier: Fourier<T>,
    /// 2 cos(c|κ|Δt).
    step: ArrayD<T>,
    /// The pixel of the grid nearest to each sensor.
    nearest: Vec<[usize; 3]>,
    /// Steps from the first sample back to the pulse.
    before: usize,
}

impl<T: Real> TimeReversal<T> {
    /// For the records of this scanner.
    pub fn new(config: &PhotoacousticConfig, domain: &[usize]) -> Result<Self, OperatorError> {
        config.validate(domain)?;
        let layout = Layout::new(config, domain)?;
        let fourier = Fourier::new(&layout.grid);
        let step = fourier.tabulate(|k| {
            let square: f64 = (0..3).map(|axis| layout.wave_number(axis, k[axis]).powi(2)).sum();
            T::of(2.0 * (config.sound_speed * config.time_step * square.sqrt()).cos())
        });
        let pixel = |place: f64, n: usize| place.round().rem_euclid(n as f64) as usize % n;
        let nearest = layout.sensors.iter().map(|s| [0, 1, 2].map(|axis| pixel(s[axis], layout.grid[axis]))).collect();
        let before = (config.first_time / config.time_step).round() as usize;
        let range = vec![1, config.times, layout.sensors.len()];
        Ok(TimeReversal { domain: domain.to_vec(), range, layout, fourier, step, nearest, before })
    }

    fn reverse(&self, y: ArrayViewD<T>) -> ArrayD<T> {
        let mut now = ArrayD::zeros(IxDyn(&self.layout.grid));
        let mut later = now.clone();
        for step in (0..self.range[1] + self.before).rev() {
            let mut spectrum = self.fourier.forward(now.view());
            Zip::from(&mut spectrum).and(&self.step).for_each(|p, &c| *p = *p * c);
            let mut earlier = self.fourier.inverse(spectrum);
            earlier.zip_mut_with(&later, |p, &later| *p = *p - later);
            if let Some(t) = step.checked_sub(self.before) {
                self.nearest.iter().enumerate().for_each(|(sensor, &p)| earlier[p] = y[[0, t, sensor]]);
            }
            later = std::mem::replace(&mut now, earlier);
        }
        let [n0, n1, n2] = self.layout.image;
        self.layout.restore(now.slice(s![..n0, ..n1, ..n2]).to_owned().into_dyn())
    }
}

impl<T: Real> ClassicalMethod<T> for TimeReversal<T> {
    fn names(&self) -> Vec<String> {
        vec!["time reversal".into()]
    }

    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<Vec<ArrayD<T>>, OperatorError> {
        Ok(vec![map_samples("observation", y, &self.range, &self.domain, |y| Ok(self.reverse(y)))?])
    }
}

use super::PhotoacousticConfig;
use super::layout::Layout;
use crate::operator::classical::ClassicalMethod;
use crate::operator::fourier::Fourier;
use crate::operator::{OperatorError, Real, map_samples};
use ndarray::{ArrayD, ArrayViewD, IxDyn, Zip, s};

/// What the image is called.
pub const NAME: &str = "time reversal";

/// Time reversal: the waves run backwards while the sensors dictate the pressure that they recorded.
///
/// From silence after the last sample, p(t − Δt) = 2 F⁻¹ cos(ωΔt) F p(t) − p(t + Δt) with ω = c|κ|, and at each step the pixels
/// nearest to the sensors are set to their records (Burgholzer et al. 2007, Exact and approximative imaging methods for
/// photoacoustic tomography; on a k-space grid Treeby and Cox 2010, k-Wave). From the first sample, at any time t₀, nothing is
/// dictated any more, and one step leads back to the pulse:
///
/// ```text
/// p̂(0) = (cos ωt₀ + r cos ωΔt) p̂(t₀) − r p̂(t₀ + Δt),   r = sin ωt₀ / sin ωΔt.
/// ```
///
/// Exact where sensors surround the image and all waves have left it; a record that starts late, or has gaps, leaves artefacts.
#[derive(Clone)]
pub struct TimeReversal<T: Real> {
    domain: Vec<usize>,
    range: Vec<usize>,
    layout: Layout,
    fourier: Fourier<T>,
    /// 2 cos(c|κ|Δt).
    step: ArrayD<T>,
    /// The factors of p̂(t₀) and p̂(t₀ + Δt) on the way from the first sample to the pulse; none where it is at the pulse.
    start: Option<[ArrayD<T>; 2]>,
    /// The pixel of the grid nearest to each sensor.
    nearest: Vec<[usize; 3]>,
}

impl<T: Real> TimeReversal<T> {
    /// For the records of this scanner.
    pub fn new(config: &PhotoacousticConfig, domain: &[usize]) -> Result<Self, OperatorError> {
        config.validate(domain)?;
        let layout = Layout::new(config, domain)?;
        let fourier = Fourier::new(&layout.grid);
        let omega = |k: &[i64]| {
            let square: f64 = (0..3).map(|axis| layout.wave_number(axis, k[axis]).powi(2)).sum();
            config.sound_speed * square.sqrt()
        };
        let step = fourier.tabulate(|k| T::of(2.0 * (omega(k) * config.time_step).cos()));
        let start = (config.first_time > 0.0).then(|| {
            let factors = |k: &[i64]| start(omega(k), config.first_time, config.time_step);
            [0, 1].map(|which| fourier.tabulate(|k| T::of(factors(k)[which])))
        });
        let pixel = |place: f64, n: usize| place.round().rem_euclid(n as f64) as usize % n;
        let nearest = layout.sensors.iter().map(|s| [0, 1, 2].map(|axis| pixel(s[axis], layout.grid[axis]))).collect();
        let range = vec![1, config.times, layout.sensors.len()];
        Ok(TimeReversal { domain: domain.to_vec(), range, layout, fourier, step, start, nearest })
    }

    /// What one image takes: pixels of the grid times steps.
    pub fn work(config: &PhotoacousticConfig, domain: &[usize]) -> Result<usize, OperatorError> {
        config.validate(domain)?;
        let pixels: usize = Layout::new(config, domain)?.grid.iter().product();
        Ok(pixels.saturating_mul(config.times))
    }

    fn reverse(&self, y: ArrayViewD<T>) -> ArrayD<T> {
        let mut now = ArrayD::zeros(IxDyn(&self.layout.grid));
        let mut later = now.clone();
        for t in (0..self.range[1]).rev() {
            let mut earlier = self.filtered(&now, &self.step);
            earlier.zip_mut_with(&later, |p, &later| *p = *p - later);
            self.nearest.iter().enumerate().for_each(|(sensor, &p)| earlier[p] = y[[0, t, sensor]]);
            later = std::mem::replace(&mut now, earlier);
        }
        if let Some([of_now, of_later]) = &self.start {
            now = self.filtered(&now, of_now) - self.filtered(&later, of_later);
        }
        let [n0, n1, n2] = self.layout.image;
        self.layout.restore(now.slice(s![..n0, ..n1, ..n2]).to_owned().into_dyn())
    }

    /// F⁻¹ `factor` F p.
    fn filtered(&self, p: &ArrayD<T>, factor: &ArrayD<T>) -> ArrayD<T> {
        let mut spectrum = self.fourier.forward(p.view());
        Zip::from(&mut spectrum).and(factor).for_each(|p, &c| *p = *p * c);
        self.fourier.inverse(spectrum)
    }
}

/// The factors of p̂(t₀) and p̂(t₀ + Δt) in p̂(0), for a wave of angular frequency ω.
///
/// |r| ≤ t₀/Δt where t₀ is a multiple of Δt. Else r has no bound at the Nyquist frequency of the samples, where they do not tell
/// how fast a wave changes: it is held to the same.
fn start(omega: f64, first_time: f64, time_step: f64) -> [f64; 2] {
    let most = (first_time / time_step).max(1.0);
    let sine = (omega * time_step).sin();
    let ratio = if sine == 0.0 { first_time / time_step } else { (omega * first_time).sin() / sine };
    let ratio = ratio.clamp(-most, most);
    [(omega * first_time).cos() + ratio * (omega * time_step).cos(), ratio]
}

impl<T: Real> ClassicalMethod<T> for TimeReversal<T> {
    fn names(&self) -> Vec<String> {
        vec![NAME.into()]
    }

    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<Vec<ArrayD<T>>, OperatorError> {
        Ok(vec![map_samples("observation", y, &self.range, &self.domain, |y| Ok(self.reverse(y)))?])
    }
}

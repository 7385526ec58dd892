use super::config::{is_positive, that};
use crate::operator::{OperatorError, Real};
use serde::{Deserialize, Serialize};
use std::f64::consts::{LN_2, PI};

/// The band of frequencies that a sensor passes: a Gaussian around its centre, without a shift of phase.
///
/// B(f) = exp(−(f − f₀)²/2s²) + exp(−(f + f₀)²/2s²) with s = w f₀ / √(8 ln 2), so that it is half (−6 dB) at f₀ (1 ± w/2).
/// Its impulse response b(τ) = 2 √(2π) s exp(−2π² s² τ²) cos(2π f₀ τ) is even: the filter of a trace of finite length,
/// silent before and after, is a symmetric matrix dt · b((j − l) dt), and its own adjoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Bandwidth {
    /// f₀, in hertz.
    pub center_frequency: f64,
    /// w, the width between the −6 dB points as a fraction of f₀.
    pub fraction: f64,
}

/// What an envelope of size one has fallen to where it is cut off.
const NOTHING: f64 = 1e-17;

impl Bandwidth {
    pub(super) fn validate(&self, time_step: f64) -> Result<(), OperatorError> {
        let Bandwidth { center_frequency, fraction } = *self;
        let sampled = is_positive(center_frequency) && center_frequency * time_step < 0.5;
        let remedy = "give hertz, less than half the sampling frequency 1 / time_step";
        that("bandwidth.center_frequency", center_frequency, sampled, remedy)?;
        let sound = is_positive(fraction) && fraction <= 2.0;
        that("bandwidth.fraction", fraction, sound, "give the -6 dB width over the centre, above 0, at most 2")
    }

    /// The filter of traces of `times` samples.
    pub(super) fn filter<T: Real>(&self, time_step: f64, times: usize) -> Filter<T> {
        let s = self.fraction * self.center_frequency / (8.0 * LN_2).sqrt();
        let response = |j: usize| {
            let tau = j as f64 * time_step;
            let envelope = 2.0 * (2.0 * PI).sqrt() * s * (-2.0 * (PI * s * tau).powi(2)).exp();
            T::of(time_step * envelope * (2.0 * PI * self.center_frequency * tau).cos())
        };
        // The envelope falls by exp(−2π² s² τ²): beyond this τ nothing is left of it in double precision.
        let longest = (-NOTHING.ln() / 2.0).sqrt() / (PI * s * time_step);
        Filter { response: (0..times.min((longest.ceil() as usize).saturating_add(1))).map(response).collect() }
    }
}

/// A symmetric filter of traces: y_j = Σ_l b_{|j − l|} x_l, with b zero beyond its end.
#[derive(Clone)]
pub(super) struct Filter<T> {
    response: Vec<T>,
}

impl<T: Real> Filter<T> {
    /// The filtered trace; the adjoint too.
    pub fn apply(&self, trace: &[T]) -> Vec<T> {
        let mut out = vec![T::zero(); trace.len()];
        for (l, &x) in trace.iter().enumerate() {
            let (before, after) = out.split_at_mut(l);
            after.iter_mut().zip(&self.response).for_each(|(y, &b)| *y = *y + b * x);
            before.iter_mut().rev().zip(self.response.iter().skip(1)).for_each(|(y, &b)| *y = *y + b * x);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long tone inside the trace is passed by B(f): one at the centre, half at the −6 dB points.
    #[test]
    fn passes_what_its_response_says() {
        let band = Bandwidth { center_frequency: 2e6, fraction: 0.6 };
        let (dt, times) = (2.5e-8, 801);
        let filter = band.filter::<f64>(dt, times);
        for (frequency, gain) in [(2e6, 1.0), (1.4e6, 0.5), (2.6e6, 0.5), (5e6, 0.0)] {
            let tone: Vec<f64> = (0..times).map(|j| (2.0 * PI * frequency * dt * (j as f64 - 400.0)).cos()).collect();
            let passed = filter.apply(&tone)[400];
            assert!((passed - gain).abs() < 1e-3, "{frequency}: {passed}");
        }
        // Of a long trace it takes no more than a few periods, and what is left off is nothing.
        let whole = |j: i32| {
            let (s, tau) = (0.6 * 2e6 / (8.0 * LN_2).sqrt(), f64::from(j) * dt);
            2.0 * (2.0 * PI).sqrt() * s * dt * (-2.0 * (PI * s * tau).powi(2)).exp() * (2.0 * PI * 2e6 * tau).cos()
        };
        let pulse: Vec<f64> = (0..times).map(|j| if j == 400 { 1.0 } else { 0.0 }).collect();
        let passed = filter.apply(&pulse);
        assert!(passed.iter().zip(-400..).all(|(y, j)| (y - whole(j)).abs() < 1e-16));
        assert!(filter.response.len() < 120, "{}", filter.response.len());
        assert!(band.validate(2.6e-7).is_err());
        assert!(Bandwidth { fraction: 0.0, ..band }.validate(dt).is_err());
    }
}

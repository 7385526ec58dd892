use super::PhotoacousticConfig;
use crate::operator::classical::ClassicalMethod;
use crate::operator::{OperatorError, Real, map_samples};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

/// Universal back-projection: delayed records summed over the sensors, each with the solid angle that it is seen under.
///
/// ```text
/// x(r) = Σ_s w_s(r) b(s, |r − r_s|/c) / Σ_s w_s(r),   b = 2 (y − t ∂y/∂t),   w_s(r) = |cos θ_s(r)| / |r − r_s|^(d − 1)
/// ```
///
/// with the angle θ between the normal of the sensor array and the direction to r (Xu and Wang 2005, Universal
/// back-projection algorithm for photoacoustic computed tomography). Exact in three dimensions for all around; in two, where a
/// pulse has a tail, it is what delay and sum gives.
#[derive(Clone)]
pub struct BackProjection {
    domain: Vec<usize>,
    range: Vec<usize>,
    config: PhotoacousticConfig,
    /// In metres.
    positions: Vec<Vec<f64>>,
    normals: Vec<Vec<f64>>,
}

impl BackProjection {
    /// For the records of this scanner.
    pub fn new(config: &PhotoacousticConfig, domain: &[usize]) -> Result<Self, OperatorError> {
        config.validate(domain)?;
        let middle: Vec<f64> =
            domain[1..].iter().zip(&config.spacing).map(|(&n, h)| (n - 1) as f64 / 2.0 * h).collect();
        let (positions, normals) = (config.sensors.positions(), config.sensors.normals(&middle));
        let range = vec![1, config.times, positions.len()];
        Ok(BackProjection { domain: domain.to_vec(), range, config: config.clone(), positions, normals })
    }

    fn project<T: Real>(&self, y: ArrayViewD<T>) -> ArrayD<T> {
        let times = self.config.sample_times();
        // b, trace by trace.
        let traces: Vec<Vec<f64>> = (0..self.range[2])
            .map(|s| {
                let value = |t: usize| y[[0, t, s]].into();
                let last = times.len() - 1;
                let slope = |t: usize| {
                    let (before, after) = (t.saturating_sub(1), (t + 1).min(last));
                    (value(after) - value(before)) / ((after - before).max(1) as f64 * self.config.time_step)
                };
                (0..times.len()).map(|t| 2.0 * (value(t) - times[t] * slope(t))).collect()
            })
            .collect();
        let nearest = 0.5 * self.config.spacing.iter().copied().fold(f64::INFINITY, f64::min);
        ArrayD::from_shape_fn(IxDyn(&self.domain), |index| {
            let (mut sum, mut weights) = (0.0, f64::MIN_POSITIVE);
            for (trace, (position, normal)) in traces.iter().zip(self.positions.iter().zip(&self.normals)) {
                let (mut square, mut along) = (0.0, 0.0);
                for (axis, (&place, &normal)) in position.iter().zip(normal).enumerate() {
                    let apart = index[axis + 1] as f64 * self.config.spacing[axis] - place;
                    square += apart * apart;
                    along += apart * normal;
                }
                // Nearer than half a pixel, a sensor sees no angle.
                let distance = square.sqrt().max(nearest);
                let weight = along.abs() / distance.powi(position.len() as i32);
                sum += weight * self.sample(trace, distance / self.config.sound_speed);
                weights += weight;
            }
            T::of(sum / weights)
        })
    }

    /// The trace at a time, by linear interpolation; zero where nothing was recorded.
    fn sample(&self, trace: &[f64], time: f64) -> f64 {
        let place = (time - self.config.first_time) / self.config.time_step;
        let before = place.floor();
        let value = |j: f64| if j >= 0.0 { trace.get(j as usize).copied().unwrap_or(0.0) } else { 0.0 };
        value(before) * (before + 1.0 - place) + value(before + 1.0) * (place - before)
    }
}

impl<T: Real> ClassicalMethod<T> for BackProjection {
    fn names(&self) -> Vec<String> {
        vec!["back-projection".into()]
    }

    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<Vec<ArrayD<T>>, OperatorError> {
        Ok(vec![map_samples("observation", y, &self.range, &self.domain, |y| Ok(self.project(y)))?])
    }
}

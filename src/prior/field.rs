use super::{Prior, PriorError};
use crate::operator::fourier::Fourier;
use ndarray::{ArrayD, Axis, IxDyn, Zip};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A stationary Gaussian random field on a periodic grid, of one to three axes.
///
/// P_k = (offset + |k|²)^(−power) with integer frequencies k, divided by its mean over all n of them, so that every
/// pixel has variance 1. A field is x = Re F⁻¹(√P ∘ F w) of white noise w: Gaussian with mean zero and a covariance
/// whose eigenvectors are the Fourier modes and whose eigenvalues are the P_k. All P_k are positive, so it has a
/// density. Computed in f64, whatever the type of the result.
#[derive(Clone)]
pub struct PeriodicGaussianField {
    fourier: Fourier<f64>,
    spectrum: ArrayD<f64>,
}

/// A volume of 1024³ is within.
const MOST_PIXELS: usize = 1 << 31;

impl PeriodicGaussianField {
    /// The field on `shape` pixels with the spectrum above; `offset` is positive, `power` finite.
    pub fn new(shape: &[usize], offset: f64, power: f64) -> Result<Self, PriorError> {
        let parameter = |name, value, remedy| Err(PriorError::Parameter { name, value, remedy });
        if !(1..=3).contains(&shape.len()) || shape.contains(&0) {
            return parameter("shape", format!("{shape:?}"), "give the pixels along one to three axes, none zero");
        }
        if shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).is_none_or(|n| n > MOST_PIXELS) {
            return parameter("shape", format!("{shape:?}"), "it is too large for any memory; use fewer pixels");
        }
        if !(offset > 0.0 && offset.is_finite()) {
            return parameter("offset", offset.to_string(), "give a positive number");
        }
        if !power.is_finite() {
            return parameter("power", power.to_string(), "give a finite number, such as 2");
        }
        let fourier = Fourier::new(shape);
        let raw = fourier.tabulate(|k| {
            let square: i64 = k.iter().map(|&k| k * k).sum();
            (offset + square as f64).powf(-power)
        });
        let mean = (&raw * &fourier.multiplicity()).sum() / fourier.pixels() as f64;
        let spectrum = raw / mean;
        if !spectrum.iter().all(|&p| p.is_normal() && p > 0.0) {
            return parameter(
                "power",
                power.to_string(),
                "the spectrum leaves the range of numbers; use a smaller one",
            );
        }
        Ok(PeriodicGaussianField { fourier, spectrum })
    }

    /// P_k over the half spectrum of [`Fourier`]: the eigenvalues of the covariance.
    pub fn spectrum(&self) -> &ArrayD<f64> {
        &self.spectrum
    }

    /// The transform it works with.
    pub fn fourier(&self) -> &Fourier<f64> {
        &self.fourier
    }
}

impl Prior for PeriodicGaussianField {
    fn shape(&self) -> Vec<usize> {
        std::iter::once(1).chain(self.fourier.shape().iter().copied()).collect()
    }

    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        filtered_noise(&self.fourier, &self.spectrum, rng).mapv(|x| x as f32).insert_axis(Axis(0))
    }
}

/// F⁻¹(√v ∘ F w) of white noise w: a field whose covariance has the eigenvalues `variance`.
pub(crate) fn filtered_noise(fourier: &Fourier<f64>, variance: &ArrayD<f64>, rng: &mut ChaCha8Rng) -> ArrayD<f64> {
    let white: ArrayD<f64> = ArrayD::from_shape_simple_fn(IxDyn(fourier.shape()), || StandardNormal.sample(rng));
    let mut spectrum = fourier.forward(white.view());
    Zip::from(&mut spectrum).and(variance).for_each(|x, &v| *x *= v.sqrt());
    fourier.inverse(spectrum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn has_unit_variance_and_its_spectrum() -> Result<(), PriorError> {
        for shape in [vec![64], vec![16, 15], vec![8, 6, 7]] {
            let prior = PeriodicGaussianField::new(&shape, 4.0, 2.0)?;
            let draws = 400;
            let (mut variance, mut power) = (0.0, ArrayD::zeros(prior.spectrum.raw_dim()));
            for index in 0..draws {
                let x = prior.sample(&mut stream(5, Purpose::Prior, index)).mapv(f64::from);
                variance += x.mapv(|x| x * x).sum() / (x.len() as f64 * draws as f64);
                let modes = prior.fourier.forward(x.index_axis(Axis(0), 0));
                power += &modes.mapv(|m| m.norm_sqr() / (x.len() as f64 * draws as f64));
            }
            assert!((variance - 1.0).abs() < 0.08, "{shape:?}: variance {variance}");
            // Relative sd of one periodogram averaged over 400 draws: at most √(2/400) = 0.07.
            let worst = (&power / &prior.spectrum).iter().fold(0.0_f64, |w, r| w.max((r - 1.0).abs()));
            assert!(worst < 0.35, "{shape:?}: spectrum off by {worst}");
        }
        Ok(())
    }

    /// Pair 4,711 is the same on every machine: a change of these numbers changes every data set ever simulated.
    #[test]
    fn a_stream_gives_the_same_field_for_ever() -> Result<(), PriorError> {
        let prior = PeriodicGaussianField::new(&[32, 32], 4.0, 2.0)?;
        let x = prior.sample(&mut stream(1, Purpose::Prior, 4711));
        assert_eq!(x.shape(), prior.shape());
        let frozen = [((0, 0), -0.0452437_f32), ((5, 7), -0.20360255), ((31, 16), -1.1924906)];
        for ((i, j), value) in frozen {
            assert!((x[[0, i, j]] - value).abs() < 1e-6, "{:?}", (i, j, x[[0, i, j]]));
        }
        let sum = x.mapv(|v| f64::from(v).powi(2)).sum();
        assert!((sum - 828.257_099).abs() < 1e-3, "{sum}");
        Ok(())
    }
}

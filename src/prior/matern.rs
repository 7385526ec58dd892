use super::{Prior, PriorError};
use faer::linalg::solvers::Llt;
use faer::{Col, Mat, MatRef, Side};
use ndarray::{ArrayD, IxDyn};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A Gaussian random field with a Matérn covariance, of mean zero and variance one, of one to three axes, not periodic.
///
/// With u = √(2ν) d/ℓ, d the distance of two pixels:
///
/// ```text
/// ν = 1/2: exp(−u)    ν = 3/2: (1 + u) exp(−u)    ν = 5/2: (1 + u + u²/3) exp(−u)
/// ```
///
/// A field is x = L w of white noise w, with the Cholesky factor L of the covariance of all pixels: exact, and of as much
/// memory as the square of their number. Computed in f64, whatever the type of the result.
#[derive(Clone)]
pub struct MaternField {
    shape: Vec<usize>,
    factor: Mat<f64>,
}

/// The covariance of so many pixels takes 128 MiB.
const MOST_PIXELS: usize = 4096;

impl MaternField {
    /// The field on `shape` pixels; `smoothness` is ν, `length` is ℓ in pixels.
    pub fn new(shape: &[usize], smoothness: f64, length: f64) -> Result<Self, PriorError> {
        let parameter = |name, value, remedy| Err(PriorError::Parameter { name, value, remedy });
        if !(1..=3).contains(&shape.len()) || shape.contains(&0) {
            return parameter("shape", format!("{shape:?}"), "give the pixels along one to three axes, none zero");
        }
        let pixels = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).filter(|&n| n <= MOST_PIXELS);
        let Some(pixels) = pixels else {
            let remedy = "its covariance is held as a matrix: give at most 4096 pixels in all";
            return parameter("shape", format!("{shape:?}"), remedy);
        };
        if ![0.5, 1.5, 2.5].contains(&smoothness) {
            return parameter("smoothness", smoothness.to_string(), "give 0.5, 1.5 or 2.5");
        }
        if !(length > 0.0 && length.is_finite()) {
            return parameter("length", length.to_string(), "give a positive number of pixels");
        }
        let places: Vec<Vec<f64>> = (0..pixels).map(|p| place(p, shape)).collect();
        let covariance = Mat::from_fn(pixels, pixels, |i, j| {
            let square: f64 = places[i].iter().zip(&places[j]).map(|(a, b)| (a - b).powi(2)).sum();
            let u = (2.0 * smoothness * square).sqrt() / length;
            let polynomial = match smoothness {
                0.5 => 1.0,
                1.5 => 1.0 + u,
                _ => 1.0 + u + u * u / 3.0,
            };
            polynomial * (-u).exp()
        });
        match Llt::new(covariance.as_ref(), Side::Lower) {
            Ok(cholesky) => Ok(MaternField { shape: shape.to_vec(), factor: cholesky.L().to_owned() }),
            Err(_) => {
                parameter("length", length.to_string(), "neighbouring pixels are all but equal; give fewer pixels")
            }
        }
    }

    /// The lower triangular L with covariance L Lᵀ, over the pixels in row-major order.
    pub fn factor(&self) -> MatRef<'_, f64> {
        self.factor.as_ref()
    }
}

/// Where a pixel lies, by its number in row-major order.
fn place(mut pixel: usize, shape: &[usize]) -> Vec<f64> {
    let mut place = vec![0.0; shape.len()];
    for (place, &n) in place.iter_mut().zip(shape).rev() {
        *place = (pixel % n) as f64;
        pixel /= n;
    }
    place
}

impl Prior for MaternField {
    fn shape(&self) -> Vec<usize> {
        std::iter::once(1).chain(self.shape.iter().copied()).collect()
    }

    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        let mut field = Col::<f64>::zeros(self.factor.nrows());
        for j in 0..self.factor.ncols() {
            let white: f64 = StandardNormal.sample(rng);
            // What stands above the diagonal is zero.
            for i in j..self.factor.nrows() {
                field[i] += white * self.factor[(i, j)];
            }
        }
        let mut values = field.iter();
        ArrayD::from_shape_simple_fn(IxDyn(&self.shape()), || values.next().map_or(0.0, |&x| x as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use ndarray::Axis;

    /// Draws have the covariance of the formula, at every distance; the smoother, the closer are neighbours.
    #[test]
    fn draws_have_its_covariance() -> Result<(), PriorError> {
        for (smoothness, neighbour) in [(0.5, 0.606531), (1.5, 0.784888), (2.5, 0.828649)] {
            let prior = MaternField::new(&[5, 4], smoothness, 2.0)?;
            let factor = prior.factor();
            let covariance = factor * factor.transpose();
            assert!((covariance[(0, 1)] - neighbour).abs() < 1e-6, "{smoothness}: {}", covariance[(0, 1)]);
            assert!((covariance[(3, 7)] - covariance[(0, 1)]).abs() < 1e-12);
            let count = 4000;
            let mut products = Mat::<f64>::zeros(20, 20);
            for index in 0..count {
                let x = prior.sample(&mut stream(3, Purpose::Prior, index)).index_axis_move(Axis(0), 0);
                let x: Vec<f64> = x.iter().map(|&v| f64::from(v) / (count as f64).sqrt()).collect();
                products += Mat::from_fn(20, 20, |i, j| x[i] * x[j]);
            }
            let worst = (&products - &covariance).norm_max();
            assert!(worst < 5.0 * (2.0 / count as f64).sqrt(), "{smoothness}: {worst}");
        }
        Ok(())
    }

    #[test]
    fn a_stream_gives_the_same_field_for_ever() -> Result<(), PriorError> {
        let prior = MaternField::new(&[32, 32], 1.5, 4.0)?;
        let x = prior.sample(&mut stream(1, Purpose::Prior, 4711));
        assert_eq!(x.shape(), prior.shape());
        let frozen = [((0, 0), 0.10053288_f32), ((5, 7), 1.5392919), ((31, 16), 0.72490156)];
        for ((i, j), value) in frozen {
            assert!((x[[0, i, j]] - value).abs() < 1e-6, "{:?}", (i, j, x[[0, i, j]]));
        }
        Ok(())
    }
}

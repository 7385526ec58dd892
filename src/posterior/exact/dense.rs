use super::{ExactPosterior, check_batch, check_noise};
use crate::operator::LinearOperator;
use crate::posterior::PosteriorError;
use crate::posterior::error::check_shape;
use faer::linalg::solvers::Llt;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatRef, Par, Side};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// The posterior of a Gaussian image whose covariance is known as a matrix, for any linear operator.
///
/// x ~ N(0, L Lᵀ), y = A x + ε, ε ~ N(0, σ² I). In the white coordinates x = L w,
///
/// ```text
/// R Rᵀ = I + Lᵀ Aᵀ A L / σ²     Σ = L (R Rᵀ)⁻¹ Lᵀ = S Sᵀ with S = L R⁻ᵀ     m(y) = Σ Aᵀ y / σ²
/// ```
///
/// with two triangular factors and no inverse of an ill-conditioned matrix: the eigenvalues of R Rᵀ start at 1.
/// Its making costs m n² + n³ multiplications for n pixels and m data, its memory 2 n² numbers.
#[derive(Clone)]
pub struct DenseGaussian {
    operator: Arc<dyn LinearOperator<f64>>,
    /// 1/σ².
    precision: f64,
    /// L.
    prior: Mat<f64>,
    /// R.
    gain: Mat<f64>,
    deviation: ArrayD<f64>,
}

/// Images that the operator is applied to at a time.
const COLUMNS: usize = 64;

impl DenseGaussian {
    /// The posterior for the lower triangular factor L of the covariance of the pixels of an image, in row-major order, an operator on
    /// such images and noise of standard deviation `sigma` > 0.
    pub fn new(
        prior: MatRef<'_, f64>,
        operator: Arc<dyn LinearOperator<f64>>,
        sigma: f64,
    ) -> Result<DenseGaussian, PosteriorError> {
        let pixels: usize = operator.domain().iter().product();
        check_shape("factor of the prior covariance", &[prior.nrows(), prior.ncols()], &[pixels, pixels])?;
        check_noise(sigma)?;
        let precision = 1.0 / (sigma * sigma);
        let seen = columns(&*operator, prior)?;
        let mut normal = seen.transpose() * &seen;
        for j in 0..pixels {
            for i in 0..pixels {
                normal[(i, j)] = normal[(i, j)] * precision + if i == j { 1.0 } else { 0.0 };
            }
        }
        let cholesky = Llt::new(normal.as_ref(), Side::Lower).map_err(|_| PosteriorError::Parameter {
            name: "sigma",
            value: sigma.to_string(),
            remedy: "the data outweigh the prior beyond all numbers; give larger noise",
        })?;
        let gain = cholesky.L().to_owned();
        // Sᵀ = R⁻¹ Lᵀ, whose columns are the rows of S.
        let mut root = prior.transpose().to_owned();
        solve_lower_triangular_in_place(gain.as_ref(), root.as_mut(), Par::Seq);
        let mut pixel = root.col_iter().map(|row| row.norm_l2());
        let deviation = ArrayD::from_shape_simple_fn(IxDyn(operator.domain()), || pixel.next().unwrap_or(0.0));
        Ok(DenseGaussian { operator, precision, prior: prior.to_owned(), gain, deviation })
    }

    /// The images as columns.
    fn stacked(&self, images: &ArrayViewD<f64>) -> Mat<f64> {
        let mut matrix = Mat::zeros(self.prior.nrows(), images.len_of(Axis(0)));
        for (j, image) in images.axis_iter(Axis(0)).enumerate() {
            image.iter().enumerate().for_each(|(i, &v)| matrix[(i, j)] = v);
        }
        matrix
    }

    /// The columns as images.
    fn images(&self, matrix: MatRef<'_, f64>) -> ArrayD<f64> {
        let shape: Vec<usize> = std::iter::once(matrix.ncols()).chain(self.shape().iter().copied()).collect();
        let mut entries = matrix.col_iter().flat_map(|column| column.iter().copied());
        ArrayD::from_shape_simple_fn(IxDyn(&shape), || entries.next().unwrap_or(0.0))
    }
}

/// A L, column by column.
fn columns(operator: &dyn LinearOperator<f64>, factor: MatRef<'_, f64>) -> Result<Mat<f64>, PosteriorError> {
    let data: usize = operator.range().iter().product();
    let mut seen = Mat::zeros(data, factor.ncols());
    for first in (0..factor.ncols()).step_by(COLUMNS) {
        let count = COLUMNS.min(factor.ncols() - first);
        let shape: Vec<usize> = std::iter::once(count).chain(operator.domain().iter().copied()).collect();
        let mut entries = factor.subcols(first, count).col_iter().flat_map(|column| column.iter().copied());
        let batch = ArrayD::from_shape_simple_fn(IxDyn(&shape), || entries.next().unwrap_or(0.0));
        let y = operator.apply(batch.view())?;
        for (j, y) in y.axis_iter(Axis(0)).enumerate() {
            y.iter().enumerate().for_each(|(i, &v)| seen[(i, first + j)] = v);
        }
    }
    Ok(seen)
}

impl ExactPosterior for DenseGaussian {
    fn shape(&self) -> &[usize] {
        self.operator.domain()
    }

    fn mean(&self, y: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError> {
        check_batch("observation", &y, self.operator.range())?;
        let gradient = self.stacked(&self.operator.adjoint(y)?.view());
        let mut white = self.prior.transpose() * gradient * faer::Scale(self.precision);
        solve_lower_triangular_in_place(self.gain.as_ref(), white.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(self.gain.transpose(), white.as_mut(), Par::Seq);
        Ok(self.images((&self.prior * white).as_ref()))
    }

    fn sample(&self, y: ArrayViewD<f64>, n: usize, rng: &mut ChaCha8Rng) -> Result<ArrayD<f64>, PosteriorError> {
        let mean = self.mean(y.insert_axis(Axis(0)))?;
        let mut white = Mat::zeros(self.pixels(), n);
        for j in 0..n {
            (0..self.pixels()).for_each(|i| white[(i, j)] = StandardNormal.sample(rng));
        }
        solve_upper_triangular_in_place(self.gain.transpose(), white.as_mut(), Par::Seq);
        Ok(self.images((&self.prior * white).as_ref()) + mean)
    }

    /// S⁻¹ v = Rᵀ L⁻¹ v.
    fn whiten(&self, deviation: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError> {
        check_batch("deviation", &deviation, self.shape())?;
        let mut white = self.stacked(&deviation);
        solve_lower_triangular_in_place(self.prior.as_ref(), white.as_mut(), Par::Seq);
        Ok(self.images((self.gain.transpose() * white).as_ref()))
    }

    fn standard_deviation(&self) -> ArrayD<f64> {
        self.deviation.clone()
    }

    fn log_det_prior(&self) -> f64 {
        log_det(self.prior.as_ref())
    }

    fn log_det_posterior(&self) -> f64 {
        self.log_det_prior() - log_det(self.gain.as_ref())
    }
}

/// log det T Tᵀ of a triangular T.
fn log_det(factor: MatRef<'_, f64>) -> f64 {
    (0..factor.nrows()).map(|i| 2.0 * factor[(i, i)].ln()).sum()
}

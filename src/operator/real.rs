use rustfft::FftNum;
use rustfft::num_traits::Float;
use std::iter::Sum;

/// The scalar of an operator: `f32` or `f64`.
pub trait Real: FftNum + Float + Sum + Into<f64> {
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }
}

impl Real for f64 {
    fn of(value: f64) -> f64 {
        value
    }
}

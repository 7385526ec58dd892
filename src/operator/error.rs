/// An error of the operators. The message says what was found, what is expected and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// An array does not fit the operator.
    #[error("the {what} has shape {found:?}, but the operator expects {expected}; check the size in the problem file")]
    Shape {
        /// Which array.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape expected, in words.
        expected: String,
    },
    /// A parameter of an operator lies outside its domain.
    #[error("operator parameter `{name}` is {value}; {remedy}")]
    Parameter {
        /// Name in the problem file.
        name: &'static str,
        /// Value found.
        value: String,
        /// What to do next.
        remedy: &'static str,
    },
    /// Sensors that hear nothing.
    #[error(
        "no sound of the image reaches a sensor within the record: the nearest sensor is {nearest:.3e} m from the nearest pixel, \
             and sound goes {path:.3e} m until the last sample; check that `spacing` and `sensors` are in metres, `sound_speed` in \
             metres a second, and `time_step` and `first_time` in seconds"
    )]
    Silent {
        /// Metres from a sensor to the nearest pixel.
        nearest: f64,
        /// Metres that sound goes within the record.
        path: f64,
    },
    /// A Fourier symbol that belongs to no real convolution.
    #[error(
        "the symbol at frequency {frequency:?} is not the conjugate of the one at its negative; \
             a real convolution needs B(-k) = conj B(k)"
    )]
    Symbol {
        /// The first frequency at which it fails.
        frequency: Vec<i64>,
    },
}

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

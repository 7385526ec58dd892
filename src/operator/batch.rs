use super::{OperatorError, Real};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

/// Maps each sample of a batch `[sample, from…]` to one of shape `to`, in parallel, one thread a sample.
///
/// This is how an operator defined on one sample becomes one on batches. An error if the batch has another shape;
/// `what` names it there.
pub fn map_samples<T: Real>(
    what: &'static str,
    batch: ArrayViewD<T>,
    from: &[usize],
    to: &[usize],
    map: impl Fn(ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> + Send + Sync,
) -> Result<ArrayD<T>, OperatorError> {
    if batch.ndim() != from.len() + 1 || batch.shape()[1..] != *from {
        let expected = format!("[samples, {}]", from.iter().map(usize::to_string).collect::<Vec<_>>().join(", "));
        return Err(OperatorError::Shape { what, found: batch.shape().to_vec(), expected });
    }
    let shape: Vec<usize> = std::iter::once(batch.len_of(Axis(0))).chain(to.iter().copied()).collect();
    let mut out = ArrayD::zeros(IxDyn(&shape));
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(batch.axis_iter(Axis(0))).try_for_each(|(mut out, sample)| {
        out.assign(&map(sample)?);
        Ok(())
    })?;
    Ok(out)
}

/// The shape of one sample must be a channel and one to three axes, none empty.
pub(super) fn check_domain(domain: &[usize]) -> Result<(), OperatorError> {
    if (2..=4).contains(&domain.len()) && !domain.contains(&0) {
        return Ok(());
    }
    let expected = "a channel and one to three axes, none empty".to_string();
    Err(OperatorError::Shape { what: "shape of one image", found: domain.to_vec(), expected })
}

//! What is refused: sizes beyond the memory, values that are no numbers.

use super::error::{IoError, Result};
use ndarray::ArrayViewD;

/// Smaller requests are granted without asking how much memory is free.
const UNASKED: usize = 64 << 20;

/// The first value that is NaN or infinite is an error that names its place and index.
pub fn finite_or_error(values: ArrayViewD<'_, f32>, place: &str) -> Result<()> {
    match values.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, value)) => Err(not_finite(place, f64::from(*value), ndarray::Dimension::slice(&index))),
    }
}

/// The error for a value that is NaN or infinite.
pub(super) fn not_finite(place: &str, value: f64, index: &[usize]) -> IoError {
    IoError::content(
        place,
        format!("value {value} at index {index:?}"),
        "remove or replace values that are NaN, infinite or beyond the range of f32",
    )
}

/// Number of elements of a shape; the shape may come from a damaged file, so it saturates.
pub(super) fn elements(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n: usize, &size| n.saturating_mul(size))
}

/// A buffer of zeros, or an error that says how much was asked for: the size often comes from a file nobody vouches for.
pub(super) fn buffer<T: Copy + Default>(elements: usize, place: &str) -> Result<Vec<T>> {
    let bytes = elements.saturating_mul(size_of::<T>());
    let refused = || {
        IoError::content(
            place,
            format!("{:.1} GB asked for, more than the free memory", bytes as f64 * 1e-9),
            "read fewer rows at once, or check the shape",
        )
    };
    if bytes > UNASKED && free_memory().is_some_and(|free| bytes > free) {
        return Err(refused());
    }
    let mut values = Vec::new();
    values.try_reserve_exact(elements).map_err(|_| refused())?;
    values.resize(elements, T::default());
    Ok(values)
}

/// Bytes that can be had without swapping, where the system says so (Linux).
fn free_memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kib| kib.saturating_mul(1024))
}

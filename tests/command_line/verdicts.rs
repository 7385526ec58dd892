//! Draws that another program wrote are judged as they are.

use crate::own_pairs::{bare, numbers};
use crate::{succeed, text};
use ndarray::Axis;

/// What `diagnose` prints of 40 pairs of 30 draws of images of this shape: draws and truth are of one kind.
fn judged(shape: &[usize]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("draws.h5");
    let all = numbers(&[&[40, 31], shape].concat());
    let truth = all.index_axis(Axis(1), 30).to_owned();
    let samples = all.slice_axis(Axis(1), (..30).into()).to_owned();
    bare(&file, &[("samples", samples), ("truth", truth)]);
    succeed(&["diagnose", text(&file)])
}

#[test]
fn numbers_parameters_and_images_are_told_apart() {
    let one = judged(&[]);
    assert!(one.contains("rmse_mean") && !one.contains("rmse_mean of"), "{one}");
    let three = judged(&[3]);
    assert!(three.contains("rmse_mean of channel 2"), "of parameters each is told: {three}");
    let image = judged(&[6, 5]);
    assert!(!image.contains("rmse_mean of"), "rows are no channels: {image}");
    assert!(image.contains("coverage_90") && image.contains("verdict "), "{image}");
}

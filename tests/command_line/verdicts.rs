//! Draws that another program wrote are judged as they are.

use crate::own_pairs::{bare, numbers};
use crate::{succeed, text};
use ndarray::{ArrayD, Axis, IxDyn};
use posteria::random::{Purpose, stream};
use rand_distr::{Distribution, StandardNormal};

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

/// Draws and truths of one distribution, far from zero: with all their digits they are judged as those near zero are.
#[test]
fn the_digits_of_64_bit_draws_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = stream(1, Purpose::Diagnostic, 0);
    let all: ArrayD<f64> = ArrayD::from_shape_simple_fn(IxDyn(&[40, 31, 1, 3, 4]), || StandardNormal.sample(&mut rng));
    let judged = |name: &str, offset: f64, wrong: f64| {
        let file = hdf5::File::create(dir.path().join(name)).unwrap();
        let mut all = all.mapv(|value| value + offset);
        // One cell of the draws is off.
        all.slice_axis_mut(Axis(1), (..30).into())
            .index_axis_mut(Axis(3), 1)
            .index_axis_mut(Axis(3), 2)
            .mapv_inplace(|v| v + wrong);
        let truth = all.index_axis(Axis(1), 30).as_standard_layout().into_owned();
        let samples = all.slice_axis(Axis(1), (..30).into()).as_standard_layout().into_owned();
        for (name, values) in [("samples", samples), ("truth", truth)] {
            file.new_dataset_builder().with_data(&values).create(name).unwrap();
        }
        drop(file);
        succeed(&["diagnose", text(&dir.path().join(name))])
    };
    let rmse = |printed: &str| printed.lines().find(|line| line.starts_with("rmse_mean")).map(str::to_owned);
    let (near, far) = (judged("near.h5", 0.0, 0.0), judged("far.h5", 1.7e9, 0.0));
    assert_eq!(rmse(&near), rmse(&far));
    assert!(far.contains("verdict   calibrated") && near.contains("verdict   calibrated"), "{near}{far}");
    let wrong = judged("wrong.h5", 1.7e9, 3.0);
    assert!(wrong.contains("every_cell: in cell [0, 1, 2], the farthest off"), "{wrong}");
}

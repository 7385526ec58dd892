//! Unknowns as users have them: positive, with cells that are known, of a size that no squeeze divides.

use crate::own_pairs::{bare, numbers, problem};
use crate::{fail, succeed, text};
use ndarray::ArrayD;
use posteria::io::volume;
use std::path::Path;

/// Water of 1500 in the first row, and above it speeds that vary.
fn speeds(samples: usize) -> ArrayD<f32> {
    let mut x = numbers(&[samples, 1, 9, 10]).mapv(|v| 1600.0 + 90.0 * v);
    for (index, value) in x.indexed_iter_mut() {
        if index[2] == 0 {
            *value = 1500.0;
        }
    }
    x
}

fn write(folder: &Path, x: ArrayD<f32>) {
    let y = x.mapv(|v| v / 100.0);
    bare(&folder.join("pairs.h5"), &[("x", x), ("y", y)]);
    let mut fixed = ArrayD::from_elem(vec![1, 9, 10], f32::NAN);
    fixed.indexed_iter_mut().filter(|(index, _)| index[1] == 0).for_each(|(_, value)| *value = 1500.0);
    bare(&folder.join("known.h5"), &[("fixed", fixed)]);
}

const UNKNOWN: (&str, &str) = (
    "[network]",
    "[unknown]\nvalues = [{ kind = \"positive\", above = 1400.0 }]\npadded = [10, 12]\nfixed = \"known.h5\"\n\n[network]",
);

#[test]
fn bounds_known_cells_and_padding_go_all_the_way_to_the_draws() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), speeds(60));
    let run = dir.path().join("run");
    let all = [("observations = 2", "observations = 6"), ("kept_draws = 5", "kept_draws = 24")];
    let path = problem(dir.path(), &[&[UNKNOWN][..], &all].concat());
    succeed(&["train", text(&path), "--out", text(&run)]);
    // The model is whole without the file.
    std::fs::remove_file(dir.path().join("known.h5")).unwrap();
    succeed(&["sample", text(&run)]);
    let draws = volume::read(&format!("{}:/samples", run.join("posterior.h5").display())).unwrap();
    assert_eq!(draws.shape(), [6, 24, 1, 9, 10]);
    let distances = volume::read(&format!("{}:/condition_distance", run.join("posterior.h5").display())).unwrap();
    assert!(distances.shape() == [6] && distances.iter().all(|distance| *distance > 0.0));
    for (index, &value) in draws.indexed_iter() {
        assert!(value > 1400.0, "{value} at {index:?}");
        assert_eq!(value == 1500.0, index[3] == 0, "{value} at {index:?}");
    }
    let printed = succeed(&["diagnose", text(&run)]);
    assert!(printed.contains("nll_nats_per_dim") && printed.contains("latent_norm"), "{printed}");
    succeed(&["plot", text(&run)]);
    // The file of the same draws says which cells are known, and is judged alike.
    let of_file = succeed(&["diagnose", text(&run.join("posterior.h5"))]);
    let number = |printed: &str, name: &str| {
        let line = printed.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
    };
    for name in ["coverage_50", "coverage_90", "rmse_mean", "mean_standard_deviation", "ence"] {
        let [a, b] = [&printed, &of_file].map(|text| number(text, name).expect(text));
        assert!(a.is_finite() && (a - b).abs() <= 2e-5 * a.abs(), "{name}: {a} {b}");
    }
}

#[test]
fn an_x_that_is_not_as_the_problem_says_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut x = speeds(60);
    x[[3, 0, 4, 5]] = 1399.0;
    write(dir.path(), x);
    let path = problem(dir.path(), &[UNKNOWN]);
    let error = fail(&["train", text(&path), "--out", text(&dir.path().join("low"))]);
    assert!(error.contains("[0, 4, 5] is 1399") && error.contains("above 1400"), "{error}");
    let mut x = speeds(60);
    x[[2, 0, 0, 7]] = 1510.0;
    write(dir.path(), x);
    let error = fail(&["train", text(&path), "--out", text(&dir.path().join("wet"))]);
    assert!(error.contains("[0, 0, 7] is 1510") && error.contains("1500"), "{error}");
}

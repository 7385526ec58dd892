use super::*;
use crate::figure::encode::tests::decoded;
use crate::io::{Axis, Grid, Kind, Layout, Provenance, Quantity, ResultWriter};
use ndarray::{ArrayD, IxDyn};
use std::path::PathBuf;

/// Datasets by name: axes in front of the grid, and the whole shape; the values count up.
pub fn written(folder: &Path, kind: Kind, datasets: &[(&str, &[&str], &[usize])]) -> PathBuf {
    let path = folder.join("results.h5");
    let mut writer = ResultWriter::create(&path, kind, &Provenance::default()).unwrap();
    writer.coordinates("level", &[0.95, 0.05], "");
    for (name, labels, shape) in datasets {
        let axes = shape[labels.len()..].iter().enumerate();
        let grid = Grid::new(axes.map(|(i, &n)| Axis::new(["depth", "distance", "time"][i], n, 12.5, "m")).collect());
        let quantity = Quantity { unit: "m/s".into(), grid, ..Quantity::default() };
        let layout = Layout { labels, quantity, ..Layout::default() };
        writer.dataset(name, &shape[1..], &layout).unwrap();
        let values = ArrayD::from_shape_fn(IxDyn(shape), |i| (0..shape.len()).map(|k| i[k] as f32).sum::<f32>());
        writer.append(name, values.view()).unwrap();
    }
    writer.finish().unwrap();
    path
}

const IMAGE: &[&str] = &["record", "channel"];
const DRAW: &[&str] = &["record", "draw", "channel"];
const LEVEL: &[&str] = &["record", "level", "channel"];

pub fn names(drawn: &[Drawn]) -> Vec<String> {
    drawn.iter().map(|d| d.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn each_observation_has_its_figure() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(
        folder.path(),
        Kind::Posterior,
        &[
            ("mean", IMAGE, &[2, 1, 8, 6]),
            ("standard_deviation", IMAGE, &[2, 1, 8, 6]),
            ("truth", IMAGE, &[2, 1, 8, 6]),
            ("exact_mean", IMAGE, &[2, 1, 8, 6]),
            ("observation", IMAGE, &[2, 3, 40]),
            ("samples", DRAW, &[2, 5, 1, 8, 6]),
            ("quantiles", LEVEL, &[2, 2, 1, 8, 6]),
        ],
    );
    let drawn = posterior_figures(&path, folder.path(), "posterior", 9, None).unwrap();
    let kinds = [".png", "-profiles.png", "-draws.gif"];
    let expected = [0, 1].map(|i| kinds.map(|kind| format!("posterior-{i}{kind}"))).concat();
    assert_eq!(names(&drawn), expected);
    let drawn: Vec<Drawn> = drawn.into_iter().step_by(kinds.len()).collect();
    assert!(drawn[1].caption.contains("observation 1") && drawn[1].caption.contains("draws"), "{drawn:?}");
    assert!(drawn.iter().all(|d| decoded(&d.path).1[0] > 1500));
}

#[test]
fn channels_vectors_and_traces_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let two = written(folder.path(), Kind::Posterior, &[("mean", IMAGE, &[1, 2, 4, 4])]);
    let drawn = posterior_figures(&two, folder.path(), "p", 9, None).unwrap();
    assert_eq!(
        names(&drawn),
        ["p-0-channel-0.png", "p-0-channel-0-profiles.png", "p-0-channel-1.png", "p-0-channel-1-profiles.png"]
    );
    let vector: &[&str] = &["record", "parameter"];
    let path = written(
        folder.path(),
        Kind::Posterior,
        &[("mean", vector, &[1, 12]), ("quantiles", &["record", "level", "parameter"], &[1, 2, 12])],
    );
    assert_eq!(names(&posterior_figures(&path, folder.path(), "v", 9, None).unwrap()), ["v-0.png"]);
    let source = Source::open(&path).unwrap();
    let mean = Dataset::open(&source, "mean", 1).unwrap();
    let posterior = Posterior::read(&source, &mean, 0, 0).unwrap();
    assert_eq!((posterior.mean.values.shape(), posterior.mean.grid.axes[0].name.as_str()), (&[12][..], "parameter"));
    // The levels are stored from high to low.
    let [(low, lower), (high, upper)] = posterior.interval.unwrap();
    assert!(low < 0.06 && high > 0.94 && lower.values[[0]] == 1.0 && upper.values[[0]] == 0.0);
}

#[test]
fn what_is_compared_shares_a_range() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(
        folder.path(),
        Kind::Posterior,
        &[("mean", IMAGE, &[1, 1, 8, 6]), ("truth", IMAGE, &[1, 1, 8, 6]), ("samples", DRAW, &[1, 9, 1, 8, 6])],
    );
    let source = Source::open(&path).unwrap();
    let mean = Dataset::open(&source, "mean", 1).unwrap();
    let mut posterior = Posterior::read(&source, &mean, 0, 0).unwrap();
    let [low, high] = posterior.value_range();
    // Mean and truth reach 7 + 5; of the four draws read the highest percent is left out.
    assert!(low == 0.0 && (12.0..15.0).contains(&high), "{low} {high}");
    posterior.samples[0].values[[0, 0]] = 1e30;
    assert!(posterior.value_range()[1] < 16.0);
    let ranges = posterior.panels().concat().into_iter().filter_map(|panel| match panel.content {
        Content::Map { palette: Palette::Value, range, .. } => Some(range),
        _ => None,
    });
    let ranges: Vec<_> = ranges.collect();
    assert!(ranges.len() == 5 && ranges.iter().all(|range| *range == ranges[0]), "{ranges:?}");
}

#[test]
fn images_without_a_network_stand_between_truth_and_mean() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["mean", "truth", "standard_deviation", "observation", "classical"];
    let datasets = names.map(|name| (name, IMAGE, &[1, 1, 8, 6][..]));
    let path = written(folder.path(), Kind::Posterior, &datasets);
    let source = Source::open(&path).unwrap();
    let mean = Dataset::open(&source, "mean", 1).unwrap();
    let mut posterior = Posterior::read(&source, &mean, 0, 0).unwrap();
    posterior.adjoint = Some(posterior.mean.clone());
    let titles = |row: &Vec<Panel>| row.iter().map(|panel| panel.title.clone()).collect::<Vec<_>>();
    let rows: Vec<_> = posterior.panels().iter().map(titles).collect();
    assert_eq!(rows[0], ["Truth", "Classical image", "Posterior mean", "Error: mean − truth"]);
    assert_eq!(rows[1], ["Observation", "Adjoint image", "Standard deviation", "Error / standard deviation"]);
    posterior.classical = None;
    assert_eq!(titles(&posterior.panels()[2]), ["Adjoint image"]);
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), Kind::Posterior, &[("truth", IMAGE, &[1, 1, 8, 6])]);
    let message = posterior_figures(&path, folder.path(), "p", 9, None).unwrap_err().to_string();
    assert!(message.contains("results.h5") && message.contains("\"mean\"") && message.contains("truth"), "{message}");
    let path =
        written(folder.path(), Kind::Posterior, &[("mean", IMAGE, &[1, 1, 8, 6]), ("truth", IMAGE, &[1, 1, 6, 8])]);
    let message = posterior_figures(&path, folder.path(), "p", 9, None).unwrap_err().to_string();
    assert!(message.contains("truth") && message.contains("[6, 8]") && message.contains("[8, 6]"), "{message}");
    let path = written(folder.path(), Kind::Posterior, &[("mean", &["record"], &[1, 2, 2, 2])]);
    assert!(posterior_figures(&path, folder.path(), "p", 9, None).is_ok());
    assert!(posterior_figures(&folder.path().join("absent.h5"), folder.path(), "p", 9, None).is_err());
}

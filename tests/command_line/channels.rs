//! Unknowns whose channels have names and units of their own.

use crate::{fail, own_pairs, succeed, text};
use ndarray::Axis;
use posteria::io::{PairsInfo, PairsWriter, Quantity, Source};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Velocity and density, the density in units of which `factor` are a kg/m³, and the same observations.
fn pairs(folder: &Path, factor: f32) -> PathBuf {
    let mut x = own_pairs::numbers(&[120, 2, 8, 8]);
    let y = x.index_axis(Axis(1), 0).mapv(|v| v + 0.1).insert_axis(Axis(1)).into_dyn();
    x.index_axis_mut(Axis(1), 1).mapv_inplace(|v| factor * (v + 2.0));
    let pairs = folder.join("pairs");
    let writer = PairsWriter::create(&pairs, PairsInfo::default()).unwrap();
    writer.write_shard(0, x.view(), y.view()).unwrap();
    writer.finish().unwrap();
    let channels =
        "[x]\nchannels = [{ name = \"velocity\", unit = \"km/s\" }, { name = \"density\", unit = \"kg/m^3\" }]\n";
    own_pairs::problem(folder, &[("pairs.h5", "pairs"), ("[network]", &format!("{channels}\n[network]"))])
}

fn metrics(run: &Path) -> Value {
    let text = std::fs::read_to_string(run.join("diagnostics.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["metrics"].clone()
}

#[test]
fn a_change_of_units_changes_nothing_but_the_density() {
    let judged = [1.0, 1000.0].map(|factor| {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        succeed(&["run", text(&pairs(dir.path(), factor)), "--out", text(&run)]);
        let source = Source::open(&run.join("posterior.h5")).unwrap();
        let of = |name: &str| Quantity::of(&source.rows(name).unwrap(), 2).unwrap();
        assert_eq!([of("mean").unit_of(0), of("variance").unit_of(1)], ["km/s", "(kg/m^3)^2"]);
        for figure in ["posterior-0-channel-0.png", "posterior-0-channel-1.png"] {
            assert!(run.join("figures").join(figure).is_file(), "{figure}");
        }
        assert!(std::fs::read_to_string(run.join("report.html")).unwrap().contains("density"));
        metrics(&run)
    });
    let [plain, thousand] = judged.each_ref().map(|metrics| metrics.as_object().unwrap());
    assert!(plain.contains_key("rmse_mean") && plain["rmse_mean"]["unit"] == "1");
    for (name, measured) in plain {
        let (a, b) = (measured["value"].as_f64(), thousand[name]["value"].as_f64());
        let (Some(a), Some(b)) = (a, b) else { continue };
        // Half of the dimensions have a density in other units.
        let shift = if name == "nll_nats_per_dim" { 0.5 * 1000f64.ln() } else { 0.0 };
        // The error of one channel is in its own unit.
        let factor = if name == "rmse_mean of density" { 1000.0 } else { 1.0 };
        assert!((b / factor - a - shift).abs() < 1e-3 * (1.0 + a.abs()), "{name}: {a} and {b}");
    }
}

/// The numbers of a vector stand side by side on one axis.
#[test]
fn a_vector_of_parameters_is_one_curve() {
    let dir = tempfile::tempdir().unwrap();
    own_pairs::bare(
        &dir.path().join("pairs.h5"),
        &[("x", own_pairs::numbers(&[120, 3])), ("y", own_pairs::numbers(&[120, 3]))],
    );
    let run = dir.path().join("run");
    succeed(&["run", text(&own_pairs::problem(dir.path(), &[])), "--out", text(&run)]);
    let source = Source::open(&run.join("posterior.h5")).unwrap();
    assert_eq!(source.rows("samples").unwrap().axis_labels(), ["record", "draw", "parameter"]);
    // Nobody said what the noise is: the three numbers of y are compared, no misfit is.
    assert!(source.has("condition_place") && !source.has("misfit_chi2"));
    assert!(run.join("figures/posterior-0.png").is_file());
    assert!(!run.join("figures/posterior-0-channel-0.png").exists());
}

#[test]
fn every_channel_is_described_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = pairs(dir.path(), 1.0);
    let problem = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, problem.replace("{ name = \"velocity\", unit = \"km/s\" }, ", "")).unwrap();
    let message = fail(&["check", text(&path)]);
    assert!(message.contains("x has 2 channels, 1 are described in [x] channels"), "{message}");
}

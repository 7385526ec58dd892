use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use posteria::figure::{
    Drawn, Report, coverage_curve, ecdf_difference, error_by_uncertainty, maps_figures, posterior_figures,
    training_curve,
};
use posteria::io::{self, Pairs, Quantity, Source};
use posteria::posterior::exact::ExactPosterior;
use posteria::problem::{RunFolder, Set};
use posteria::random::{Purpose, stream};
use posteria::train::read_log;
use posteria::uq::diagnosis::{Calibration, MethodError};
use posteria::uq::ecdf::Bands;
use posteria::uq::verdict::Diagnostics;

use super::{Ended, Result, output};

/// Observations that are drawn where nothing else is said.
const OBSERVATIONS: usize = 16;
/// The bands around the ranks hold everywhere with this probability.
const BAND: f64 = 0.95;

/// Draw figures: of a run, with a report that opens without a network; or of a file of posteriors or maps.
#[derive(Args)]
pub struct Plot {
    /// The folder of a run, or an HDF5 file of posteriors or maps.
    what: PathBuf,
    /// The folder for the figures of a file; `figures` beside it where nothing is said.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Observations of a file that are drawn, at most [default: 16].
    #[arg(long, value_name = "COUNT")]
    observations: Option<usize>,
}

impl Plot {
    pub fn execute(self) -> Result {
        if self.what.is_dir() {
            if self.output.is_some() || self.observations.is_some() {
                bail!("-o and --observations are for files: the figures of a run lie in its folder");
            }
            let folder = RunFolder::new(self.what);
            folder.read_problem()?;
            let _lock = folder.lock()?;
            return run(&folder);
        }
        let source = Source::open(&self.what)?;
        let folder = self.output.unwrap_or_else(|| self.what.with_file_name("figures"));
        let name = self.what.file_stem().unwrap_or_default().to_string_lossy();
        let is_posterior = source.has("observation");
        drop(source);
        io::create_folder(&folder)?;
        let drawn = match is_posterior {
            true => posterior_figures(&self.what, &folder, &name, self.observations.unwrap_or(OBSERVATIONS), None)?,
            false => maps_figures(&self.what, &folder, &name)?,
        };
        for figure in drawn {
            output::print(&format!("{}\n", figure.path.display()));
        }
        Ok(Ended::Done)
    }
}

/// Figures and report of a run: of whatever is there of it.
pub fn run(folder: &RunFolder) -> Result {
    let problem = folder.read_problem()?;
    let exact = problem.exact()?;
    // The held-out pairs know what x and y are, whoever made them.
    let pairs = folder.pairs(Set::Test).exists().then(|| Pairs::open(folder.pairs(Set::Test))).transpose()?;
    let figures = folder.figures();
    io::create_folder(&figures)?;
    let curve = |curve: posteria::figure::Curve, name: &str, caption: &str| -> anyhow::Result<Drawn> {
        let [_, svg] = curve.write(&figures, name)?;
        Ok(Drawn { path: svg, caption: caption.into() })
    };
    let mut sections = Vec::new();
    if folder.posterior().exists() {
        let operator = match (&problem.operator, &pairs) {
            (Some(operator), Some(pairs)) => Some(operator.build::<f32>(pairs.x_shape())?),
            _ => None,
        };
        let drawn = posterior_figures(&folder.posterior(), &figures, "posterior", OBSERVATIONS, operator.as_deref())?;
        sections.push(("Posteriors".to_string(), drawn));
    }
    let (mut diagnostics, mut remarks) = (Diagnostics::default(), BTreeMap::new());
    if folder.diagnostics().exists() && folder.calibration().exists() {
        diagnostics = io::read_json(&folder.diagnostics())?;
        let Calibration { draws, coverage, ranks, error_by_uncertainty: bins, classical, left_out } =
            io::read_json(&folder.calibration())?;
        let judged = ranks.first().map_or(0, |quantity| quantity.ranks.len());
        let bands = Bands::new(judged, draws, BAND, &mut stream(problem.seed, Purpose::Diagnostic, 1))?;
        let ranks: Vec<(String, Vec<u32>)> = ranks.into_iter().map(|q| (q.quantity, q.ranks)).collect();
        let unit = pairs.as_ref().map_or("", |pairs| pairs.info().x.common_unit());
        if !classical.is_empty() {
            let errors = classical.iter().map(|MethodError { method, rmse }| format!("{method} {rmse:.4}"));
            let errors = errors.collect::<Vec<_>>().join(", ");
            let without =
                if left_out.is_empty() { String::new() } else { format!(" Too slow: {}.", left_out.join(", ")) };
            remarks.insert("rmse_best_classical".to_string(), format!("Here, best first: {errors}.{without}"));
        }
        sections.push((
            "Calibration".to_string(),
            vec![
                curve(coverage_curve(&coverage)?, "coverage", "Share of true pixels inside central credible intervals; on the diagonal if the posterior is right.")?,
                curve(
                    ecdf_difference("Ranks of the truth", &ranks, &bands)?,
                    "ranks",
                    "Ranks of the truth among the draws in several quantities of the image: each curve stays inside its band if the posterior is right.",
                )?,
                curve(
                    error_by_uncertainty(&bins, unit)?,
                    "error-by-uncertainty",
                    "Error of the posterior mean against the stated standard deviation, in bins of pixels; on the diagonal if the posterior is right.",
                )?,
            ],
        ));
    }
    let mut trainings = Vec::new();
    let without =
        " Each image with the observation of another pair: what the same network knows of them without their own.";
    for (run, name, remark) in [(folder, "training", ""), (&folder.shuffled(), "training-shuffled", without)] {
        if !run.training_log().exists() {
            continue;
        }
        let entries = read_log(&run.training_log())?;
        if !entries.is_empty() {
            let floor = exact.as_ref().map(|exact| run.floor(&**exact));
            let caption = "Negative log-likelihood while training: of the training pairs, and of held-out pairs under the averaged weights. Below: the norm of the gradient before clipping, the learning rate, and the relative error with which the inverse of the flow recomputes its input.";
            trainings.push(curve(training_curve(&entries, floor)?, name, &format!("{caption}{remark}"))?);
        }
    }
    if !trainings.is_empty() {
        sections.push(("Training".to_string(), trainings));
    }
    if sections.is_empty() {
        bail!("{}: nothing to draw; give `posteria run` first, or name an HDF5 file", folder.root().display());
    }
    let report = Report {
        title: if problem.title.is_empty() { problem.name.clone() } else { problem.title.clone() },
        lead: lead(pairs.as_ref(), exact.as_deref()),
        diagnostics,
        remarks,
        sections,
        provenance: problem.provenance()?,
    };
    report.write(&folder.report())?;
    output::note(&format!("plot      figures in {}", figures.display()));
    Ok(Ended::Done)
}

fn lead(pairs: Option<&Pairs>, exact: Option<&dyn ExactPosterior>) -> String {
    let described = |quantity: &Quantity, shape: &[usize], otherwise: &str| {
        let name = if quantity.name.is_empty() { otherwise } else { &quantity.name };
        let sizes = shape.iter().skip(1).map(usize::to_string).collect::<Vec<_>>().join(" × ");
        if sizes.is_empty() { name.to_owned() } else { format!("{name} ({sizes})") }
    };
    let [y, x] = match pairs {
        Some(pairs) => [
            described(&pairs.info().y, pairs.y_shape(), "observation"),
            described(&pairs.info().x, pairs.x_shape(), "image"),
        ],
        None => ["observation", "image"].map(str::to_owned),
    };
    let known = match exact {
        Some(exact) => format!(
            " The posterior of this problem is known in closed form: an observation carries {:.1} nats about its image.",
            exact.mutual_information()
        ),
        None => String::new(),
    };
    format!(
        "One network, trained on simulated pairs, answers every {y} with draws of the {x} that may have made it.{known}"
    )
}

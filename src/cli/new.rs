use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use posteria::io;
use posteria::problem::template::{
    OperatorTemplate, OwnTemplate, PhotoacousticTemplate, SensorsTemplate, SimulatedTemplate,
};
use posteria::problem::{Experiment, Problem, Size};

use super::{Ended, Result, output};

/// Write a commented problem file to begin with.
///
/// What no option says is asked in a terminal. Nothing that is there is overwritten.
#[derive(Args)]
pub struct New {
    /// The folder of the problem, such as problems/mine; its last part is the problem's name.
    folder: Option<PathBuf>,
    /// Where pairs come from.
    #[arg(long, value_enum)]
    template: Option<Kind>,
    /// Pairs of your own: a file, a folder or a pattern.
    #[arg(long, value_name = "PATH")]
    pairs: Option<PathBuf>,
    /// Of the simulated image: 64,64.
    #[arg(long, value_delimiter = ',', value_name = "SIZES")]
    shape: Vec<usize>,
    /// What is observed of the simulated image.
    #[arg(long, value_enum)]
    operator: Option<Operator>,
    /// Where the sensors of the photoacoustic problem are.
    #[arg(long, value_enum)]
    sensors: Option<Sensors>,
    /// Standard deviation of the noise, in the unit of y; of pairs of your own only where y is stored without.
    #[arg(long, value_name = "SIGMA")]
    noise: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Files that your own simulator wrote.
    Own,
    /// Simulated here: a smooth random image, blurred or as it is.
    Operator,
    /// Simulated here: vessels heard by sensors.
    Photoacoustic,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operator {
    CircularBlur,
    Identity,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sensors {
    /// Above the image: a line, or a plane over a volume.
    Line,
    /// Around it: a circle, or a sphere.
    Circle,
}

impl New {
    pub fn execute(self) -> Result {
        let folder = answer(self.folder.clone(), "folder of the problem", "problems/mine", "FOLDER")?;
        let path = folder.join("problem.toml");
        ensure!(!path.exists(), "{} is there already; name another folder", path.display());
        let name = std::path::absolute(&folder)?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let question = "pairs: own (files of yours), operator or photoacoustic (simulated here)";
        let kind = answer_of(self.template, question, "own", "--template")?;
        let text = match kind {
            Kind::Own => self.own(&folder)?.text(&name),
            Kind::Operator => self.simulated()?.text(&name),
            Kind::Photoacoustic => self.photoacoustic()?.text(&name),
        };
        // What is written can be run.
        Problem::parse(&text, &path, Size::Plain)
            .and_then(Experiment::new)
            .map_err(|error| anyhow!("nothing is written, as it would not run: {error}"))?;
        io::create_folder(&folder)?;
        // Fails where somebody was quicker.
        std::fs::File::create_new(&path)?.write_all(text.as_bytes())?;
        output::print(&format!("{}\n", path.display()));
        output::note(&format!("new       read it, then: posteria check {0}, posteria run {0}", folder.display()));
        Ok(Ended::Done)
    }

    fn own(&self, folder: &Path) -> anyhow::Result<OwnTemplate> {
        let is_plain = self.shape.is_empty() && self.operator.is_none() && self.sensors.is_none();
        ensure!(is_plain, "--shape, --operator and --sensors are for pairs that are simulated here");
        let pairs = answer(self.pairs.clone(), "pairs, a file, a folder or a pattern", "pairs.h5", "--pairs")?;
        Ok(OwnTemplate::of(&pairs, seen_from(folder, &pairs)?, self.noise)?)
    }

    fn simulated(&self) -> anyhow::Result<SimulatedTemplate> {
        ensure!(self.pairs.is_none(), "--pairs is for --template own");
        ensure!(self.sensors.is_none(), "--sensors is for --template photoacoustic");
        let shape = self.shape()?;
        let question = "operator: circular-blur or identity";
        let operator = match answer_of(self.operator, question, "circular-blur", "--operator")? {
            Operator::CircularBlur => OperatorTemplate::CircularBlur,
            Operator::Identity => OperatorTemplate::Identity,
        };
        let noise = self.noise("standard deviation of the noise; the image has variance 1", "0.05")?;
        Ok(SimulatedTemplate { shape, operator, noise })
    }

    fn photoacoustic(&self) -> anyhow::Result<PhotoacousticTemplate> {
        ensure!(self.pairs.is_none(), "--pairs is for --template own");
        ensure!(self.operator.is_none(), "--operator is for --template operator");
        let shape = self.shape()?;
        let question = "sensors: line (above the image) or circle (around it)";
        let sensors = match answer_of(self.sensors, question, "line", "--sensors")? {
            Sensors::Line => SensorsTemplate::Line,
            Sensors::Circle => SensorsTemplate::Circle,
        };
        let noise =
            self.noise("standard deviation of the noise; the brightest vessels have a pressure of 1", "0.02")?;
        Ok(PhotoacousticTemplate { shape, sensors, noise })
    }

    /// Pixels along each axis of what is simulated.
    fn shape(&self) -> anyhow::Result<Vec<usize>> {
        if !self.shape.is_empty() {
            return Ok(self.shape.clone());
        }
        let answer = ask("pixels along each axis", "64,64", "--shape")?;
        let sizes: std::result::Result<_, _> = answer.split(',').map(|size| size.trim().parse()).collect();
        sizes.map_err(|_| anyhow!("sizes are whole numbers with commas between them, such as 64,64"))
    }

    fn noise(&self, question: &str, otherwise: &str) -> anyhow::Result<f64> {
        let noise = match self.noise {
            Some(noise) => noise,
            None => ask(question, otherwise, "--noise")?.parse()?,
        };
        let is_possible = noise > 0.0 && (noise as f32).is_normal();
        ensure!(is_possible, "--noise {noise:e}: the standard deviation of noise is a positive number");
        Ok(noise)
    }
}

/// The path of the pairs as the problem file names them: relative where they lie below its folder.
fn seen_from(folder: &Path, pairs: &Path) -> anyhow::Result<String> {
    let (folder, pairs) = (std::path::absolute(folder)?, std::path::absolute(pairs)?);
    match pairs.strip_prefix(&folder).unwrap_or(&pairs).to_str() {
        Some(text) => Ok(text.into()),
        None => bail!("{}: a problem file holds text in UTF-8; rename it", pairs.display()),
    }
}

/// What an option says, else the answer to a question.
fn answer(said: Option<PathBuf>, question: &str, otherwise: &str, option: &str) -> anyhow::Result<PathBuf> {
    said.map_or_else(|| ask(question, otherwise, option).map(PathBuf::from), Ok)
}

fn answer_of<T: ValueEnum>(said: Option<T>, question: &str, otherwise: &str, option: &str) -> anyhow::Result<T> {
    if let Some(said) = said {
        return Ok(said);
    }
    let answer = ask(question, otherwise, option)?;
    T::from_str(&answer, true).map_err(|_| anyhow!("{answer:?} is not among the answers; {question}"))
}

/// Asks in a terminal; an empty answer is the usual one. Elsewhere the option must be given.
fn ask(question: &str, otherwise: &str, option: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    ensure!(stdin.is_terminal(), "{question}: nobody to ask; give {option}, such as {otherwise}");
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} [{otherwise}]: ")?;
    terminal.flush()?;
    let mut line = String::new();
    ensure!(stdin.lock().read_line(&mut line)? > 0, "no answer; give {option}, such as {otherwise}");
    Ok(match line.trim() {
        "" => otherwise.into(),
        answer => answer.into(),
    })
}

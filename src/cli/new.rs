use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use posteria::io;
use posteria::problem::template::{OperatorTemplate, OwnTemplate, SimulatedTemplate};
use posteria::problem::{Problem, Size};

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
    /// Standard deviation of the noise, in the unit of y; of pairs of your own only where y is stored without.
    #[arg(long, value_name = "SIGMA")]
    noise: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Files that your own simulator wrote.
    Own,
    /// Simulated here, with a prior and an operator.
    Operator,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operator {
    CircularBlur,
    Identity,
}

impl New {
    pub fn execute(self) -> Result {
        let folder = answer(self.folder, "folder of the problem", "problems/mine", "FOLDER")?;
        let path = folder.join("problem.toml");
        ensure!(!path.exists(), "{} is there already; name another folder", path.display());
        let name = std::path::absolute(&folder)?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind =
            answer_of(self.template, "pairs: own (files of yours) or operator (simulated here)", "own", "--template")?;
        let text = match kind {
            Kind::Own => {
                ensure!(
                    self.shape.is_empty() && self.operator.is_none(),
                    "--shape and --operator are for --template operator"
                );
                let pairs = answer(self.pairs, "pairs, a file, a folder or a pattern", "pairs.h5", "--pairs")?;
                OwnTemplate::of(&pairs, seen_from(&folder, &pairs)?, self.noise)?.text(&name)
            }
            Kind::Operator => {
                ensure!(self.pairs.is_none(), "--pairs is for --template own");
                let shape = match self.shape.as_slice() {
                    [] => ask("pixels along each axis", "64,64", "--shape")?
                        .split(',')
                        .map(|size| size.trim().parse())
                        .collect::<std::result::Result<_, _>>()
                        .map_err(|_| {
                            anyhow::anyhow!("sizes are whole numbers with commas between them, such as 64,64")
                        })?,
                    shape => shape.to_vec(),
                };
                let operator =
                    answer_of(self.operator, "operator: circular-blur or identity", "circular-blur", "--operator")?;
                let noise = match self.noise {
                    Some(noise) => noise,
                    None => {
                        ask("standard deviation of the noise; the image has variance 1", "0.05", "--noise")?.parse()?
                    }
                };
                let operator = match operator {
                    Operator::CircularBlur => OperatorTemplate::CircularBlur,
                    Operator::Identity => OperatorTemplate::Identity,
                };
                SimulatedTemplate { shape, operator, noise }.text(&name)
            }
        };
        Problem::parse(&text, &path, Size::Plain)?;
        io::create_folder(&folder)?;
        // Fails where somebody was quicker.
        std::fs::File::create_new(&path)?.write_all(text.as_bytes())?;
        output::print(&format!("{}\n", path.display()));
        output::note(&format!("new       read it, then: posteria check {0}, posteria run {0}", folder.display()));
        Ok(Ended::Done)
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
    T::from_str(&answer, true).map_err(|_| anyhow::anyhow!("{answer:?} is not among the answers; {question}"))
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

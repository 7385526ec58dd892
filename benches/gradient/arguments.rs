//! What is asked for.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser};
use posteria::flow::{Activation, ConvolutionalConfig, GlowConfig};

use crate::contender::Library;

/// Memory and time of one gradient of a Glow, beside its peers.
#[derive(Parser, Clone, Debug)]
#[command(name = "gradient")]
pub struct Arguments {
    #[command(flatten)]
    pub point: Point,
    /// What is measured: posteria, or with --peers only these of them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub lib: Vec<Library>,
    /// A Python with the packages of benches/peers/requirements.txt: measures them at the same point.
    #[arg(long, value_name = "PYTHON")]
    pub peers: Option<PathBuf>,
    /// How often every peer is measured with --peers; the table has medians.
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive, requires = "peers", conflicts_with = "figure")]
    pub rounds: usize,
    /// Where to draw memory against image size and against depth, with the raw lines in figures.json.
    #[arg(long, value_name = "FOLDER")]
    pub figure: Option<PathBuf>,
    /// Image sizes of the figure, at --depth.
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = positive, default_value = "64,128,256,512,1024")]
    pub sizes: Vec<usize>,
    /// Depths of the figure, at --size.
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = positive, default_value = "4,8,16,32,64")]
    pub depths: Vec<usize>,
    /// Seconds that a process of --peers or --figure may take.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = positive)]
    pub limit: usize,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A network, a batch, and how to measure.
#[derive(Args, Clone, Debug)]
pub struct Point {
    /// Pixels along each side of the images.
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    pub size: usize,
    /// Flow steps at each scale.
    #[arg(long, value_name = "N", default_value = "16", value_parser = positive)]
    pub depth: usize,
    /// Channels inside the conditioners.
    #[arg(long, value_name = "N", default_value = "256", value_parser = positive)]
    pub hidden: usize,
    /// Images.
    #[arg(long, value_name = "N", default_value = "8", value_parser = positive)]
    pub batch: usize,
    /// Resolutions.
    #[arg(long, value_name = "N", default_value = "3", value_parser = positive)]
    pub scales: usize,
    /// Of an image.
    #[arg(long, value_name = "N", default_value = "3", value_parser = positive)]
    pub channels: usize,
    /// Channels of a condition at every scale; the peers have none.
    #[arg(long, value_name = "N", default_value = "0")]
    pub condition: usize,
    /// What the gradient may take beside its least, such as 64MiB or 2GiB; as little as possible where it is not given.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// Of the processor.
    #[arg(long, value_name = "N", default_value = "2", value_parser = positive)]
    pub threads: usize,
    /// Compares the gradient with that in double precision, after a hundred steps of training.
    #[arg(long)]
    pub cosine: bool,
    /// To spend on each of the three times; 0: memory only.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = duration)]
    pub seconds: f64,
}

impl Point {
    /// Small enough to cost nothing: what a process allocates once for all is allocated by its gradient.
    pub fn tiny(&self) -> Self {
        let divisor = u32::try_from(self.scales).ok().and_then(|scales| 1usize.checked_shl(scales)).unwrap_or(1);
        Self { size: divisor, depth: 1, hidden: 8, batch: 1, ..self.clone() }
    }

    /// The settings of the network.
    pub fn config(&self) -> GlowConfig {
        let conditioner =
            ConvolutionalConfig { hidden: self.hidden, activation: Activation::Relu, ..ConvolutionalConfig::default() };
        GlowConfig { scales: self.scales, steps: self.depth, conditioner, ..GlowConfig::default() }
    }

    /// The shape of an image.
    pub fn shape(&self) -> [usize; 4] {
        [self.channels, 1, self.size, self.size]
    }

    /// The options that every program of this benchmark understands.
    pub fn options(&self) -> Vec<String> {
        let numbers = [
            ("--size", self.size),
            ("--depth", self.depth),
            ("--hidden", self.hidden),
            ("--batch", self.batch),
            ("--scales", self.scales),
            ("--channels", self.channels),
            ("--threads", self.threads),
        ];
        let numbers = numbers.into_iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]);
        numbers.chain(["--seconds".to_string(), self.seconds.to_string()]).collect()
    }

    /// The options that only this program understands.
    pub fn own_options(&self) -> Vec<String> {
        let mut options = vec!["--condition".to_string(), self.condition.to_string()];
        if let Some(memory) = self.memory {
            options.extend(["--memory".to_string(), memory.to_string()]);
        }
        if self.cosine {
            options.push("--cosine".to_string());
        }
        options
    }
}

/// Bytes, as people write them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory(pub u64);

const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("{text:?} is no size: give a number and a unit, such as 64MiB or 2GiB");
        let (unit, bytes) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(error)?;
        let number: f64 = text.trim_end_matches(unit).trim_end().parse().map_err(|_| error())?;
        let total = number * bytes as f64;
        if total >= 1.0 && total < u64::MAX as f64 { Ok(Memory(total as u64)) } else { Err(error()) }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = UNITS.into_iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (unit, bytes) = whole.unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("give a whole number of 1 or more".into()),
    }
}

fn duration(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..1e6).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds, 0 or more".into()),
    }
}

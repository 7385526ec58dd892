//! Who takes part, and how each is set up.

use std::fmt;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;

use crate::arguments::{Arguments, Point};
use crate::resident;

/// Whose gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Library {
    /// This project.
    Posteria,
    /// The package normflows.
    Normflows,
    /// The package FrEIA.
    Freia,
    /// A Glow in plain PyTorch.
    Pytorch,
    /// The same with every flow step checkpointed.
    Checkpoint,
    /// The same with every scale differentiated by hand, from its output.
    Invertible,
}

impl Library {
    /// All that are not ours.
    pub const PEERS: [Self; 5] = [Self::Normflows, Self::Freia, Self::Pytorch, Self::Checkpoint, Self::Invertible];

    /// What a legend calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Posteria => "Posteria",
            Self::Normflows => "normflows",
            Self::Freia => "FrEIA",
            Self::Pytorch => "PyTorch",
            Self::Checkpoint => "PyTorch, checkpointed",
            Self::Invertible => "PyTorch, invertible by hand",
        }
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// How a peer is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// As installed.
    Plain,
    /// The system's allocator keeps large blocks instead of returning them at every operation.
    Malloc,
    /// The same, and channels innermost in memory.
    ChannelsLast,
}

impl Setup {
    /// What lines and tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "as installed",
            Self::Malloc => "malloc kept",
            Self::ChannelsLast => "malloc kept, channels last",
        }
    }
}

/// For [`Setup::Malloc`].
const TUNABLES: &str = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=4294967296";
/// What stays free for everything else on the machine, MiB.
const SPARE: f64 = 1024.0;

/// A library and its setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    pub library: Library,
    pub setup: Setup,
}

impl Contender {
    /// This project.
    pub const OURS: Self = Self { library: Library::Posteria, setup: Setup::Plain };

    /// Every setup of a library.
    pub fn all(library: Library) -> Vec<Self> {
        let setups: &[Setup] = match library {
            Library::Posteria => &[Setup::Plain],
            Library::Normflows | Library::Freia => &[Setup::Plain, Setup::Malloc],
            Library::Pytorch | Library::Checkpoint | Library::Invertible => {
                &[Setup::Plain, Setup::Malloc, Setup::ChannelsLast]
            }
        };
        setups.iter().map(|&setup| Self { library, setup }).collect()
    }

    /// The process that measures a point and prints one line.
    pub fn command(self, arguments: &Arguments, point: &Point) -> anyhow::Result<Command> {
        let Some(python) = arguments.peers.as_deref().filter(|_| self.library != Library::Posteria) else {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(point.options()).args(point.own_options());
            return Ok(command);
        };
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/gradient.py");
        let mut command = Command::new(python);
        command.arg(program).args(["--lib".to_string(), self.library.to_string()]).args(point.options());
        command.env("OMP_NUM_THREADS", point.threads.to_string());
        if let Some(available) = resident::available() {
            command.args(["--most-mib".to_string(), format!("{:.0}", (available - SPARE).max(SPARE))]);
        }
        if self.setup != Setup::Plain {
            command.env("GLIBC_TUNABLES", TUNABLES);
        }
        if self.setup == Setup::ChannelsLast {
            command.arg("--channels-last");
        }
        Ok(command)
    }
}

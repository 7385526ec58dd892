//! What one gradient of a Glow costs, in memory and in time: `cargo bench --bench gradient`.
//!
//! - `-- --size 64 --depth 16 --hidden 256 --batch 8` measures one point in this process and prints one line of JSON.
//! - `-- --peers PYTHON` measures the same point with the libraries of `benches/peers`, every one of their runs followed
//!   by a fresh one of ours, so that whatever else the machine does falls on both; a table of ratios ends it, of medians
//!   with `--rounds`.
//! - `-- --figure FOLDER` draws memory against image size and against depth.
//!
//! Images are RGB, conditioners three convolutions of 3×3, 1×1 and 3×3 pixels with rectifiers between them: the network
//! of the memory figures of Orozco et al. 2024 (JOSS 9(99), 6554).

mod arguments;
mod clock;
mod comparison;
mod contender;
mod elsewhere;
mod figure;
mod fresh;
mod measure;
mod precision;
mod resident;
mod subject;
mod table;
mod training;

use std::process::ExitCode;

use anyhow::bail;
use arguments::Arguments;
use clap::Parser;
use contender::Library;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match (&arguments.figure, &arguments.peers) {
        (None, None) if arguments.lib.iter().any(|&library| library != Library::Posteria) => {
            bail!("--lib: name the Python that has the peers, with --peers PYTHON")
        }
        (None, None) => {
            println!("{}", measure::measure(&arguments.point)?);
            Ok(())
        }
        (None, Some(_)) => comparison::run(arguments),
        (Some(folder), _) => figure::draw(arguments, folder),
    }
}

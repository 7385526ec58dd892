//! The commands, one file each: every one a thin call into the library.

mod check;
mod device;
mod diagnose;
mod experiment;
mod inspect;
mod interrupt;
mod likeness;
mod memory;
mod new;
mod output;
mod pairs;
mod plot;
mod progress;
mod pulse;
mod run;
mod sample;
mod scratch;
mod simulate;
mod stats;
mod train;
mod trained;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Amortized Bayesian inference for scientific imaging: train on simulated pairs once, then answer every observation with
/// posterior images in seconds.
#[derive(Parser)]
#[command(name = "posteria", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(new::New),
    Check(check::Check),
    Run(run::Run),
    Simulate(simulate::Simulate),
    Train(train::Train),
    Watch(watch::Watch),
    Sample(sample::Sample),
    Diagnose(diagnose::Diagnose),
    Plot(plot::Plot),
    Inspect(inspect::Inspect),
    Stats(stats::Stats),
}

/// How a command ended well.
enum Ended {
    Done,
    /// Stopped by Ctrl-C, with everything kept.
    Interrupted,
}

type Result<T = Ended> = anyhow::Result<T>;

/// The exit code of a program that Ctrl-C ended, by custom.
const INTERRUPTED: u8 = 130;

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            output::take(said.print());
            return output::written().map_or(ExitCode::FAILURE, |()| ExitCode::from(said.exit_code() as u8));
        }
    };
    interrupt::handle();
    // Who watches waits for others.
    if !matches!(cli.command, Command::Watch(_)) {
        pulse::begin();
    }
    let ended = match cli.command {
        Command::New(command) => command.execute(),
        Command::Check(command) => command.execute(),
        Command::Run(command) => command.execute(),
        Command::Simulate(command) => command.execute(),
        Command::Train(command) => command.execute(),
        Command::Watch(command) => command.execute(),
        Command::Sample(command) => command.execute(),
        Command::Diagnose(command) => command.execute(),
        Command::Plot(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
        Command::Stats(command) => command.execute(),
    };
    match ended.and_then(|ended| output::written().map(|()| ended)) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => {
            output::note("stopped; what was finished of a run is kept: give the same command again");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            output::note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use console::Term;
use posteria::figure::training_text;
use posteria::problem::RunFolder;
use posteria::train::{Entry, read_log};

use super::progress::duration;
use super::{Ended, Result, output};

/// Between two looks at the log.
const BETWEEN: Duration = Duration::from_millis(500);
/// Rows and columns of the chart, at most.
const CHART: [usize; 2] = [14, 110];

/// Follow a training: losses, current numbers and the time left, until it ends or Ctrl-C is pressed.
///
/// In a terminal a chart that is drawn anew; in a pipe one line for each entry of the log. It never disturbs the training.
#[derive(Args)]
pub struct Watch {
    /// The folder of a run.
    run: PathBuf,
}

impl Watch {
    pub fn execute(self) -> Result {
        let folder = RunFolder::new(self.run);
        let problem = folder.read_problem()?;
        let (steps, floor) = (problem.training.steps, problem.exact()?.map(|exact| folder.floor(&*exact)));
        let terminal = Term::stdout();
        let (mut shown, mut drawn, mut pace) = (0, 0, Pace::default());
        let mut is_waiting = false;
        loop {
            // Asked first: what was logged before the training ended is then read below.
            let state = State::of(&folder)?;
            let log = folder.training_log();
            let entries = if log.exists() { read_log(&log)? } else { Vec::new() };
            // A training that goes on from a checkpoint cuts its log back.
            shown = if entries.len() < shown { 0 } else { shown };
            if let Some(last) = entries.last().filter(|_| entries.len() > shown) {
                pace.at(last.step, std::fs::metadata(&log)?.modified()?);
                if terminal.is_term() {
                    let lines = screen(&entries, floor, steps, &pace, &terminal);
                    terminal.clear_last_lines(drawn)?;
                    output::print(&(lines.join("\n") + "\n"));
                    drawn = lines.len();
                } else {
                    entries[shown..]
                        .iter()
                        .for_each(|entry| output::print(&format!("{}\n", numbers(entry, steps, &pace))));
                }
                shown = entries.len();
            }
            match state {
                State::Trained => {
                    output::note(&format!("watch     {} is trained", folder.model().display()));
                    return Ok(Ended::Done);
                }
                State::Stopped if entries.is_empty() => {
                    if !std::mem::replace(&mut is_waiting, true) {
                        output::note("watch     waiting for a training to begin; Ctrl-C ends");
                    }
                }
                State::Stopped => {
                    output::note(
                        "watch     nobody is training here; the command that began it goes on from its last checkpoint",
                    );
                    return Ok(Ended::Done);
                }
                State::Training => {}
            }
            std::thread::sleep(BETWEEN);
        }
    }
}

/// What goes on in a run.
enum State {
    Training,
    Stopped,
    Trained,
}

impl State {
    fn of(folder: &RunFolder) -> anyhow::Result<Self> {
        if folder.is_trained() {
            return Ok(State::Trained);
        }
        Ok(if folder.is_busy()? { State::Training } else { State::Stopped })
    }
}

/// How fast a training goes, from when the log grew.
#[derive(Default)]
struct Pace {
    first: Option<(u64, SystemTime)>,
    seconds_a_step: Option<f64>,
}

impl Pace {
    fn at(&mut self, step: u64, when: SystemTime) {
        let (first, since) = *self.first.get_or_insert((step, when));
        let elapsed = when.duration_since(since).unwrap_or_default().as_secs_f64();
        if step < first {
            self.first = Some((step, when));
        } else if step > first && elapsed > 0.0 {
            self.seconds_a_step = Some(elapsed / (step - first) as f64);
        }
    }

    fn left(&self, steps: u64) -> String {
        match self.seconds_a_step {
            Some(seconds) if steps > 0 => format!(", {} left", duration(seconds * steps as f64)),
            _ => String::new(),
        }
    }
}

fn numbers(entry: &Entry, steps: u64, pace: &Pace) -> String {
    format!(
        "step {}/{steps}: training {:.4}, validation {:.4} nats per dimension, gradient norm {:.2e}, learning rate {:.2e}, \
         error of recomputation {:.1e}{}",
        entry.step,
        entry.nll,
        entry.validation,
        entry.gradient_norm,
        entry.learning_rate,
        entry.reconstruction_error,
        pace.left(steps.saturating_sub(entry.step))
    )
}

/// The chart and the current numbers, no line wider than the terminal.
fn screen(entries: &[Entry], floor: Option<f64>, steps: u64, pace: &Pace, terminal: &Term) -> Vec<String> {
    let (rows, columns) = terminal.size();
    let columns = usize::from(columns).saturating_sub(1);
    let room = usize::from(rows).saturating_sub(6).clamp(2, CHART[0]);
    let mut lines = training_text(entries, floor, steps, columns.min(CHART[1]), room);
    let best = entries.iter().map(|entry| entry.validation).fold(f64::INFINITY, f64::min);
    if let Some(last) = entries.last() {
        let percent = 100 * last.step / steps.max(1);
        let exact = floor.map(|floor| format!(", \x1b[90mexact posterior {floor:.4}\x1b[0m")).unwrap_or_default();
        let text = [
            format!("step {}/{steps}, {percent} %{}", last.step, pace.left(steps.saturating_sub(last.step))),
            format!(
                "\x1b[34mtraining {:.4}\x1b[0m, \x1b[33mvalidation {:.4}\x1b[0m (best {best:.4}){exact} nats per dimension",
                last.nll, last.validation
            ),
            format!(
                "gradient norm {:.2e}, learning rate {:.2e}, error of recomputation {:.1e}",
                last.gradient_norm, last.learning_rate, last.reconstruction_error
            ),
        ];
        lines.extend(text.map(|line| console::truncate_str(&line, columns, "…").into_owned()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_when_the_log_grew() {
        let start = SystemTime::UNIX_EPOCH;
        let mut pace = Pace::default();
        pace.at(100, start);
        assert_eq!(pace.left(50), "");
        pace.at(200, start + Duration::from_secs(300));
        assert_eq!((pace.left(40).as_str(), pace.left(0).as_str()), (", 2 min 0 s left", ""));
        // The log was cut back to a checkpoint.
        pace.at(50, start + Duration::from_secs(400));
        pace.at(60, start + Duration::from_secs(410));
        assert_eq!(pace.left(40), ", 40 s left");
    }
}

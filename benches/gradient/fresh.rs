//! A measurement in a process of its own, within a time limit.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::arguments::{Arguments, Point};
use crate::contender::Contender;

/// How often a process is asked whether it has ended; so long that asking does not disturb it.
const PATIENCE: Duration = Duration::from_millis(100);

/// The line that a contender prints about a point, with its setup in it; or a line that says why there is none.
pub fn measure(contender: Contender, arguments: &Arguments, point: &Point) -> anyhow::Result<Value> {
    let start = Instant::now();
    let mut line = match output(contender.command(arguments, point)?, Duration::from_secs(arguments.limit as u64))? {
        Ok(line) => line,
        Err(reason) => json!({
            "lib": contender.library.to_string(),
            "size": point.size,
            "depth": point.depth,
            "hidden": point.hidden,
            "batch": point.batch,
            "failed": reason,
        }),
    };
    line["setup"] = json!(contender.setup.name());
    line["process_s"] = json!(start.elapsed().as_secs_f64().round());
    Ok(line)
}

/// What a process printed as JSON, or why it did not.
fn output(mut command: Command, limit: Duration) -> anyhow::Result<Result<Value, String>> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(Err(format!("{}: {error}", command.get_program().display()))),
    };
    let (printed, complaints) = (collected(child.stdout.take()), collected(child.stderr.take()));
    let status = ended(&mut child, limit)?;
    let (printed, complaints) = (printed.join().unwrap_or_default(), complaints.join().unwrap_or_default());
    let Some(status) = status else {
        return Ok(Err(format!("took longer than the limit of {} s", limit.as_secs())));
    };
    if !status.success() {
        let last = complaints.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Ok(Err(format!("{status}: {last}")));
    }
    let line = serde_json::from_str::<Map<String, Value>>(printed.trim());
    Ok(line.map(Value::Object).map_err(|error| format!("printed no JSON object: {error}")))
}

/// How it ended; none where it was stopped at the limit.
fn ended(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(PATIENCE);
    }
}

/// Reads a pipe to its end, so that the process never waits for a reader.
fn collected(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks has been read to its end.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

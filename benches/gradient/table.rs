//! Ratios of ours to each peer, for people.

use serde_json::Value;

use crate::clock::median;
use crate::contender::Contender;

/// What is compared: a key of the lines and its heading.
const QUANTITIES: [(&str, &str); 4] = [
    ("peak_beyond_model_mib", "peak MiB"),
    ("gradient_ms", "gradient ms"),
    ("forward_ms", "forward ms"),
    ("inverse_ms", "inverse ms"),
];

/// A peer, and the run of ours that followed.
pub struct Row {
    pub contender: Contender,
    pub peer: Value,
    pub ours: Value,
}

/// A number of a line; none where the measurement failed.
pub fn number(line: &Value, key: &str) -> Option<f64> {
    line.get(key)?.as_f64()
}

/// Each cell: what was measured, and ours as a multiple of it. The last row is the median of ours. Times are worth what
/// the last column says.
pub fn table(rows: &[Row]) -> String {
    let mut heading = vec!["library".to_string(), "setup".to_string()];
    heading.extend(QUANTITIES.iter().map(|(_, heading)| format!("{heading} (ours/peer)")));
    heading.push("machine busy elsewhere".to_string());
    let mut cells = vec![heading];
    for row in rows {
        let mut line = vec![row.contender.library.title().to_string(), row.contender.setup.name().to_string()];
        match row.peer.get("failed").and_then(Value::as_str) {
            Some(reason) => line.push(format!("failed: {reason}")),
            None => {
                line.extend(QUANTITIES.iter().map(|(key, _)| cell(number(&row.peer, key), number(&row.ours, key))));
                line.push(format!("{}, ours {}", busy(&row.peer), busy(&row.ours)));
            }
        }
        cells.push(line);
    }
    let mut ours = vec!["Posteria".to_string(), "median of all runs".to_string()];
    ours.extend(QUANTITIES.iter().map(|(key, _)| {
        let values = rows.iter().filter_map(|row| number(&row.ours, key)).collect();
        median(values).map_or("–".into(), |value| format!("{value:.1}"))
    }));
    ours.push(String::new());
    cells.push(ours);
    aligned(&cells)
}

fn cell(peer: Option<f64>, ours: Option<f64>) -> String {
    match (peer, ours) {
        (Some(peer), Some(ours)) => format!("{peer:.1} ({:.3})", ours / peer),
        (Some(peer), None) => format!("{peer:.1} (–)"),
        (None, _) => "–".into(),
    }
}

fn busy(line: &Value) -> String {
    number(line, "busy_elsewhere").map_or("–".into(), |share| format!("{:.0} %", 100.0 * share))
}

/// Columns as wide as their widest cell; a failure may be longer than its column.
fn aligned(cells: &[Vec<String>]) -> String {
    let columns = cells.first().map_or(0, Vec::len);
    let full = |row: &&Vec<String>| row.len() == columns;
    let widest = |i: usize| cells.iter().filter(full).map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    cells.iter().map(line).collect()
}

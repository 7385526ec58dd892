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

/// A run of a peer, and the run of ours that followed.
pub struct Pair {
    pub peer: Value,
    pub ours: Value,
}

impl Pair {
    /// A number of both lines, where both measurements came to an end.
    fn numbers(&self, key: &str) -> Option<(f64, f64)> {
        Some((number(&self.peer, key)?, number(&self.ours, key)?))
    }
}

/// A peer, measured once a round.
pub struct Row {
    pub contender: Contender,
    pub pairs: Vec<Pair>,
}

impl Row {
    pub fn new(contender: Contender) -> Self {
        Self { contender, pairs: Vec::new() }
    }

    /// Why the first measurement failed, where all did.
    pub fn failure(&self) -> Option<&str> {
        let reasons: Option<Vec<&str>> = self.pairs.iter().map(|pair| pair.peer.get("failed")?.as_str()).collect();
        reasons?.first().copied()
    }

    /// Medians of what was measured of the peer, and of ours as a multiple of it in each pair.
    fn cell(&self, key: &str) -> String {
        let peer = median(self.pairs.iter().filter_map(|pair| number(&pair.peer, key)).collect());
        let ratios = self.pairs.iter().filter_map(|pair| pair.numbers(key)).map(|(peer, ours)| ours / peer);
        match (peer, median(ratios.collect())) {
            (Some(peer), Some(ratio)) => format!("{peer:.1} ({ratio:.3})"),
            (Some(peer), None) => format!("{peer:.1} (–)"),
            (None, _) => "–".into(),
        }
    }

    /// The greatest shares of the machine that were busy with other things.
    fn busy(&self) -> String {
        let greatest = |lines: Vec<&Value>| {
            let shares = lines.into_iter().filter_map(|line| number(line, "busy_elsewhere"));
            shares.reduce(f64::max).map_or("–".into(), |share| format!("{:.0} %", 100.0 * share))
        };
        let (peer, ours) = self.pairs.iter().map(|pair| (&pair.peer, &pair.ours)).unzip();
        format!("{}, ours {}", greatest(peer), greatest(ours))
    }
}

/// A number of a line; none where the measurement failed.
pub fn number(line: &Value, key: &str) -> Option<f64> {
    line.get(key)?.as_f64()
}

/// Each cell: the median of what was measured, and of ours as a multiple of it. The last row is the median of ours. Times
/// are worth what the last column says, which has the greatest of all rounds.
pub fn table(rows: &[Row]) -> String {
    let mut heading = vec!["library".to_string(), "setup".to_string()];
    heading.extend(QUANTITIES.iter().map(|(_, heading)| format!("{heading} (ours/peer)")));
    heading.push("machine busy elsewhere".to_string());
    let mut cells = vec![heading];
    for row in rows {
        let mut line = vec![row.contender.library.title().to_string(), row.contender.setup.name().to_string()];
        match row.failure() {
            Some(reason) => line.push(format!("failed: {reason}")),
            None => {
                line.extend(QUANTITIES.iter().map(|(key, _)| row.cell(key)));
                line.push(row.busy());
            }
        }
        cells.push(line);
    }
    let mut ours = vec!["Posteria".to_string(), "median of all runs".to_string()];
    ours.extend(QUANTITIES.iter().map(|(key, _)| {
        let values = rows.iter().flat_map(|row| &row.pairs).filter_map(|pair| number(&pair.ours, key)).collect();
        median(values).map_or("–".into(), |value| format!("{value:.1}"))
    }));
    ours.push(String::new());
    cells.push(ours);
    aligned(&cells)
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

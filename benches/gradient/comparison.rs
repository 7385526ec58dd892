//! One point with all peers.

use anyhow::bail;

use crate::arguments::{Arguments, Point};
use crate::contender::{Contender, Library};
use crate::fresh::measure;
use crate::table::{Pair, Row, table};

/// Measures the peers in turn, each followed by this project, so that what else the machine does falls on both.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.point.condition > 0 {
        bail!("--condition {}: the peers have none; leave it out beside --peers", arguments.point.condition);
    }
    let contenders: Vec<Contender> = peers(arguments).into_iter().flat_map(Contender::all).collect();
    if contenders.is_empty() {
        bail!("--lib: name at least one peer, or none for all of them");
    }
    let mut rows: Vec<Row> = contenders.into_iter().map(Row::new).collect();
    for round in 0..arguments.rounds {
        for (i, row) in rows.iter_mut().enumerate() {
            let peer = measure(row.contender, arguments, &arguments.point)?;
            println!("{peer}");
            // The precision of ours needs no repetition.
            let point = Point { cosine: arguments.point.cosine && (round, i) == (0, 0), ..arguments.point.clone() };
            let ours = measure(Contender::OURS, arguments, &point)?;
            println!("{ours}");
            row.pairs.push(Pair { peer, ours });
        }
    }
    print!("\n{}", table(&rows));
    if rows.iter().all(|row| row.failure().is_some()) {
        bail!("no peer was measured: the table says why");
    }
    Ok(())
}

/// Those asked for; all where none is named.
pub fn peers(arguments: &Arguments) -> Vec<Library> {
    let named = |library: &Library| arguments.lib.is_empty() || arguments.lib.contains(library);
    Library::PEERS.into_iter().filter(named).collect()
}

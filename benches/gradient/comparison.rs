//! One point with all peers.

use crate::arguments::Arguments;
use crate::contender::{Contender, Library};
use crate::fresh::measure;
use crate::table::{Row, table};

/// Measures the peers in turn, each followed by this project, so that what else the machine does falls on both.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for contender in peers(arguments).into_iter().flat_map(Contender::all) {
        let peer = measure(contender, arguments, &arguments.point)?;
        println!("{peer}");
        let ours = measure(Contender::OURS, arguments, &arguments.point)?;
        println!("{ours}");
        rows.push(Row { contender, peer, ours });
    }
    print!("\n{}", table(&rows));
    Ok(())
}

/// Those asked for; all where none is named.
pub fn peers(arguments: &Arguments) -> Vec<Library> {
    let named = |library: &Library| arguments.lib.is_empty() || arguments.lib.contains(library);
    Library::PEERS.into_iter().filter(named).collect()
}

//! Memory against image size and against depth.

use std::path::Path;

use posteria::figure::growth_curve;
use posteria::io;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Point};
use crate::comparison::peers;
use crate::contender::{Contender, Library, Setup};
use crate::fresh::measure;
use crate::resident;
use crate::subject::work_gmac;
use crate::table::number;

/// One of the two figures: what varies in it, and what its axis is called.
struct Sweep {
    name: &'static str,
    axis: (&'static str, &'static str),
    key: &'static str,
    points: Vec<Point>,
}

/// Measures memory in fresh processes and draws both figures, with every line in `figures.json`.
pub fn draw(arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    io::create_folder(folder)?;
    let base = Point { seconds: 0.0, cosine: false, ..arguments.point.clone() };
    let sweeps = [
        Sweep {
            name: "memory-by-image-size",
            axis: ("image size", "pixels along each side"),
            key: "size",
            points: arguments.sizes.iter().map(|&size| Point { size, ..base.clone() }).collect(),
        },
        Sweep {
            name: "memory-by-depth",
            axis: ("depth", "flow steps at each scale"),
            key: "depth",
            points: arguments.depths.iter().map(|&depth| Point { depth, ..base.clone() }).collect(),
        },
    ];
    let mut libraries = vec![Library::Posteria];
    if arguments.peers.is_some() {
        libraries.extend(peers(arguments));
    }
    let mut lines = Vec::new();
    for sweep in &sweeps {
        let mut curves = Vec::new();
        for &library in &libraries {
            let before = lines.len();
            for point in &sweep.points {
                let line = next(library, arguments, point, &lines[before..])?;
                println!("{line}");
                lines.push(line);
                io::replace(&folder.join("figures.json"), &serde_json::to_vec_pretty(&lines)?)?;
            }
            curves.push(curve(library, sweep.key, &lines[before..]));
        }
        let figure = growth_curve(sweep.axis, ("peak memory beyond model and batch", "MiB"), &curves)?;
        for path in figure.write(folder, sweep.name)? {
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// Measures a point, unless what the smaller ones took says that it would take too long or too much.
fn next(library: Library, arguments: &Arguments, point: &Point, smaller: &[Value]) -> anyhow::Result<Value> {
    let contender = Contender { library, setup: Setup::Plain };
    let reason = match smaller.last() {
        None => None,
        Some(last) if last.get("failed").is_some() => Some("a smaller one failed".to_string()),
        Some(last) => excess(arguments, point, last),
    };
    let Some(reason) = reason else { return measure(contender, arguments, point) };
    let failed = format!("left out: {reason}");
    Ok(json!({ "lib": library.to_string(), "size": point.size, "depth": point.depth, "failed": failed }))
}

/// What a point would take too much of, if it grew from the last one as its work and its activations do.
fn excess(arguments: &Arguments, point: &Point, last: &Value) -> Option<String> {
    let before =
        Point { size: number(last, "size")? as usize, depth: number(last, "depth")? as usize, ..point.clone() };
    let growth = work_gmac(point) / work_gmac(&before);
    let seconds = growth * number(last, "first_gradient_ms")? / 1e3;
    if seconds > arguments.limit as f64 {
        return Some(format!("a gradient would take some {seconds:.0} s, the limit is {} s", arguments.limit));
    }
    let (memory, available) = (growth * number(last, "peak_beyond_model_mib")?, resident::available()?);
    (memory > available).then(|| format!("it would take some {memory:.0} MiB, {available:.0} MiB are available"))
}

/// The points of a library, and where they end if some were left out.
fn curve(library: Library, key: &str, lines: &[Value]) -> (String, Vec<[f64; 2]>) {
    let measured = |line: &Value| Some([number(line, key)?, number(line, "peak_beyond_model_mib")?]);
    let points: Vec<[f64; 2]> = lines.iter().filter_map(measured).collect();
    let mut title = library.title().to_string();
    match points.last() {
        Some([last, _]) if points.len() < lines.len() => title.push_str(&format!(" (up to {last})")),
        Some(_) => {}
        None => title.push_str(" (failed)"),
    }
    (title, points)
}

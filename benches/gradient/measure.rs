//! One point, in this process.

use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use crate::arguments::Point;
use crate::clock::Clock;
use crate::elsewhere::Ticks;
use crate::precision::gradient_cosine;
use crate::resident;
use crate::subject::{Subject, work_gmac};
use crate::training::trained;

/// Units of work in a gradient that keeps nothing.
const UNITS: f64 = 4.0;

/// Measures memory first, in a process that has done nothing else, then times, then precision.
pub fn measure(point: &Point) -> anyhow::Result<Value> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(point.threads).build_global();
    pool.with_context(|| format!("--threads {}: the threads could not be started", point.threads))?;

    let tiny = point.tiny();
    drop(Subject::new(&tiny)?.gradient(tiny.memory)?);
    let subject = Subject::new(point)?;
    resident::give_back();
    let built = resident::now();
    let forgotten = resident::forget_peak();
    let start = Instant::now();
    let gradient = subject.gradient(point.memory)?;
    let first_ms = 1e3 * start.elapsed().as_secs_f64();
    let peak = resident::peak().filter(|_| forgotten);
    let reconstruction_error = gradient.reconstruction_error;
    drop(gradient);

    let ticks = Ticks::now();
    let mut clock = Clock::new(point.seconds);
    let gradient_ms = clock.median_ms(|| subject.gradient(point.memory))?;
    let (mut forward_ms, mut inverse_ms) = (None, None);
    if point.seconds > 0.0 {
        let (z, _) = subject.glow.forward(subject.x.clone(), &subject.condition)?;
        forward_ms = clock.median_ms(|| subject.glow.forward(subject.x.clone(), &subject.condition))?;
        drop(subject.glow.inverse(z.clone(), &subject.condition)?);
        inverse_ms = clock.median_ms(|| subject.glow.inverse(z.clone(), &subject.condition))?;
    }
    let peak_gflops = clock.peak_gflops();
    let elsewhere = ticks.and_then(|ticks| ticks.elsewhere_since()).filter(|_| gradient_ms.is_some());

    let (work, count) = (work_gmac(point), subject.parameter_count());
    let share = |units: f64, ms: Option<f64>| Some(2.0 * units * work / (ms? / 1e3) / peak_gflops?);
    let mut line = json!({
        "lib": "posteria",
        "size": point.size,
        "depth": point.depth,
        "hidden": point.hidden,
        "batch": point.batch,
        "scales": point.scales,
        "channels": point.channels,
        "condition": point.condition,
        "parameters": count,
        "threads": point.threads,
        "memory": point.memory.map_or("least".to_string(), |memory| memory.to_string()),
        "built_mib": rounded(built),
        "peak_beyond_model_mib": rounded(peak.zip(built).map(|(peak, built)| peak - built)),
        "weight_gradients_mib": rounded(Some(count as f64 * 4.0 / f64::from(1 << 20))),
        "first_gradient_ms": rounded(Some(first_ms)),
        "gradient_ms": rounded(gradient_ms),
        "forward_ms": rounded(forward_ms),
        "inverse_ms": rounded(inverse_ms),
        "busy_elsewhere": rounded(elsewhere),
        "reconstruction_error": reconstruction_error,
        "work_gmac": rounded(Some(work)),
        "peak_gflops": rounded(peak_gflops),
        "share_of_peak": rounded(share(UNITS, gradient_ms)),
        "forward_share_of_peak": rounded(share(1.0, forward_ms)),
        "inverse_share_of_peak": rounded(share(1.0, inverse_ms)),
    });
    if point.cosine {
        let trained = trained(subject, point)?;
        line["trained_reconstruction_error"] = json!(trained.gradient(point.memory)?.reconstruction_error);
        line["gradient_cosine_f64"] = json!(gradient_cosine(trained, point)?);
    }
    Ok(line)
}

/// To a thousandth: finer is noise.
fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * 1e3).round() / 1e3)
}

//! How busy the machine was with other things: times taken beside a compiler are no times.

use std::fs;

/// Processor time so far, in ticks of the system's clock: of the whole machine, spent, and spent by this process.
pub struct Ticks {
    all: u64,
    busy: u64,
    own: u64,
}

impl Ticks {
    /// Only Linux says.
    pub fn now() -> Option<Self> {
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let fields = machine.lines().next()?.split_whitespace().skip(1).take(8);
        let fields: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
        let (all, idle) = (fields.iter().sum::<u64>(), fields.get(3)? + fields.get(4)?);
        let process = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, behind_name) = process.rsplit_once(')')?;
        let times: Vec<u64> = behind_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
        Some(Self { all, busy: all - idle, own: times.iter().sum() })
    }

    /// The share of the machine that other processes took since then.
    pub fn elsewhere_since(&self) -> Option<f64> {
        let now = Self::now()?;
        let others = (now.busy - self.busy).saturating_sub(now.own - self.own);
        (now.all > self.all).then(|| others as f64 / (now.all - self.all) as f64)
    }
}

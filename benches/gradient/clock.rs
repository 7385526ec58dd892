//! Times, and what the machine could have done meanwhile.

use std::time::{Duration, Instant};

use burn::tensor::Device;
use posteria::kernels::peak_multiply_adds;

/// How long the peak is measured at a time.
const PEAK: Duration = Duration::from_millis(20);
/// Times behind a median, unless each takes longer than all should.
const FEWEST: usize = 3;

/// Medians of repeated times, with the machine's peak measured between them.
pub struct Clock {
    seconds: f64,
    peaks: Vec<f64>,
}

impl Clock {
    /// Spends so many seconds on each median.
    pub fn new(seconds: f64) -> Self {
        Self { seconds, peaks: Vec::new() }
    }

    /// The median time of `run`, in milliseconds, which has been warmed up; none where no time may be spent.
    pub fn median_ms<T, E>(&mut self, mut run: impl FnMut() -> Result<T, E>) -> Result<Option<f64>, E> {
        let (mut times, mut spent) = (Vec::new(), 0.0);
        while spent < self.seconds || (!times.is_empty() && times.len() < FEWEST && spent < 2.0 * self.seconds) {
            self.peaks.extend(peak_multiply_adds(&Device::flex(), PEAK).map(|rate| 2.0 * rate / 1e9));
            let start = Instant::now();
            let result = run()?;
            let time = start.elapsed().as_secs_f64();
            drop(result);
            times.push(1e3 * time);
            spent += time;
        }
        Ok(median(times))
    }

    /// The median of the peaks, in 10⁹ operations a second: of the same minutes as the times, and disturbed alike.
    pub fn peak_gflops(self) -> Option<f64> {
        median(self.peaks)
    }
}

/// The middle value, or the mean of both in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let upper = *values.get(count / 2)?;
    Some(if count % 2 == 1 { upper } else { 0.5 * (values[count / 2 - 1] + upper) })
}

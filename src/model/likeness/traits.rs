//! What is looked at in a record: a few dozen numbers of which each sees another kind of change.

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

/// Records of so few numbers are looked at number by number.
const FEW: usize = 16;
/// So few channels are looked at one by one; of more, the channel is one more axis.
const FEW_CHANNELS: usize = 4;
/// Halvings of the pixels, the first with all of them.
const LEVELS: usize = 3;
/// What is smaller than this share of the mean square is rounding: 32-bit floats have 24 bits.
const ROUNDING: f64 = 1e-14;

/// What a trait is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The record y.
    Record,
    /// A′y, where the model is shown it.
    Adjoint,
}

/// Along, or across, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// An axis, counted from the first behind the channel.
    Axis(usize),
    /// The channels, where they are many.
    Channels,
    /// All of these, one after the other.
    All,
}

/// One of the numbers that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// A value of a record of few.
    Value(usize),
    /// Mean over root mean square.
    Mean,
    /// Logarithm of the root mean square.
    Size,
    /// Cube root of the skewness.
    Asymmetry,
    /// Logarithm of the kurtosis.
    Peaks,
    /// Logarithm of the root mean square of second differences of pixels 2^level wide.
    Detail {
        /// How often the pixels were halved in number.
        level: usize,
        /// Of which differences.
        along: Along,
    },
    /// Logarithm of the kurtosis of the same.
    DetailPeaks {
        /// How often the pixels were halved in number.
        level: usize,
        /// Of which differences.
        along: Along,
    },
    /// Logarithm of the root mean square of the weakest line across an axis, over that of all values.
    Weakest(Along),
    /// The same of the line that a quarter of them are weaker than.
    Weak(Along),
    /// The same of the strongest.
    Strongest(Along),
}

/// The traits of one sample `[channel, axes…]` and their values, in an order that follows from its shape alone. All are
/// finite where the sample is.
pub fn traits(sample: ArrayViewD<f32>) -> Vec<(Trait, f64)> {
    if sample.len() <= FEW {
        return sample.iter().enumerate().map(|(i, &v)| (Trait::Value(i), f64::from(v))).collect();
    }
    let sample = sample.mapv(f64::from);
    let mut found = Vec::new();
    let axes = 0..sample.ndim().saturating_sub(1);
    if sample.shape().first().is_some_and(|&channels| channels > FEW_CHANNELS) {
        let along: Vec<_> = std::iter::once(Along::Channels).chain(axes.map(Along::Axis)).collect();
        of_channel(sample, &along, &mut found);
    } else {
        let along: Vec<_> = axes.map(Along::Axis).collect();
        sample.outer_iter().for_each(|channel| of_channel(channel.to_owned(), &along, &mut found));
    }
    found
}

fn of_channel(values: ArrayD<f64>, axes: &[Along], found: &mut Vec<(Trait, f64)>) {
    let mean = values.mean().unwrap_or(0.0);
    let square = mean_square(&values).max(f64::MIN_POSITIVE);
    let centred = values.mapv(|v| v - mean);
    let spread = mean_square(&centred).max(ROUNDING * square);
    let cubes = centred.mapv(|v| (v / spread.sqrt()).powi(3)).mean().unwrap_or(0.0);
    found.push((Trait::Mean, mean / square.sqrt()));
    found.push((Trait::Size, 0.5 * square.ln()));
    found.push((Trait::Asymmetry, cubes.cbrt()));
    found.push((Trait::Peaks, kurtosis(&centred, spread)));
    of_lines(&values, square, axes, found);
    let least = (ROUNDING * square).max(f64::MIN_POSITIVE);
    let mut pixels = values;
    for level in 0..LEVELS {
        let mut detail = |along: Along, bent: &ArrayD<f64>| {
            let square = mean_square(bent).max(least);
            found.push((Trait::Detail { level, along }, 0.5 * square.ln()));
            found.push((Trait::DetailPeaks { level, along }, kurtosis(bent, square)));
        };
        for (k, &along) in axes.iter().enumerate() {
            if let Some(bent) = bend(&pixels, k) {
                detail(along, &bent);
            }
        }
        // Along its only axis, both are the same.
        if axes.len() > 1 {
            let all = (1..axes.len()).fold(bend(&pixels, 0), |bent, k| bent.and_then(|bent| bend(&bent, k)));
            all.iter().for_each(|bent| detail(Along::All, bent));
        }
        for k in 0..axes.len() {
            pixels = halved(pixels, k);
        }
    }
}

/// Lines across each axis: a sensor, an instant. A single value is no line.
fn of_lines(values: &ArrayD<f64>, square: f64, axes: &[Along], found: &mut Vec<(Trait, f64)>) {
    for (k, &along) in axes.iter().enumerate() {
        let lines = values.len_of(Axis(k));
        if lines < 4 || values.len() == lines {
            continue;
        }
        let of_line = |line: ArrayViewD<f64>| (mean_square(&line.to_owned()) / square).max(ROUNDING).ln() / 2.0;
        let mut shares: Vec<f64> = values.axis_iter(Axis(k)).map(of_line).collect();
        shares.sort_by(f64::total_cmp);
        found.push((Trait::Weakest(along), shares[0]));
        found.push((Trait::Weak(along), shares[lines / 4]));
        found.push((Trait::Strongest(along), shares[lines - 1]));
    }
}

fn mean_square(values: &ArrayD<f64>) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64
}

/// Logarithm of the mean fourth power over the squared mean square; that of values of no size is that of all alike.
fn kurtosis(values: &ArrayD<f64>, square: f64) -> f64 {
    let fourth = values.iter().map(|v| (v * v / square).powi(2)).sum::<f64>() / values.len().max(1) as f64;
    fourth.max(1.0).ln()
}

/// Second differences along an axis, scaled so that white noise keeps its size; none where it has less than three pixels.
fn bend(values: &ArrayD<f64>, axis: usize) -> Option<ArrayD<f64>> {
    let count = values.len_of(Axis(axis)).checked_sub(2).filter(|&count| count > 0)?;
    let from = |first: usize| values.slice_axis(Axis(axis), Slice::from(first..first + count));
    let mut bent = &from(0) + &from(2);
    bent.zip_mut_with(&from(1), |sum, middle| *sum = (*sum - 2.0 * middle) / 6.0_f64.sqrt());
    Some(bent)
}

/// Means of neighbours along an axis; axes of a few pixels stay.
fn halved(values: ArrayD<f64>, axis: usize) -> ArrayD<f64> {
    let pairs = values.len_of(Axis(axis)) / 2;
    if pairs < 3 {
        return values;
    }
    let every = |first: isize| values.slice_axis(Axis(axis), Slice::new(first, Some(2 * pairs as isize), 2)).to_owned();
    (every(0) + every(1)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use ndarray::IxDyn;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(shape: &[usize]) -> ArrayD<f32> {
        let mut rng = stream(3, Purpose::Diagnostic, 0);
        ArrayD::from_shape_simple_fn(IxDyn(shape), || StandardNormal.sample(&mut rng))
    }

    fn value(found: &[(Trait, f64)], wanted: Trait) -> f64 {
        found.iter().find(|(one, _)| *one == wanted).map_or(f64::NAN, |(_, value)| *value)
    }

    #[test]
    fn white_noise_has_details_of_its_own_size_at_every_level() {
        let found = traits(normal(&[1, 128, 96]).view());
        for level in 0..LEVELS {
            // The mean of 4^level values has a variance of 4^−level.
            let expected = -(level as f64) * 2.0_f64.ln();
            for along in [Along::Axis(0), Along::Axis(1), Along::All] {
                let detail = value(&found, Trait::Detail { level, along });
                assert!((detail - expected).abs() < 0.1, "level {level} {along:?}: {detail} {expected}");
                let peaks = value(&found, Trait::DetailPeaks { level, along });
                assert!((peaks - 3.0_f64.ln()).abs() < 0.3, "level {level} {along:?}: {peaks}");
            }
        }
        assert!(value(&found, Trait::Size).abs() < 0.02 && (value(&found, Trait::Peaks) - 3.0_f64.ln()).abs() < 0.1);
    }

    #[test]
    fn a_silent_sensor_is_the_weakest_line_and_a_third_of_them_are_the_weak() {
        let silent = |every: usize| {
            let mut y = normal(&[1, 40, 30]);
            y.axis_iter_mut(Axis(2)).skip(4).step_by(every).for_each(|mut sensor| sensor.fill(0.0));
            let found = traits(y.view());
            [Trait::Weakest(Along::Axis(1)), Trait::Weak(Along::Axis(1)), Trait::Weak(Along::Axis(0))]
                .map(|one| value(&found, one))
        };
        let [weakest, weak, instants] = silent(100);
        assert!(weakest < -15.0 && weak > -1.0 && instants > -1.0, "{weakest} {weak} {instants}");
        let [_, weak, instants] = silent(3);
        assert!(weak < -15.0 && instants > -1.0, "{weak} {instants}");
    }

    #[test]
    fn traits_follow_the_shape_and_are_finite() {
        let shapes: [&[usize]; 9] =
            [&[3], &[40], &[1, 5], &[2, 40], &[1, 20, 1], &[2, 9, 8], &[7, 9, 8], &[1, 6, 5, 4], &[1, 1, 64]];
        for shape in shapes {
            let names = |y: ArrayD<f32>| {
                let found = traits(y.view());
                assert!(!found.is_empty() && found.iter().all(|(_, value)| value.is_finite()), "{shape:?}: {found:?}");
                found.into_iter().map(|(one, _)| one).collect::<Vec<_>>()
            };
            let first = names(normal(shape));
            for other in [0.0, 7.3, 1e30, 1e-30] {
                assert_eq!(names(ArrayD::from_elem(shape, other)), first);
            }
        }
    }
}

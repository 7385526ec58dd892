//! What may be a mistake in pairs that were looked at.

use std::f64::consts::TAU;

use crate::io::number;
use crate::problem::survey::values::{Pairwise, Values, rank_difference};
use crate::problem::survey::{Reading, Survey};
use crate::problem::{Experiment, Set};

/// Values this many standard deviations from the mean squeeze all others into a corner of the normalised range. So does a
/// standard deviation this many times what the middle one of all pairs varies.
const OUTLIER: f64 = 30.0;
/// A mean this many standard deviations from zero leaves few of the seven digits of f32.
const OFFSET: f64 = 1e4;
/// Held-out pairs whose ranks among all lie as many deviations off are no fair part of them: by chance one set in some
/// thousand.
const UNFAIR: f64 = 4.5;
/// A pair seen so often is learned by heart.
const VISITS: f64 = 100.0;
/// From here on all 32-bit floats are whole numbers.
const ALL_WHOLE: f64 = (1 << 23) as f64;
/// Cells that a warning names.
const NAMED: usize = 3;

pub(super) fn warnings(experiment: &Experiment, found: &Survey, reading: &Reading) -> Vec<String> {
    let mut warnings = Vec::new();
    of_values(found, reading, &mut warnings);
    of_x(experiment, found, reading, &mut warnings);
    of_copies(experiment, reading, &mut warnings);
    of_held_out(experiment, found, reading, &mut warnings);
    of_training(experiment, found, &mut warnings);
    if let Some(operator) = &experiment.problem().operator {
        warnings.extend(operator.warnings(experiment.x_shape()));
    }
    warnings
}

/// "x", or "channel 1 of x" among several.
fn name_of(quantity: &str, channel: usize, channels: usize) -> String {
    if channels > 1 { format!("channel {channel} of {quantity}") } else { quantity.to_owned() }
}

fn of_values(found: &Survey, reading: &Reading, warnings: &mut Vec<String>) {
    let [of_x, of_y] = &reading.training;
    let [cells_of_x, cells_of_y] = [0, 1].map(|k| reading.cells[k].typical());
    for (name, channels, pairwise, typical) in [("x", &found.x, of_x, cells_of_x), ("y", &found.y, of_y, cells_of_y)] {
        for (channel, values) in channels.iter().enumerate() {
            let which = name_of(name, channel, channels.len());
            let of_pairs = of_channel(&which, values, pairwise.get(channel));
            warnings.extend(of_pairs.or_else(|| of_cell(&which, values, typical.get(channel)?)));
        }
    }
}

/// Where one cell rules the scaling of all: a mean value that was not taken off, a dead sensor.
fn of_cell(which: &str, values: &Values, (size, place, farthest): &(f64, Vec<usize>, f64)) -> Option<String> {
    let rules = values.standard_deviation > OUTLIER * size && *size > 0.0;
    rules.then(|| {
        format!(
            "{which} varies {:.1e} over all pixels and {size:.1e} in the middle one of them: few pixels rule the scaling, and of the \
             others little is left; the farthest is {place:?}, {farthest:.1e} off: take its mean off, or leave it out",
            values.standard_deviation
        )
    })
}

fn of_channel(which: &str, values: &Values, pairwise: Option<&Pairwise>) -> Option<String> {
    let Values { least, greatest, mean, standard_deviation: deviation, .. } = *values;
    let (reach, size) = ((greatest - mean).max(mean - least), pairwise.map_or(0.0, Pairwise::typical_size));
    if values.is_empty() {
        None
    } else if least == greatest {
        Some(format!("{which} is {least} everywhere: it teaches nothing; leave it out"))
    } else if deviation > OUTLIER * size && size > 0.0 {
        Some(format!(
            "{which} varies {deviation:.1e} over all pairs and {size:.1e} in the middle one of them: few pairs rule the scaling, \
             and of the others little is left; look for another unit or gain among them, or infer the logarithm"
        ))
    } else if reach > OUTLIER * deviation {
        let times = reach / deviation;
        Some(format!(
            "{which} has values {times:.0} standard deviations from its mean: check its unit, or infer its logarithm"
        ))
    } else if mean.abs() > OFFSET * deviation {
        Some(format!(
            "{which} is {mean:.6} ± {deviation:.1e}: of seven digits few are left; subtract a constant before storing it"
        ))
    } else {
        None
    }
}

/// Where a density of x has no bound, or an axis that is a circle is taken for a line.
fn of_x(experiment: &Experiment, found: &Survey, reading: &Reading, warnings: &mut Vec<String>) {
    let constant = reading.cells[0].constant();
    let known = experiment.problem().unknown.fixed.is_some();
    let varies = found.x.iter().any(|values| values.least < values.greatest);
    if !constant.is_empty() && !known && varies {
        let some: Vec<String> = constant.iter().take(NAMED).map(|place| format!("{place:?}")).collect();
        let more = if constant.len() > NAMED { ", …" } else { "" };
        warnings.push(format!(
            "{} cells of x have one value in all pairs, or nearly ({}{more}): their density has no bound; name their values with [unknown] \
             fixed = \"known.h5\", or add a little noise to x",
            constant.len(),
            some.join(", ")
        ));
    }
    let info = experiment.pairs_info(crate::io::NoiseTag::Included).ok();
    for (channel, values) in found.x.iter().enumerate() {
        let which = name_of("x", channel, found.x.len());
        let Values { least, greatest, are_whole, .. } = *values;
        if are_whole && least < greatest && least.abs().max(greatest.abs()) < ALL_WHOLE {
            warnings.push(format!(
                "{which} holds whole numbers alone, from {least} to {greatest}: labels and counts have no density; add noise that \
                 is uniform between −½ and ½, or infer what they were made of"
            ));
        }
        let unit = info.as_ref().map(|info| info.x.unit_of(channel).to_owned()).unwrap_or_default();
        let turn = match unit.as_str() {
            "rad" | "radian" | "radians" => TAU,
            "deg" | "degree" | "degrees" | "°" => 360.0,
            _ => f64::INFINITY,
        };
        if greatest - least > turn * 0.99 {
            warnings.push(format!(
                "{which} has angles from {least:.4} to {greatest:.4} {unit}, a full turn: where it closes the model sees two ends; \
                 infer sine and cosine, or cut the turn where no angle lies"
            ));
        }
    }
}

fn of_copies(experiment: &Experiment, reading: &Reading, warnings: &mut Vec<String>) {
    let (images, records) = (&reading.images, &reading.records);
    if images.repeated > 0 {
        warnings.push(format!(
            "{} of {} pairs have the same x as another: draw each of them anew",
            images.repeated, images.count
        ));
    }
    if records.are_one() {
        warnings.push("y is the same in all pairs: nothing can be learned from it; check what wrote it".into());
    } else if records.repeated > images.repeated && images.repeated == 0 {
        warnings.push(format!(
            "{} of {} pairs have the same y as another with another x: check what wrote them",
            records.repeated, records.count
        ));
    }
    if reading.copied > 0 && experiment.has_own_pairs() {
        warnings.push(format!(
            "{} of the pairs held out have the x of a pair to train on: they judge what was learned by heart; hold out others, \
             [pairs] test = \"…\"",
            reading.copied
        ));
    }
}

/// Whether pairs held out are a fair part of all; the first thing that speaks against it.
fn of_held_out(experiment: &Experiment, found: &Survey, reading: &Reading, warnings: &mut Vec<String>) {
    let sides = reading.training.iter().zip(&reading.held_out).zip([("x", found.x.len()), ("y", found.y.len())]);
    let channels = sides.flat_map(|((training, held_out), (name, count))| {
        training.iter().zip(held_out).enumerate().map(move |(k, both)| (name_of(name, k, count), both))
    });
    let said = channels.into_iter().find_map(|(which, (training, held_out))| {
        let numbers =
            [("mean", &held_out.means, &training.means), ("deviation", &held_out.deviations, &training.deviations)];
        let unfair = numbers.into_iter().find(|(_, some, others)| rank_difference(some, others).abs() > UNFAIR);
        unfair.map(|(what, some, others)| (which, what, mean(some), mean(others)))
    });
    if let Some((which, what, some, others)) = said {
        let files = experiment.problem().pairs.as_ref();
        let remedy = if files.is_some_and(|files| files.test.is_none() || files.validation.is_none()) {
            "the last pairs are held out, which of a sweep are its end: shuffle them, or name files of their own, [pairs] test = \
             \"…\""
        } else {
            "simulate both in the same way, or shuffle all and part them anew"
        };
        warnings.push(format!(
            "the pairs held out are unlike those to train on: the {what} of their {which} is {}, there {}; {remedy}",
            number(some),
            number(others)
        ));
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn of_training(experiment: &Experiment, found: &Survey, warnings: &mut Vec<String>) {
    let training = &experiment.problem().training;
    let left_out = experiment.left_out();
    if left_out > 0 {
        warnings.push(format!("{left_out} pairs are left out, as skip says: their values are not finite"));
    }
    if let Some(count) = experiment.count(Set::Training) {
        let visits = training.steps as f64 * training.batch as f64 / count as f64;
        if experiment.is_clean(Set::Training) && experiment.problem().noise.is_none() {
            warnings.push(
                "y says that it has no noise, and the problem has no [noise] table: the model will take y as exact"
                    .into(),
            );
        }
        if visits > VISITS {
            warnings.push(format!(
                "each of {count} pairs is seen {visits:.0} times: the model will learn them by heart; store more, or train for \
                 fewer steps"
            ));
        }
    }
    if found.signal_to_noise.is_some_and(|ratio| ratio < 0.0) {
        warnings.push("there is more noise than signal in y: check noise.sigma, it is in the unit of y".into());
    }
}

//! What a person is told of observations that are unlike those of training.

use posteria::io::Quantity;
use posteria::model::Model;
use posteria::model::likeness::{Along, HeldOut, Likeness, Shown, Side, Standing, Strangest, Trait, Unlike};

use super::output;

/// Observations of which the numbers are named.
const NAMED: usize = 8;

/// One line where some are unlike, and one where the model cannot compare them.
pub fn tell(model: &Model, likenesses: &[Likeness]) {
    if model.held_out().is_none() {
        output::note(
            "sample    the model keeps no records held out of training, so that the observations are compared with the range of \
             its values alone; train it again, on eight validation pairs or more, and they are compared in full",
        );
    }
    if let Some(line) = warning(&model.y(), likenesses) {
        output::note(&line);
    }
}

/// Which are unlike those of training, how the first of them is, and what to look at; nothing where none is.
fn warning(y: &Quantity, likenesses: &[Likeness]) -> Option<String> {
    let unlike: Vec<usize> = (0..likenesses.len()).filter(|&i| likenesses[i].is_unlike()).collect();
    let first = *unlike.first()?;
    let (how, check) = match of_values(y, &likenesses[first]) {
        Some((how, check)) => (format!("the values of number {first} {how}"), check),
        None => {
            let (how, check) = of_traits(y, &likenesses[first]);
            (format!("number {first} {how}"), check)
        }
    };
    let named: Vec<String> = unlike.iter().take(NAMED).map(usize::to_string).collect();
    let more = if unlike.len() > NAMED { ", …" } else { "" };
    let by_values = unlike.iter().filter(|&&i| likenesses[i].channels.iter().any(Option::is_some)).count();
    let chance = match by_values == unlike.len() {
        true => String::new(),
        false => format!("; by chance it is said of {:.0} in 100 ordinary ones", 100.0 * HeldOut::BY_CHANCE),
    };
    Some(format!(
        "warning   {} of {} observations are unlike those of training ({}{more}); {how}: check {check}, for of what it never \
         saw the model knows nothing{chance}",
        unlike.len(),
        likenesses.len(),
        named.join(", "),
    ))
}

/// Values far beyond those of training: mostly their unit is another.
fn of_values(y: &Quantity, likeness: &Likeness) -> Option<(String, String)> {
    let (channel, how) = likeness.channels.iter().enumerate().find_map(|(i, found)| Some((i, (*found)?)))?;
    let how = match how {
        Unlike::Farther(times) => format!("lie {times:.1e} times farther from their mean than those of any there"),
        Unlike::Flatter(times) => format!("differ {times:.1e} times less than those of any there"),
    };
    let of = if likeness.channels.len() > 1 { format!("of {} ", y.name_of(channel)) } else { String::new() };
    let unit = match y.unit_of(channel) {
        "" => "their unit".into(),
        unit => format!("their unit, it was {unit} there"),
    };
    Some((format!("{of}{how}"), unit))
}

/// Numbers beyond those of almost all held-out records.
fn of_traits(y: &Quantity, likeness: &Likeness) -> (String, String) {
    let (mut how, mut check) = (Vec::new(), String::new());
    if let Some(Standing { side: Side::Above, .. }) = likeness.distance
        && let Some((shown, one, strangest)) = likeness.strangest
    {
        let (what, cause) = described(y, one, &strangest);
        let of = if shown == Shown::Adjoint { "in its adjoint image " } else { "" };
        how.push(format!("{of}{what}, {:.0} deviations off", strangest.deviations.abs()));
        check = match shown {
            Shown::Record => cause,
            Shown::Adjoint => IMAGED.into(),
        };
    }
    if let Some(Standing { value, side, .. }) = likeness.misfit_standing
        && side != Side::Among
    {
        let (than, cause) = match side {
            Side::Above => ("greater", "noise, gain, silent sensors and geometry"),
            _ => ("smaller", "noise and filters"),
        };
        how.push(format!("is missed by its draws by χ²/m = {value:.3}, {than} than almost all held-out ones"));
        if check.is_empty() {
            check = cause.into();
        }
    }
    (how.join(", and "), check)
}

const IMAGED: &str = "whether what was imaged is like the images of training";

/// What a record has, and what may be the cause.
fn described(y: &Quantity, one: Trait, strangest: &Strangest) -> (String, String) {
    let times = strangest.by.exp();
    let name = |along: Along| match along {
        Along::Axis(k) => y.grid.axes.get(k).map_or_else(|| format!("axis {k}"), |axis| axis.name.clone()),
        Along::Channels => "channel".into(),
        Along::All => "all axes".into(),
    };
    let pixels = |level: usize| {
        if level == 0 { "the finest details".into() } else { format!("details of {} pixels", 2 << level) }
    };
    match one {
        Trait::Value(i) => (format!("has value {i} off by {:.2e}", strangest.by), "it and its unit".into()),
        Trait::Size => (format!("has values {times:.2} times as large"), "gain and unit".into()),
        Trait::Mean | Trait::Asymmetry | Trait::Peaks => ("has otherwise distributed values".into(), IMAGED.into()),
        Trait::Detail { level: 0, along } => (
            format!("has {} along {} {times:.2} times as strong", pixels(0), name(along)),
            "noise, gain and filters".into(),
        ),
        Trait::Detail { level, along } => (
            format!("has {} along {} {times:.2} times as strong", pixels(level), name(along)),
            format!("gain, and {IMAGED}"),
        ),
        Trait::DetailPeaks { level, along } => {
            (format!("has {} along {} otherwise distributed", pixels(level), name(along)), IMAGED.into())
        }
        Trait::Weakest(along) | Trait::Weak(along) => (
            format!("has some {} {times:.1e} times as strong", name(along)),
            format!("whether each {} was recorded", name(along)),
        ),
        Trait::Strongest(along) => (
            format!("has its strongest {} {times:.2} times as strong", name(along)),
            format!("whether any {} is saturated or disturbed", name(along)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use posteria::io::{Axis, Grid};

    fn record() -> Quantity {
        let grid = Grid::new(vec![Axis::new("time", 88, 1e-8, "s"), Axis::new("sensor", 64, 1e-4, "m")]);
        Quantity { name: "pressure".into(), unit: "Pa".into(), channels: vec![], grid }
    }

    fn far(one: Trait, by: f64) -> Likeness {
        let distance = Some(Standing { value: 90.0, place: 1.0, side: Side::Above });
        let strangest = Some((Shown::Record, one, Strangest { number: 0, by, deviations: 30.0 }));
        Likeness { channels: vec![None], distance, strangest, ..Likeness::default() }
    }

    #[test]
    fn the_line_names_the_records_how_they_are_and_what_to_check() {
        let like = Likeness { channels: vec![None], ..Likeness::default() };
        assert_eq!(warning(&record(), &[like.clone(), like.clone()]), None);
        let said = |one: Trait, by: f64| warning(&record(), &[like.clone(), far(one, by)]).unwrap_or_default();
        let noise = said(Trait::Detail { level: 0, along: Along::Axis(0) }, 2.0_f64.ln());
        assert!(
            noise.starts_with("warning   1 of 2 observations are unlike those of training (1); number 1 has"),
            "{noise}"
        );
        assert!(noise.contains("along time 2.00 times as strong, 30 deviations off: check noise, gain"), "{noise}");
        assert!(noise.ends_with("by chance it is said of 1 in 100 ordinary ones"), "{noise}");
        let silent = said(Trait::Weak(Along::Axis(1)), -15.0);
        assert!(silent.contains("check whether each sensor was recorded"), "{silent}");
        let units = Likeness { channels: vec![Some(Unlike::Farther(1e3))], ..far(Trait::Size, 7.0) };
        let units = warning(&record(), &[units]).unwrap_or_default();
        assert!(
            units.contains("1.0e3 times farther") && units.contains("check their unit, it was Pa there"),
            "{units}"
        );
        assert!(!units.contains("by chance"), "{units}");
        let misfit = Standing { value: 0.25, place: 0.0, side: Side::Below };
        let smooth = Likeness { misfit: Some(0.25), misfit_standing: Some(misfit), ..like.clone() };
        let smooth = warning(&record(), &[smooth]).unwrap_or_default();
        assert!(smooth.contains("χ²/m = 0.250, smaller") && smooth.contains("check noise and filters"), "{smooth}");
    }
}

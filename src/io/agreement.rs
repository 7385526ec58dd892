//! Whether two descriptions of a quantity can both be true: an observation and what a model was trained on, two files of one
//! collection.

use super::grid::Axis;
use super::quantity::Quantity;
use super::unit;

/// By how much, relative to a spacing, coordinates of one axis may differ, beside what 32-bit floats round.
const ROUNDING: f64 = 1e-6;

/// What a description says that another one contradicts, in the words "… here, … there"; nothing where they agree, or one of
/// the two says nothing. `there` names the other, as "the training pairs".
pub fn disagreement(here: &Quantity, other: &Quantity, there: &str) -> Option<String> {
    let channels = here.channels.len().max(other.channels.len()).max(1);
    let units = (0..channels).map(|channel| (channel, here.unit_of(channel), other.unit_of(channel)));
    if let Some((channel, here_unit, other_unit)) = units.into_iter().find(|(_, a, b)| !unit::agree(a, b)) {
        let of = if channels > 1 { format!(" of {}", here.name_of(channel)) } else { String::new() };
        return Some(format!("the unit{of} is {here_unit}, in {there} it is {other_unit}"));
    }
    if here.grid.axes.len() != other.grid.axes.len() {
        return None;
    }
    here.grid.axes.iter().zip(&other.grid.axes).find_map(|(here, other)| axes(here, other, there))
}

fn axes(here: &Axis, other: &Axis, there: &str) -> Option<String> {
    if !here.is_measured() || !other.is_measured() {
        return None;
    }
    let name = &other.name;
    if !unit::agree(&here.unit, &other.unit) {
        return Some(format!("the unit of {name} is {}, in {there} it is {}", here.unit, other.unit));
    }
    let differ = |a: f64, b: f64, rounding: f64| (a - b).abs() > ROUNDING * other.spacing.abs() + rounding;
    let unit = if unit::is_said(&other.unit) { format!(" {}", other.unit) } else { String::new() };
    if differ(here.spacing, other.spacing, 0.0) {
        let (here, other) = (here.spacing, other.spacing);
        return Some(format!("the step of {name} is {here}{unit}, in {there} it is {other}{unit}"));
    }
    if differ(here.origin, other.origin, f64::from(f32::EPSILON) * other.origin.abs()) {
        let (here, other) = (here.origin, other.origin);
        return Some(format!("{name} begins at {here}{unit}, in {there} at {other}{unit}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Grid;

    fn record(unit: &str, axis: Axis) -> Quantity {
        Quantity { unit: unit.into(), grid: Grid::new(vec![axis]), ..Quantity::default() }
    }

    #[test]
    fn units_steps_and_beginnings_are_compared_where_both_are_said() {
        let time = || Axis::new("time", 9, 2e-3, "s");
        let trained = record("V", time());
        let said = |here: &Quantity| disagreement(here, &trained, "the training pairs");
        assert_eq!(said(&record("mV", time())).unwrap(), "the unit is mV, in the training pairs it is V");
        let message = said(&record("V", Axis::new("time", 9, 4e-3, "s"))).unwrap();
        assert_eq!(message, "the step of time is 0.004 s, in the training pairs it is 0.002 s");
        let message = said(&record("", time().starting_at(0.1))).unwrap();
        assert_eq!(message, "time begins at 0.1 s, in the training pairs at 0 s");
        assert!(said(&record("V", Axis::new("time", 9, 2e-3, "ms"))).unwrap().contains("ms, in the training"));
        for same in [
            trained.clone(),
            Quantity::default(),
            record("", Axis::new("time", 9, 2e-3 * (1.0 + 1e-9), "s")),
            record("V", Axis::new("column", 9, 1.0, "pixel")),
        ] {
            assert_eq!(said(&same), None, "{same:?}");
        }
        // Coordinates may be stored in 32-bit floats, far from zero too.
        let late = |origin: f64| record("V", time().starting_at(origin));
        let said = |here: f64| disagreement(&late(here), &late(1234.5678), "the training pairs");
        assert_eq!(said(f64::from(1234.5678_f32)), None);
        assert!(said(1234.5688).is_some());
    }
}

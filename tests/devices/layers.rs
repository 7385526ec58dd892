//! Every layer and network of the table of laws: forward, inverse, and the gradients of both in x, in the condition and in
//! every parameter.

use burn::tensor::{DType, Device};
use posteria::flow::{Invertible, Plan, parameters};

use crate::judge::{Judge, Kind};
use crate::laws::{Case, Direction, gradients_within, on, probes, single_precision, values};
use crate::{Found, table};

pub fn check(found: &Found, judge: &mut Judge) {
    let mut entries = Entries { device: &found.device, judge, count: 0 };
    table::visit(&Device::flex(), &mut entries);
    assert!(entries.count >= 30, "the table has shrunk to {} entries", entries.count);
}

/// 240 flow steps: a map that is orthogonal only to three digits, or sums that lose some, would leave nothing of the gradient.
pub fn check_depth(found: &Found, judge: &mut Judge) {
    let case = table::deep_glow(&Device::flex());
    judge.attempt("240 steps", |judge| {
        let (round_trip, cosine) = single_precision(&case, &found.device);
        judge.compare(Kind::Deep, "240 steps, round trip", &[1.0 + round_trip], &[1.0], 1.0);
        judge.compare(Kind::Deep, "240 steps, cosine of the gradient with that in f64", &[cosine], &[1.0], 1.0);
    });
}

struct Entries<'a> {
    device: &'a Device,
    judge: &'a mut Judge,
    count: usize,
}

impl table::Visitor for Entries<'_> {
    fn entry<L: Invertible>(&mut self, name: &str, case: Case<L>) {
        self.count += 1;
        self.judge.attempt(name, |judge| maps(name, &case, &case.on(self.device, DType::F32), judge));
        for direction in [Direction::Forward, Direction::Inverse] {
            for plan in [Plan::least(), Plan::within(1 << 30)] {
                let what = format!(
                    "{name}, gradient of {direction:?}{}",
                    if plan == Plan::least() { "" } else { ", tapes kept" }
                );
                self.judge.attempt(&what, |judge| gradient(&what, plan, direction, &case, self.device, judge));
            }
        }
    }
}

/// The matrix products of a user's network may be rounded: the coupling is then another map, but as invertible.
fn kind_of_map(name: &str) -> Kind {
    if name.contains("user's network") { Kind::Product } else { Kind::Map }
}

fn maps<L: Invertible>(name: &str, case: &Case<L>, moved: &Case<L>, judge: &mut Judge) {
    let (z, log_det) = case.apply(Direction::Forward, case.x.clone());
    let (x, back) = case.apply(Direction::Inverse, z.clone());
    let (found_z, found_log_det) = moved.apply(Direction::Forward, moved.x.clone());
    let start = on(&z, &moved.x.device(), DType::F32);
    let (found_x, found_back) = moved.apply(Direction::Inverse, start);
    let (round_trip, _) = moved.apply(Direction::Inverse, found_z.clone());
    let kind = kind_of_map(name);
    for (kind, what, found, expected) in [
        (kind, "forward", values(&found_z), values(&z)),
        (kind, "inverse", values(&found_x), values(&x)),
        (Kind::Map, "round trip", values(&round_trip), values(&case.x)),
        (kind, "log_det", values(&found_log_det), values(&log_det)),
        (kind, "log_det of the inverse", values(&found_back), values(&back)),
    ] {
        judge.compare(kind, &format!("{name}, {what}"), &found, &expected, 1.0);
    }
}

/// A gradient that vanishes, such as that of the reflection of one channel, is held against this.
const SMALL: f64 = 0.1;

fn gradient<L: Invertible>(
    name: &str,
    plan: Plan,
    direction: Direction,
    case: &Case<L>,
    device: &Device,
    judge: &mut Judge,
) {
    let (w, v) = probes(case, direction);
    let expected = gradients_within(Plan::least(), case, direction, &w, &v);
    let (moved, w, v) = (case.on(device, DType::F32), on(&w, device, DType::F32), on(&v, device, DType::F32));
    let found = gradients_within(plan, &moved, direction, &w, &v);
    let mut compare = |kind, what: &str, found: Vec<f64>, expected: Vec<f64>| {
        judge.compare(kind, &format!("{name}: {what}"), &found, &expected, SMALL);
    };
    compare(kind_of_map(name), "recomputed input", values(&found.recomputed), values(&expected.recomputed));
    compare(Kind::Product, "x", values(&found.x), values(&expected.x));
    for (found, expected) in found.c.iter().zip(&expected.c) {
        compare(Kind::Product, "condition", values(found), values(expected));
    }
    for (parameter, _) in parameters(&case.layer) {
        match (found.parameters.get(&parameter.id), expected.parameters.get(&parameter.id)) {
            (Some(found), Some(expected)) => {
                compare(Kind::Product, &parameter.path, values(found), values(expected));
            }
            _ => compare(Kind::Product, &parameter.path, vec![], vec![f64::NAN]),
        }
    }
}

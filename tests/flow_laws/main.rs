//! The laws of every invertible layer and network, over one named table; and the laws themselves, held against layers
//! with one broken gradient each.

mod broken;
mod laws;
mod network;
mod table;

use burn::tensor::{DType, Device};
use laws::{Case, Laws};
use posteria::flow::Invertible;

/// Runs every law on every entry and gathers what fails.
struct All {
    failures: Vec<String>,
    entries: usize,
}

impl table::Visitor for All {
    fn entry<L: Invertible>(&mut self, name: &str, case: Case<L>) {
        self.entries += 1;
        if let Err(failure) = Laws::default().check(&case) {
            self.failures.push(format!("{name}: {failure}"));
        }
    }
}

#[test]
fn every_layer_and_network_obeys_the_laws() {
    let mut all = All { failures: Vec::new(), entries: 0 };
    table::visit(&Device::flex(), &mut all);
    assert!(all.entries >= 30, "the table has shrunk to {} entries", all.entries);
    assert!(all.failures.is_empty(), "{} failures:\n{}", all.failures.len(), all.failures.join("\n"));
}

/// Single precision recomputes well enough through 240 flow steps: the depth at which the gradients of others are noise.
#[test]
fn single_precision_holds_at_240_steps() {
    let case = table::deep_glow(&Device::flex());
    let (round_trip, cosine) = laws::single_precision(&case);
    assert!(round_trip < 1e-4, "f32 round trip {round_trip:.2e}");
    assert!(cosine > 0.9999, "cosine of the f32 gradient with the f64 one {cosine}");
    assert_eq!(case.layer_parameters_dtype(), DType::F64);
}

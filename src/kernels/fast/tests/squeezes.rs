//! Squeezes of any axes.

use proptest::prelude::*;

use super::super::squeeze::{squeeze, unsqueeze};
use super::*;
use portable::squeeze::{checkerboard, checkerboard_inverse, haar, haar_inverse};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn squeezes_equal_the_portable_ones(
        (coarse, layouts) in fields(), axes in proptest::array::uniform3(any::<bool>()),
    ) {
        let [batch, channels, extent @ ..] = coarse;
        let [d, h, w] = std::array::from_fn(|axis| if axes[axis] { 2 * extent[axis] } else { extent[axis] });
        let groups = 1 << axes.iter().filter(|&&chosen| chosen).count();
        let x = field([batch, channels, d, h, w], layouts[0], 0);
        let z = field([batch, channels * groups, extent[0], extent[1], extent[2]], layouts[1], 1);
        let expected = [
            (checkerboard(wide(&x), axes), checkerboard_inverse(wide(&z), axes)),
            (haar(wide(&x), axes), haar_inverse(wide(&z), axes)),
        ];
        for set in InstructionSet::available() {
            for (is_haar, (expected_z, expected_x)) in [false, true].into_iter().zip(&expected) {
                let tolerance = if is_haar { 1e-6 } else { f64::MIN_POSITIVE };
                let found = squeeze(set, &x, axes, is_haar).expect("floats");
                prop_assert!(difference(&found, expected_z, 1) < tolerance, "{set:?} {is_haar}");
                let found = unsqueeze(set, &z, axes, is_haar).expect("floats");
                prop_assert!(difference(&found, expected_x, 1) < tolerance, "{set:?} {is_haar} inverse");
            }
        }
    }
}

/// What the axes do not divide is left to Burn, which says so.
#[test]
fn odd_sizes_are_left_to_the_portable_version() {
    let x: Field = random([1, 3, 1, 4, 5], 0);
    let set = InstructionSet::best();
    assert!(squeeze(set, &x, [false, true, false], true).is_some());
    assert!(squeeze(set, &x, [false, false, true], true).is_none());
    assert!(unsqueeze(set, &x, [false, false, true], true).is_none());
}

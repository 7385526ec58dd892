//! Whether the axes of pairs are what they are read as: `[sample, channel, axes…]`.

use crate::io::Quantity;
use crate::problem::{ProblemError, QuantityConfig};

/// More channels of an image than these are rather a forgotten axis, unless somebody says what they are.
const OF_IMAGES: usize = 8;
/// The same of traces: two or three are components, a few more are not told from short images without a channel axis.
const OF_TRACES: usize = 4;

/// An error where what is taken for channels may be an axis of an image: they are many, or as many as the axis behind them, or
/// the last axis looks like that of one channel, and neither the problem file nor the file of pairs says what channels or axes are.
pub(super) fn asked(
    quantity: &'static str,
    shape: &[usize],
    config: &QuantityConfig,
    file: &Quantity,
) -> Result<(), ProblemError> {
    let (Some((&channels, extents)), true) = (shape.split_first(), shape.len() > 1) else { return Ok(()) };
    let is_doubtful = match extents {
        [one] => channels > OF_TRACES || (channels > 1 && channels == *one),
        // Channels last, as most other programs have them.
        [.., 1] => channels > 1,
        _ => channels > OF_IMAGES || (channels > OF_TRACES && extents.contains(&channels)),
    };
    let are_described = !config.axes.is_empty() || !config.channels.is_empty() || !file.channels.is_empty();
    // Whoever wrote names or units of the axes knew which they are; what nobody said are pixels.
    let is_said = file.grid.axes.len() == extents.len() && file.grid != crate::io::Grid::of_pixels(extents);
    match is_doubtful && !are_described && !is_said {
        true => Err(ProblemError::AxesInDoubt { quantity, found: shape.into(), channels, extents: extents.into() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Axis, Channel, Grid};

    #[test]
    fn many_channels_are_asked_about_unless_somebody_says_what_they_are() {
        let is_asked = |shape: &[usize]| asked("x", shape, &QuantityConfig::default(), &Quantity::default()).is_err();
        let doubtful =
            [&[8, 8][..], &[40, 40], &[5, 100], &[64, 1, 200], &[9, 8, 8], &[8, 8, 8], &[8, 16, 1], &[2, 8, 8, 1]];
        for shape in doubtful {
            assert!(is_asked(shape), "{shape:?}");
        }
        let plain = [&[100][..], &[1, 8, 8], &[3, 100], &[1, 1], &[1, 8, 1], &[8, 16, 16], &[3, 3, 3], &[2, 4, 4, 4]];
        for shape in plain {
            assert!(!is_asked(shape), "{shape:?}");
        }
        let channels = vec![Channel { name: "velocity".into(), unit: String::new() }; 8];
        let named = QuantityConfig { channels: channels.clone(), ..QuantityConfig::default() };
        assert!(asked("x", &[8, 8], &named, &Quantity::default()).is_ok());
        let of_file = |quantity: Quantity| asked("x", &[8, 8], &QuantityConfig::default(), &quantity).is_ok();
        assert!(of_file(Quantity { channels, ..Quantity::default() }));
        assert!(of_file(Quantity { grid: Grid::new(vec![Axis::new("time", 8, 1e-3, "s")]), ..Quantity::default() }));
        assert!(!of_file(Quantity { grid: Grid::of_pixels(&[8]), ..Quantity::default() }));
    }
}

//! Sizes and colours that all figures share. Lengths are pixels at 300 dpi: 26 pixels are 6.2 points in print.

use plotters::style::RGBColor;

/// Text of tick labels.
pub const TICK: f64 = 26.0;
/// Text of axis names, units and legends.
pub const LABEL: f64 = 28.0;
/// Text of panel titles.
pub const TITLE: f64 = 31.0;
/// Text of the figure's own title.
pub const HEADING: f64 = 40.0;
/// Space between a text and what it belongs to.
pub const GAP: f64 = 12.0;
/// Length of a tick.
pub const TICK_LENGTH: f64 = 8.0;
/// Width of frames and ticks.
pub const RULE: f64 = 2.0;
/// Width of curves.
pub const CURVE: f64 = 4.0;

/// Texts.
pub const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Frames and ticks.
pub const FRAME: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// Lines at the ticks of a plot.
pub const MESH: RGBColor = RGBColor(0xe8, 0xe8, 0xe8);
/// Pixels that are no numbers.
pub const MISSING: RGBColor = RGBColor(0xb8, 0xb8, 0xb8);
/// References: diagonals, floors.
pub const REFERENCE: RGBColor = RGBColor(0x70, 0x70, 0x70);
/// Bands of chance.
pub const CHANCE: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// The band of the first colour of [`SERIES`].
pub const BLUE_BAND: RGBColor = RGBColor(0xc6, 0xdf, 0xf0);

/// Colours of series that stay apart for colour-blind readers (Okabe and Ito 2008).
pub const SERIES: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x1a, 0x1a, 0x1a),
];

/// The colour of the series number `index`; they repeat after the last.
pub fn series_colour(index: usize) -> RGBColor {
    SERIES[index % SERIES.len()]
}

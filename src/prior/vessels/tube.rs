//! Drawing vessels into pixels.

use super::course::Piece;
use super::growth::Point;
use ndarray::Array3;

/// Width of a vessel's edge, in pixels.
const EDGE: f64 = 2.0;
/// How much dimmer a vessel is at its wall than in its middle.
const ROUND: f64 = 0.3;

/// Draws a piece as a tube: full contrast inside, falling smoothly to zero over the width of an edge at its radius.
/// A vessel thinner than an edge is as wide as one, and dimmer by as much as it is thinner: its pixels are not full of it.
/// Where vessels meet or cross, the brighter one is seen.
pub fn draw(image: &mut Array3<f32>, piece: &Piece) {
    let [a, b] = &piece.ends;
    let reach = piece.radii[0].max(piece.radii[1]).max(EDGE / 2.0) + EDGE / 2.0;
    let mut low = [0; 3];
    let mut high = [0; 3];
    for axis in 0..3 {
        let size = image.shape()[axis] as f64;
        let least = (a[axis].min(b[axis]) - reach).ceil().max(0.0);
        let most = (a[axis].max(b[axis]) + reach).floor().min(size - 1.0);
        if least > most {
            return;
        }
        (low[axis], high[axis]) = (least as usize, most as usize);
    }
    let along: Point = std::array::from_fn(|i| b[i] - a[i]);
    let square = (along[0] * along[0] + along[1] * along[1] + along[2] * along[2]).max(1e-12);
    let (start, growth) = (piece.radii[0], piece.radii[1] - piece.radii[0]);
    for z in low[0]..=high[0] {
        for y in low[1]..=high[1] {
            let from = [z as f64 - a[0], y as f64 - a[1]];
            let partial = from[0] * along[0] + from[1] * along[1];
            for x in low[2]..=high[2] {
                let across = x as f64 - a[2];
                let share = ((partial + across * along[2]) / square).clamp(0.0, 1.0);
                let off = [from[0] - share * along[0], from[1] - share * along[1], across - share * along[2]];
                let distance = off[0] * off[0] + off[1] * off[1] + off[2] * off[2];
                let radius = start + growth * share;
                let limit = radius.max(EDGE / 2.0) + EDGE / 2.0;
                if distance < limit * limit {
                    let inside = ((limit - distance.sqrt()) / EDGE).min(1.0);
                    let middle = 1.0 - ROUND * distance / (limit * limit);
                    let contrast = piece.contrast[0] + (piece.contrast[1] - piece.contrast[0]) * share;
                    let seen = contrast * (2.0 * radius / EDGE).min(1.0);
                    let value = (seen * middle * inside * inside * (3.0 - 2.0 * inside)) as f32;
                    let pixel = &mut image[[z, y, x]];
                    *pixel = pixel.max(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(shift: f64, radius: f64) -> f64 {
        let mut image = Array3::zeros((1, 32, 40));
        let ends = [[0.0, 15.0 + shift, -5.0], [0.0, 15.0 + shift, 50.0]];
        draw(&mut image, &Piece { ends, radii: [radius; 2], contrast: [0.8; 2] });
        image.iter().map(|&v| f64::from(v)).sum::<f64>() / 40.0
    }

    /// What a vessel adds up to does not depend on where it lies between the pixels.
    #[test]
    fn the_edge_is_smooth_enough_for_the_pixels() {
        for radius in [0.3, 0.6, 1.0, 2.3] {
            let whole = total(0.0, radius);
            for shift in [0.1, 0.25, 0.5, 0.77] {
                assert!((total(shift, radius) / whole - 1.0).abs() < 0.03, "radius {radius}, shift {shift}");
            }
        }
    }

    #[test]
    fn a_vessel_is_as_wide_as_it_is_told() {
        // Without its rounding a vessel of contrast 0.8 adds up to 0.8 times its diameter.
        let grown = total(0.0, 6.0) - total(0.0, 4.0);
        assert!((grown / (0.8 * 4.0) - (1.0 - ROUND / 3.0)).abs() < 0.03, "{grown}");
    }

    #[test]
    fn outside_nothing_is_drawn_and_crossings_show_the_brighter() {
        let mut image = Array3::zeros((3, 9, 9));
        let piece = |ends, contrast: f64| Piece { ends, radii: [1.5; 2], contrast: [contrast; 2] };
        draw(&mut image, &piece([[1.0, -20.0, 0.0], [1.0, -9.0, 30.0]], 1.0));
        assert!(image.iter().all(|&v| v == 0.0));
        draw(&mut image, &piece([[1.0, 4.0, 0.0], [1.0, 4.0, 8.0]], 0.5));
        draw(&mut image, &piece([[1.0, 0.0, 4.0], [1.0, 8.0, 4.0]], 0.9));
        assert!((image[[1, 4, 4]] - 0.9).abs() < 1e-6 && (image[[1, 4, 1]] - 0.5).abs() < 1e-6);
        assert_eq!(image[[1, 0, 0]], 0.0);
    }
}

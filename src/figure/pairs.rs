//! Pairs as they are trained on, side by side: what a person looks at before anything is trained.

use super::fields::Field;
use super::maps::Figure;
use super::posterior::map;
use super::{FigureError, Palette, extent};
use crate::io::{Grid, Quantity};
use ndarray::{ArrayD, Axis};
use std::path::Path;

/// Channels of each that are shown.
const CHANNELS: usize = 3;

/// Draws pairs as a PNG: a row for each, x, y, and the adjoint image where there is one, channel by channel.
///
/// Arrays are `[pair, channel, axes…]` or `[pair, parameter]`; each kind of image has one range of colours.
pub fn pairs_figure(
    title: &str,
    x: (&ArrayD<f32>, &Quantity),
    y: (&ArrayD<f32>, &Quantity),
    adjoint: Option<&ArrayD<f32>>,
    path: &Path,
) -> Result<(), FigureError> {
    let adjoint_of_x = Quantity { name: "adjoint of y".into(), grid: x.1.grid.clone(), ..Quantity::default() };
    let named = |name: &str, quantity: &Quantity| match quantity.name.as_str() {
        "" => name.to_owned(),
        what => format!("{name}, {what}"),
    };
    let mut columns = vec![(named("x", x.1), x.0, x.1), (named("y", y.1), y.0, y.1)];
    columns.extend(adjoint.map(|adjoint| (adjoint_of_x.name.clone(), adjoint, &adjoint_of_x)));
    let mut rows = vec![Vec::new(); x.0.len_of(Axis(0))];
    for (name, values, quantity) in columns {
        let is_vector = values.ndim() == 2;
        let channels = if is_vector { 1 } else { values.shape().get(1).copied().unwrap_or(1) };
        for channel in 0..channels.min(CHANNELS) {
            let of_channel = if is_vector { values.view() } else { values.index_axis(Axis(1), channel) };
            let range = extent(&of_channel);
            for (pair, row) in rows.iter_mut().enumerate() {
                let values = of_channel.index_axis(Axis(0), pair).to_owned();
                let grid = match quantity.grid.sizes() == values.shape() {
                    true => quantity.grid.clone(),
                    false => parameters(values.len()),
                };
                let title = match channels {
                    1 => format!("Pair {pair}: {name}"),
                    _ => format!("Pair {pair}: {name}, {}", quantity.name_of(channel)),
                };
                let unit = if is_vector { quantity.common_unit() } else { quantity.unit_of(channel) };
                row.push(map(&title, &Field { values, grid, unit: unit.into() }, Palette::Value, range));
            }
        }
    }
    Figure { title: title.into(), rows }.write_png(path)
}

fn parameters(count: usize) -> Grid {
    let mut grid = Grid::of_pixels(&[count]);
    grid.axes.iter_mut().for_each(|axis| axis.name = "parameter".into());
    grid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::encode::tests::decoded;
    use ndarray::IxDyn;

    #[test]
    fn every_rank_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.png");
        let numbers =
            |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |i| (0..shape.len()).map(|k| i[k] as f32).sum());
        let quantity = |shape: &[usize]| Quantity {
            name: "velocity".into(),
            unit: "m/s".into(),
            channels: vec![],
            grid: Grid::of_pixels(shape.get(2..).unwrap_or_default()),
        };
        for (x, y) in [
            (&[2, 1, 8, 8][..], &[2, 5, 30][..]),
            (&[2, 2, 4, 6, 8], &[2, 1, 4, 6, 8]),
            (&[2, 7], &[2, 1, 40]),
            (&[2, 3], &[2, 4]),
        ] {
            let (a, b) = (numbers(x), numbers(y));
            let adjoint = (x.len() > 2).then_some(&a);
            pairs_figure("Pairs", (&a, &quantity(x)), (&b, &quantity(y)), adjoint, &path).unwrap();
            assert!(decoded(&path).1[0] > 700, "{x:?}");
        }
    }
}

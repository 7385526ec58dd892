//! What the operator says of an observation: its adjoint image, and the traces that draws of the posterior predict.

use super::fields::{Dataset, Field};
use super::maps::{Content, Line, Panel};
use super::{FigureError, extent};
use crate::figure::axis::number;
use crate::figure::frame::{Side, coordinate};
use crate::io::Source;
use crate::operator::LinearOperator;
use ndarray::{ArrayD, ArrayView1, Axis};

/// Traces that are shown.
const TRACES: usize = 3;
/// The shares of the predictions between which the band lies.
const BAND: [f64; 2] = [0.05, 0.95];

/// An observation and what is computed with the operator.
pub struct Physics {
    observed: Field,
    /// Without noise, one for each draw; the first channel.
    predicted: Vec<ArrayD<f32>>,
    /// `[channel, axes…]`.
    adjoint: ArrayD<f32>,
}

impl Physics {
    /// Of one observation of a file with `observation` and perhaps `samples`.
    ///
    /// # Errors
    /// The operator does not belong to the file.
    pub fn read(source: &Source, operator: &dyn LinearOperator<f32>, index: usize) -> Result<Self, FigureError> {
        let row = source.rows("observation")?.rows(index..index + 1)?;
        let adjoint = operator.adjoint(row.view())?.index_axis_move(Axis(0), 0);
        let mut predicted = Vec::new();
        if source.has("samples") {
            let draws = source.rows("samples")?.rows(index..index + 1)?.index_axis_move(Axis(0), 0);
            let all = operator.apply(draws.view())?;
            let first =
                |y: ndarray::ArrayViewD<f32>| if y.ndim() > 1 { y.index_axis_move(Axis(0), 0) } else { y }.to_owned();
            predicted.extend(all.outer_iter().map(first));
        }
        let observed = Dataset::open(source, "observation", 1)?.read(&[index], 0)?;
        Ok(Self { observed, predicted, adjoint })
    }

    /// A channel of the adjoint image, which has the shape of the mean.
    pub fn adjoint(&self, mean: &Field, channel: usize) -> Option<Field> {
        let values = match self.adjoint.ndim() > 1 {
            true if channel < self.adjoint.len_of(Axis(0)) => self.adjoint.index_axis(Axis(0), channel).to_owned(),
            true => return None,
            false => self.adjoint.clone(),
        };
        let fits = values.shape() == mean.values.shape();
        fits.then(|| Field { values, grid: mean.grid.clone(), unit: String::new() })
    }

    /// A panel for each of some traces, and what they show; no panels where there are no draws.
    pub fn panels(&self) -> Result<(Vec<Vec<Panel>>, String), FigureError> {
        for predicted in &self.predicted {
            Field { values: predicted.clone(), ..self.observed.clone() }.check_like(&self.observed, "predicted")?;
        }
        let (axis, places) = traces(&self.observed);
        let panels = match self.predicted.is_empty() {
            true => Vec::new(),
            false => places.iter().map(|place| self.panel(axis, place)).collect(),
        };
        let caption = "what was observed, and the mean and central 90 % of what the operator makes of the draws. The predictions \
                       have no noise: a right posterior leaves the observation around them by the noise alone.";
        Ok((vec![panels], caption.into()))
    }

    fn panel(&self, axis: usize, place: &[usize]) -> Panel {
        let observed = self.observed.along(axis, place);
        let draws =
            |values: &ArrayD<f32>| Field { values: values.clone(), ..self.observed.clone() }.along(axis, place).values;
        let draws: Vec<ArrayD<f32>> = self.predicted.iter().map(draws).collect();
        let statistic = |of: &dyn Fn(Vec<f32>) -> f32| {
            let at = |i: usize| of(draws.iter().filter_map(|draw| draw.get([i]).copied()).collect());
            (0..observed.values.len()).map(at).collect::<ndarray::Array1<f32>>().into_dyn()
        };
        let mean = statistic(&|values| ArrayView1::from(&values).mean().unwrap_or(f32::NAN));
        let limits = BAND.map(|share| statistic(&|values| quantile(values, share)));
        let range = extent(limits.iter().flatten().chain(&observed.values));
        let axes = &self.observed.grid.axes;
        let at = |other: usize| {
            let unit = Side::of_axis(&axes[other]).unit;
            format!("{} = {} {unit}", axes[other].name, number(coordinate(&axes[other], place[other])))
                .trim_end()
                .to_owned()
        };
        let others: Vec<String> = (0..axes.len()).filter(|other| *other != axis).map(at).collect();
        let lines =
            vec![Line::new("predicted, mean", mean, 0), Line::new("observed", observed.values.clone(), Line::BLACK)];
        Panel {
            title: if others.is_empty() { "Observation".into() } else { format!("Trace at {}", others.join(", ")) },
            unit: observed.unit,
            grid: observed.grid,
            content: Content::Profile { lines, band: Some(("predicted, 90 %".into(), limits)), range },
        }
    }
}

/// The axis along which traces run, the one called time or the last, and where: evenly over the first of the other axes, in
/// the middle of the rest.
fn traces(observed: &Field) -> (usize, Vec<Vec<usize>>) {
    let axes = &observed.grid.axes;
    let time = axes.iter().position(|axis| axis.name.contains("time")).unwrap_or(axes.len().saturating_sub(1));
    let middle: Vec<usize> = axes.iter().map(|axis| axis.size / 2).collect();
    let Some(across) = (0..axes.len()).find(|axis| *axis != time) else {
        return (time, vec![middle]);
    };
    let size = axes[across].size;
    let count = TRACES.min(size);
    let place = |k: usize| {
        let mut place = middle.clone();
        place[across] = (2 * k + 1) * size / (2 * count);
        place
    };
    (time, (0..count).map(place).collect())
}

/// The share of sorted values that lies below, linear between them.
fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = share * values.len().saturating_sub(1) as f64;
    let (low, high) = (values.get(at.floor() as usize), values.get(at.ceil() as usize));
    match (low, high) {
        (Some(low), Some(high)) => low + (high - low) * at.fract() as f32,
        _ => f32::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::posterior::tests::{names, written};
    use crate::figure::posterior_figures;
    use crate::io::{Axis as Of, Grid, Kind};
    use crate::operator::identity::Identity;

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(
            [0.0, 0.05, 0.5, 1.0].map(|share| quantile(vec![30.0, 10.0, 20.0], share)),
            [10.0, 11.0, 20.0, 30.0]
        );
        assert!(quantile(vec![], 0.5).is_nan());
    }

    #[test]
    fn traces_run_along_time() {
        let field = |axes: Vec<Of>| {
            let grid = Grid::new(axes);
            Field { values: ArrayD::zeros(grid.sizes()), grid, unit: String::new() }
        };
        let (time, receiver) = (Of::new("time", 100, 1e-3, "s"), Of::new("receiver", 30, 1.0, "m"));
        assert_eq!(
            traces(&field(vec![time.clone(), receiver.clone()])),
            (0, vec![vec![50, 5], vec![50, 15], vec![50, 25]])
        );
        assert_eq!(traces(&field(vec![receiver, time.clone()])).0, 1);
        assert_eq!(traces(&field(vec![time])), (0, vec![vec![50]]));
        assert_eq!(traces(&field(vec![Of::new("row", 2, 1.0, ""), Of::new("column", 9, 1.0, "")])).1.len(), 2);
    }

    #[test]
    fn the_operator_adds_the_adjoint_and_the_data() {
        let folder = tempfile::tempdir().unwrap();
        const IMAGE: &[&str] = &["record", "channel"];
        let datasets: &[(&str, &[&str], &[usize])] = &[
            ("mean", IMAGE, &[1, 1, 8, 6]),
            ("observation", IMAGE, &[1, 1, 8, 6]),
            ("samples", &["record", "draw", "channel"], &[1, 5, 1, 8, 6]),
        ];
        let path = written(folder.path(), Kind::Posterior, datasets);
        let operator = Identity::new(&[1, 8, 6]).unwrap();
        let drawn = posterior_figures(&path, folder.path(), "p", 1, Some(&operator)).unwrap();
        assert_eq!(names(&drawn), ["p-0.png", "p-0-profiles.png", "p-0-data.png", "p-0-draws.gif"]);
        assert!(drawn[0].caption.contains("adjoint image"), "{drawn:?}");
        let other = Identity::new(&[1, 8, 7]).unwrap();
        assert!(posterior_figures(&path, folder.path(), "p", 1, Some(&other)).is_err());
    }
}

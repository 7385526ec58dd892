//! Maximum projections of a posterior over volumes.

use super::fields::Field;
use super::maps::{Content, Panel};
use super::posterior::{Posterior, map};
use super::{Palette, extent};
use ndarray::Axis;

impl Posterior {
    /// Maximum projections of a volume: what is compared with the truth above, the deviation below it.
    pub fn projections(&self) -> Vec<Vec<Panel>> {
        if self.mean.values.ndim() != 3 {
            return Vec::new();
        }
        let project = |title: &str, field: &Field, palette, range| Panel {
            content: Content::Projection { values: field.values.clone(), palette, range },
            ..map(title, field, palette, range)
        };
        let (values, deviations) = (self.projected_range(), self.deviation_range());
        let named = [("Truth", self.truth.as_ref()), ("Posterior mean", Some(&self.mean))];
        let named = named.into_iter().chain([
            ("Exact mean", self.exact_mean.as_ref()),
            ("Classical image", self.classical.as_ref().map(|(_, field)| field)),
        ]);
        let mut above: Vec<Panel> =
            named.filter_map(|(title, field)| Some(project(title, field?, Palette::Value, values))).collect();
        let deviation = self.standard_deviation.as_ref();
        above.extend(deviation.map(|field| project("Standard deviation", field, Palette::Deviation, deviations)));
        let draw = |(i, sample)| project(&format!("Draw {}", i + 1), sample, Palette::Value, values);
        let below = self.samples.iter().enumerate().take(above.len()).map(draw).collect();
        vec![above, below]
    }

    /// From the least to the greatest value of the projections of all but the draws, which may go a little beyond.
    pub fn projected_range(&self) -> [f64; 2] {
        let fields = [Some(&self.mean), self.truth.as_ref(), self.exact_mean.as_ref()];
        let projected = |field: &Field| -> Vec<f32> {
            let axes = (0..field.values.ndim()).map(Axis);
            axes.flat_map(|axis| field.values.fold_axis(axis, f32::NAN, |a, b| a.max(*b))).collect()
        };
        let all: Vec<f32> = fields.into_iter().flatten().flat_map(projected).collect();
        [extent(&all)[0], self.value_range()[1]]
    }
}

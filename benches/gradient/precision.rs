//! What recomputing activations costs in precision.

use anyhow::Context;
use burn::tensor::DType;
use posteria::flow::parameters;

use crate::arguments::Point;
use crate::subject::Subject;

/// The cosine between the gradients in single and in double precision, all parameters in one vector.
pub fn gradient_cosine(subject: Subject, point: &Point) -> anyhow::Result<f64> {
    let single = flattened(&subject, point)?;
    let double = flattened(&subject.double(), point)?;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Ok(dot(&single, &double) / (dot(&single, &single) * dot(&double, &double)).sqrt())
}

fn flattened(subject: &Subject, point: &Point) -> anyhow::Result<Vec<f64>> {
    let gradients = subject.gradient(point.memory)?.parameters;
    let mut all = Vec::new();
    for (parameter, _) in parameters(&subject.glow) {
        let gradient = gradients.get(&parameter.id).with_context(|| format!("{}: no gradient", parameter.path))?;
        all.extend(gradient.clone().cast(DType::F64).into_data().try_to_vec::<f64>()?);
    }
    Ok(all)
}

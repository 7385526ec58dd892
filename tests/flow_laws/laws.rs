//! What must hold for any invertible layer, on parameters that are far from their start.

use burn::tensor::{DType, Device, Tensor, TensorData};
use faer::Mat;
pub use posteria::flow::Direction;
use posteria::flow::{
    Field, GradientSlot, Invertible, ParameterGradients, PerSample, Plan, Pull, State, Tapes, cast, map_parameters,
    parameters, standard_normal,
};
use posteria::random::{Purpose, stream};
use rand_distr::{Distribution, StandardNormal};

/// A layer in f64 with random parameters, and what it is tried on.
#[derive(Clone)]
pub struct Case<L> {
    pub layer: L,
    pub x: Field,
    pub c: Vec<Field>,
}

impl<L: Invertible> Case<L> {
    /// Random parameters: log-scales of rms 0.3, weights that keep variance, so that every part has an effect.
    pub fn new(layer: L, x: [usize; 5], c: &[[usize; 5]], device: &Device) -> Self {
        Self::scaled(layer, x, c, 1.0, 0.3, device)
    }

    /// As [`Case::new`], with the size of the weights and of the log-scales of ActNorm chosen.
    pub fn scaled(layer: L, x: [usize; 5], c: &[[usize; 5]], weights: f64, log_scales: f64, device: &Device) -> Self {
        let mut rng = stream(17, Purpose::Weights, 0);
        let layer = map_parameters(cast(layer, DType::F64), &mut |parameter, value| {
            let count = value.dims()[0];
            let fan_in = parameter.shape.iter().skip(1).product::<usize>().max(1) as f64;
            let size = match parameter.path.rsplit('.').next() {
                Some("log_scale") => log_scales,
                Some("vectors") => 1.0,
                Some("weight") => weights * (2.0 / fan_in).sqrt(),
                _ => 0.2 * weights,
            };
            let values: Vec<f64> =
                (0..count).map(|_| size * Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
            Tensor::from_data(TensorData::new(values, [count]), (device, DType::F64))
        });
        let mut rng = stream(17, Purpose::Diagnostic, 0);
        let x = standard_normal(x, &mut rng, DType::F64, device);
        let c = c.iter().map(|&shape| standard_normal(shape, &mut rng, DType::F64, device)).collect();
        Self { layer, x, c }
    }

    pub fn layer_parameters_dtype(&self) -> DType {
        parameters(&self.layer)[0].1.dtype()
    }

    /// The same layer with the same numbers on another device, in another type.
    pub fn on(&self, device: &Device, dtype: DType) -> Self {
        Self {
            layer: map_parameters(self.layer.clone(), &mut |_, value| on(&value, device, dtype)),
            x: on(&self.x, device, dtype),
            c: self.c.iter().map(|c| on(c, device, dtype)).collect(),
        }
    }
}

impl<L: Invertible> Case<L> {
    pub fn apply(&self, to: Direction, x: Field) -> (Field, PerSample) {
        self.layer.transform(to, x, &self.c, &mut Tapes::none())
    }
}

/// Everything a loss ⟨w, output⟩ + ⟨v, log_det⟩ has gradients in.
pub struct Gradients {
    pub recomputed: Field,
    pub x: Field,
    pub c: Vec<Field>,
    pub parameters: ParameterGradients,
}

/// The tolerances in double precision.
pub struct Laws {
    pub round_trip: f64,
    pub log_det: f64,
    pub least_slope: f64,
}

impl Default for Laws {
    fn default() -> Self {
        Self { round_trip: 1e-10, log_det: 1e-8, least_slope: 1.8 }
    }
}

impl Laws {
    /// Every law; the first that does not hold is the error.
    pub fn check<L: Invertible>(&self, case: &Case<L>) -> Result<(), String> {
        let shapes: Vec<[usize; 5]> = case.c.iter().map(|c| c.dims()).collect();
        let of = |to, x: [usize; 5]| case.layer.output_shape(to, x, &shapes).map_err(|e| e.to_string());
        let shape = of(Direction::Forward, case.x.dims())?;
        let (z, _) = case.layer.forward(case.x.clone(), &case.c, &mut Tapes::none());
        if z.dims() != shape {
            return Err(format!("output_shape says {shape:?}, forward gives {:?}", z.dims()));
        }
        let back = of(Direction::Inverse, shape)?;
        if back != case.x.dims() {
            return Err(format!("output_shape of the inverse says {back:?}, x has {:?}", case.x.dims()));
        }
        self.round_trip(case)?;
        self.log_dets(case)?;
        samples_are_independent(case)?;
        for direction in [Direction::Forward, Direction::Inverse] {
            self.gradients(case, direction)?;
            tapes_change_nothing(case, direction)?;
        }
        single_precision_follows(case)
    }

    fn round_trip<L: Invertible>(&self, case: &Case<L>) -> Result<(), String> {
        let (z, forward) = case.layer.forward(case.x.clone(), &case.c, &mut Tapes::none());
        let (x, inverse) = case.layer.inverse(z, &case.c, &mut Tapes::none());
        let error = relative(&x, &case.x);
        let log_det = norm(&values(&(forward.clone() + inverse))) / (1.0 + norm(&values(&forward)));
        within("round trip", error, self.round_trip)?;
        within("log_det of the inverse", log_det, self.round_trip)
    }

    /// log_det of each sample against the determinant of the Jacobian, by five-point differences.
    fn log_dets<L: Invertible>(&self, case: &Case<L>) -> Result<(), String> {
        let [batch, rest @ ..] = case.x.dims();
        let n: usize = rest.iter().product();
        let h = 1e-3;
        let x = values(&case.x);
        let mut jacobians = vec![Mat::<f64>::zeros(n, n); batch];
        for j in 0..n {
            let at = |step: f64| {
                let mut moved = x.clone();
                (0..batch).for_each(|b| moved[b * n + j] += step);
                values(&case.layer.forward(like(&case.x, moved), &case.c, &mut Tapes::none()).0)
            };
            let (far_up, up, down, far_down) = (at(2.0 * h), at(h), at(-h), at(-2.0 * h));
            for (b, jacobian) in jacobians.iter_mut().enumerate() {
                for i in 0..n {
                    let k = b * n + i;
                    jacobian[(i, j)] = (8.0 * (up[k] - down[k]) - (far_up[k] - far_down[k])) / (12.0 * h);
                }
            }
        }
        let log_det = values(&case.layer.forward(case.x.clone(), &case.c, &mut Tapes::none()).1);
        for (b, jacobian) in jacobians.iter().enumerate() {
            let numerical = jacobian.determinant().abs().ln();
            within(
                "log_det against the Jacobian",
                (numerical - log_det[b]).abs() / (1.0 + log_det[b].abs()),
                self.log_det,
            )?;
        }
        Ok(())
    }

    /// Slopes of L(θ + h d) − L(θ) − h⟨g, d⟩ in h, along a random direction of each parameter, of x and of each
    /// condition: two for a right gradient, one for a wrong one.
    fn gradients<L: Invertible>(&self, case: &Case<L>, direction: Direction) -> Result<(), String> {
        let start = self.start(case, direction);
        let (w, v) = probes(case, direction);
        let g = gradients(case, direction, &w, &v);
        let recomputed = relative(&g.recomputed, &start);
        within(&format!("{direction:?}: recomputed input"), recomputed, self.round_trip)?;

        let loss = |case: &Case<L>, x: Field| {
            let (out, log_det) = case.apply(direction, x);
            ((out * w.clone()).sum() + (log_det * v.clone()).sum()).into_scalar::<f64>()
        };
        let d = random_like(&start, 1);
        let slope = (g.x.clone() * d.clone()).sum().into_scalar::<f64>();
        self.slope(&format!("{direction:?}: x"), slope, |h| loss(case, start.clone() + d.clone() * h))?;
        for (i, c) in case.c.iter().enumerate() {
            let d = random_like(c, 2 + i as u64);
            let slope = (g.c[i].clone() * d.clone()).sum().into_scalar::<f64>();
            self.slope(&format!("{direction:?}: condition {i}"), slope, |h| {
                let mut moved = case.clone();
                moved.c[i] = c.clone() + d.clone() * h;
                loss(&moved, start.clone())
            })?;
        }
        for (k, (parameter, value)) in parameters(&case.layer).into_iter().enumerate() {
            let d = random_like(&value, 100 + k as u64);
            let Some(gradient) = g.parameters.get(&parameter.id) else {
                return Err(format!("{direction:?}: {} has no gradient", parameter.path));
            };
            let slope = (gradient.clone() * d.clone()).sum().into_scalar::<f64>();
            self.slope(&format!("{direction:?}: {}", parameter.path), slope, |h| {
                let layer = map_parameters(case.layer.clone(), &mut |p, value| {
                    if p.id == parameter.id { value + d.clone() * h } else { value }
                });
                loss(&Case { layer, ..case.clone() }, start.clone())
            })?;
        }
        Ok(())
    }

    /// Where a direction starts: data, or a latent.
    fn start<L: Invertible>(&self, case: &Case<L>, direction: Direction) -> Field {
        match direction {
            Direction::Forward => case.x.clone(),
            Direction::Inverse => case.layer.forward(case.x.clone(), &case.c, &mut Tapes::none()).0,
        }
    }

    fn slope(&self, what: &str, gradient: f64, loss: impl Fn(f64) -> f64) -> Result<(), String> {
        let base = loss(0.0);
        let steps: Vec<f64> = (0..7).map(|i| 2e-3 * 0.5f64.powi(i)).collect();
        let errors: Vec<f64> = steps.iter().map(|&h| (loss(h) - base - h * gradient).abs()).collect();
        let rounding = 1e-12 * (1.0 + base.abs() + gradient.abs());
        if errors.iter().all(|&e| e <= rounding) {
            return Ok(());
        }
        // Least squares of log error on log h, over the smallest steps that stand clear of rounding: at larger ones the
        // second order may cancel against the third.
        let clear = steps.iter().zip(&errors).filter(|&(_, &e)| e > 10.0 * rounding);
        let points: Vec<(f64, f64)> = clear.rev().take(4).map(|(&h, &e)| (h.ln(), e.ln())).collect();
        if points.len() < 3 {
            return Ok(());
        }
        let n = points.len() as f64;
        let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        let covariance: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
        let variance: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
        let slope = covariance / variance;
        if slope >= self.least_slope {
            Ok(())
        } else {
            Err(format!("{what}: the gradient is wrong (slope {slope:.2}, errors {errors:?}, ⟨g, d⟩ = {gradient:.3e})"))
        }
    }
}

/// A gradient that finds tapes of its map is that of one that computes everything again.
fn tapes_change_nothing<L: Invertible>(case: &Case<L>, direction: Direction) -> Result<(), String> {
    let (w, v) = probes(case, direction);
    let of = |plan| gradients_within(plan, case, direction, &w, &v);
    let (expected, found) = (of(Plan::least()), of(Plan::within(1 << 30)));
    let close = |what: &str, found: &[f64], expected: &[f64]| {
        let difference: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        within(&format!("{direction:?}: {what} with tapes"), norm(&difference) / (1e-9 + norm(expected)), 1e-9)
    };
    close("x", &values(&found.x), &values(&expected.x))?;
    close("recomputed input", &values(&found.recomputed), &values(&expected.recomputed))?;
    found.c.iter().zip(&expected.c).try_for_each(|(a, b)| close("condition", &values(a), &values(b)))?;
    let all = |g: Gradients| flattened(case, g);
    close("parameters", &all(found), &all(expected))
}

/// A sample alone gives what it gives in a batch.
fn samples_are_independent<L: Invertible>(case: &Case<L>) -> Result<(), String> {
    let batch = case.x.dims()[0];
    let (z, log_det) = case.layer.forward(case.x.clone(), &case.c, &mut Tapes::none());
    for b in 0..batch {
        let alone = |field: &Field| field.clone().narrow(0, b, 1);
        let c: Vec<Field> = case.c.iter().map(alone).collect();
        let (one, one_log_det) = case.layer.forward(alone(&case.x), &c, &mut Tapes::none());
        within("a sample alone", relative(&one, &alone(&z)), 1e-12)?;
        let difference = (one_log_det - log_det.clone().narrow(0, b, 1)).abs().into_scalar::<f64>();
        within("log_det of a sample alone", difference, 1e-10)?;
    }
    Ok(())
}

fn single_precision_follows<L: Invertible>(case: &Case<L>) -> Result<(), String> {
    let (round_trip, cosine) = single_precision(case, &case.x.device());
    within("f32 round trip", round_trip, 1e-4)?;
    within("1 − cosine of the f32 gradient", 1.0 - cosine, 1e-4)
}

/// The round trip in f32 on a device, and the cosine of all parameter gradients (of x where there are none) with those in
/// f64.
pub fn single_precision<L: Invertible>(case: &Case<L>, device: &Device) -> (f64, f64) {
    let single = case.on(device, DType::F32);
    let (z, _) = single.layer.forward(single.x.clone(), &single.c, &mut Tapes::none());
    let (x, _) = single.layer.inverse(z, &single.c, &mut Tapes::none());
    let round_trip = relative(&x, &single.x);
    let (w, v) = probes(case, Direction::Forward);
    let reference = flattened(case, gradients(case, Direction::Forward, &w, &v));
    let (w, v) = (on(&w, device, DType::F32), on(&v, device, DType::F32));
    let found = flattened(&single, gradients(&single, Direction::Forward, &w, &v));
    if norm(&reference) < 1e-9 && norm(&found) < 1e-5 {
        return (round_trip, 1.0); // no parameter has an effect: one channel can only change its sign
    }
    let dot: f64 = reference.iter().zip(&found).map(|(a, b)| a * b).sum();
    (round_trip, dot / (norm(&reference) * norm(&found)))
}

fn flattened<L: Invertible>(case: &Case<L>, g: Gradients) -> Vec<f64> {
    let all: Vec<f64> = parameters(&case.layer)
        .iter()
        .filter_map(|(parameter, _)| g.parameters.get(&parameter.id))
        .flat_map(values)
        .collect();
    if all.is_empty() { values(&g.x) } else { all }
}

fn gradients<L: Invertible>(case: &Case<L>, direction: Direction, w: &Field, v: &PerSample) -> Gradients {
    gradients_within(Plan::least(), case, direction, w, v)
}

pub fn gradients_within<L: Invertible>(
    plan: Plan,
    case: &Case<L>,
    direction: Direction,
    w: &Field,
    v: &PerSample,
) -> Gradients {
    let mut tapes = Tapes::new(plan);
    let mut dc = vec![GradientSlot::Empty; case.c.len()];
    let mut parameters = ParameterGradients::new();
    let (layer, c) = (&case.layer, &case.c);
    let start = match direction {
        Direction::Forward => case.x.clone(),
        Direction::Inverse => layer.forward(case.x.clone(), c, &mut Tapes::none()).0,
    };
    let (output, _) = layer.transform(direction, start, c, &mut tapes);
    let mut pull =
        Pull { condition: c, dcondition: &mut dc, dparameters: &mut parameters, dlog_det: v, tapes: &mut tapes };
    let State { value: recomputed, gradient: x } =
        layer.pull(direction, State { value: output, gradient: w.clone() }, &mut pull);
    let c = dc.into_iter().zip(c).map(|(slot, c)| slot.into_sum().unwrap_or_else(|| c.zeros_like())).collect();
    Gradients { recomputed, x, c, parameters }
}

/// Random weights of the output and of log_det in the loss.
pub fn probes<L: Invertible>(case: &Case<L>, direction: Direction) -> (Field, PerSample) {
    let (z, log_det) = case.layer.forward(case.x.clone(), &case.c, &mut Tapes::none());
    let output = match direction {
        Direction::Forward => z,
        Direction::Inverse => case.x.clone(),
    };
    (random_like(&output, 50), random_like(&log_det, 51))
}

fn random_like<const D: usize>(tensor: &Tensor<D>, index: u64) -> Tensor<D> {
    let mut rng = stream(23, Purpose::Diagnostic, index);
    let count = tensor.shape().num_elements();
    let values: Vec<f64> = (0..count).map(|_| StandardNormal.sample(&mut rng)).collect();
    like(tensor, values)
}

fn like<const D: usize>(tensor: &Tensor<D>, values: Vec<f64>) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, tensor.dims()), (&tensor.device(), DType::F64))
}

/// Converted on the host: not every device has f64.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().into_data().convert_dtype(DType::F64).try_to_vec().expect("floats")
}

/// The same numbers on another device, in another type.
pub fn on<const D: usize>(tensor: &Tensor<D>, device: &Device, dtype: DType) -> Tensor<D> {
    Tensor::from_data(tensor.clone().into_data().convert_dtype(dtype), (device, dtype))
}

pub fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// ‖a − b‖ / ‖b‖.
fn relative<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f64 {
    let (a, b) = (values(a), values(b));
    let difference: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(&b)
}

fn within(what: &str, error: f64, tolerance: f64) -> Result<(), String> {
    if error <= tolerance { Ok(()) } else { Err(format!("{what}: {error:.2e} is more than {tolerance:.0e}")) }
}

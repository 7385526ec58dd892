//! The transform of a coupling in place: values, gradients and the transform's parameters are all overwritten.

use crate::kernels::Transform;
use crate::kernels::fast::coupling::{Forward, ForwardPull, Inverse, InversePull, Map};
use crate::kernels::fast::instruction_set::{InstructionSet, Kernel, Simd};
use crate::kernels::fast::math::{sum, tanh};

/// Which map a sweep evaluates, or pulls back from its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The transform.
    Forward,
    /// Its inverse.
    Inverse,
}

impl Direction {
    /// The other one.
    pub fn reversed(self) -> Self {
        match self {
            Direction::Forward => Direction::Inverse,
            Direction::Inverse => Direction::Forward,
        }
    }
}

/// One run of pixels of one channel.
pub struct Run<'a> {
    /// Overwritten by the other side of the transform.
    pub x: &'a mut [f32],
    /// Where a gradient is pulled back: it is overwritten by that of the other side, and the parameters by theirs.
    pub dx: Option<&'a mut [f32]>,
    /// The pre-scale; empty where there is none.
    pub a: &'a mut [f32],
    pub t: &'a mut [f32],
    /// ∂L/∂log_det of the sample.
    pub dlog_det: f32,
}

/// Evaluates the transform and returns the log-determinant, or with a gradient undoes it, pulls the gradient back, and
/// returns zero.
pub fn transform(
    set: InstructionSet,
    transform: Transform,
    direction: Direction,
    run: Run,
    logs: &mut Vec<f32>,
) -> f32 {
    let bound = match transform {
        Transform::Affine { bound } => bound as f32,
        Transform::Additive => {
            additive(direction, run);
            return 0.0;
        }
    };
    logs.resize(run.x.len(), 0.0);
    let logs = &mut logs[..];
    match (direction, run.dx.is_some()) {
        (Direction::Forward, false) => set.run(Evaluate { map: Forward, run, bound, logs }),
        (Direction::Inverse, false) => set.run(Evaluate { map: Inverse, run, bound, logs }),
        (Direction::Forward, true) => set.run(Pull { map: ForwardPull, run, bound }),
        (Direction::Inverse, true) => set.run(Pull { map: InversePull, run, bound }),
    }
}

fn additive(direction: Direction, run: Run) {
    let Run { x, dx, t, .. } = run;
    let undone = dx.is_some();
    let sign = if (direction == Direction::Forward) != undone { 1.0 } else { -1.0 };
    x.iter_mut().zip(t.iter()).for_each(|(x, t)| *x += sign * t);
    if let Some(dx) = dx {
        // t̄ = x̄ of the forward map, −x̄ of the inverse.
        t.iter_mut().zip(dx.iter()).for_each(|(t, dx)| *t = -sign * dx);
    }
}

struct Evaluate<'a, M> {
    map: M,
    run: Run<'a>,
    bound: f32,
    logs: &'a mut [f32],
}

impl<M: Map<1>> Kernel for Evaluate<'_, M> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self) -> f32 {
        let Self { map, run: Run { x, a, t, .. }, bound, logs } = self;
        let n = x.len();
        let (a, t, logs) = (&a[..n], &t[..n], &mut logs[..n]);
        let inverse = 1.0 / bound;
        for i in 0..n {
            let h = tanh::<S>(a[i] * inverse);
            logs[i] = h * bound;
            let [y] = map.at::<S>(x[i], 0.0, logs[i], 0.0, t[i], 0.0);
            x[i] = y;
        }
        M::SIGN * sum::<S>(logs)
    }
}

struct Pull<'a, M> {
    map: M,
    run: Run<'a>,
    bound: f32,
}

impl<M: Map<3>> Kernel for Pull<'_, M> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self) -> f32 {
        let Self { map, run: Run { x, dx, a, t, dlog_det }, bound } = self;
        let n = x.len();
        let Some(dx) = dx else {
            return 0.0;
        };
        let (dx, a, t) = (&mut dx[..n], &mut a[..n], &mut t[..n]);
        let inverse = 1.0 / bound;
        for i in 0..n {
            let h = tanh::<S>(a[i] * inverse);
            let [y, dy, da] = map.at::<S>(x[i], dx[i], h * bound, S::fused(-h, h, 1.0), t[i], dlog_det);
            t[i] = if M::SIGN > 0.0 { dx[i] } else { -dy };
            (x[i], dx[i], a[i]) = (y, dy, da);
        }
        0.0
    }
}

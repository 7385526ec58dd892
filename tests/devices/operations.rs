//! Every operation of `posteria::kernels`.

use burn::tensor::{DType, Device, Tensor};
use posteria::flow::standard_normal;
use posteria::kernels::{
    Field, Pad, Padding, affine_forward, affine_forward_vjp, affine_inverse, affine_inverse_vjp, channel_dots,
    channel_sums, checkerboard, checkerboard_inverse, convolve, convolve_input_adjoint, convolve_weight_adjoint, gram,
    haar, haar_inverse, leaky_relu, leaky_relu_pull, no_log_det, reflect, reflection_gradients, replace_channels,
    sample_distances, sample_dots, scale_channels, scale_then_shift, shift_channels, shift_then_scale, silu, silu_pull,
    wrap, wrap_adjoint,
};
use posteria::random::{Purpose, stream};

use crate::Found;
use crate::judge::{Judge, Kind};
use crate::laws::values;

/// The same numbers, exact in f32, wherever they are wanted.
struct Source<'a> {
    device: &'a Device,
    dtype: DType,
}

impl Source<'_> {
    fn field(&self, shape: [usize; 5], index: u64) -> Field {
        let mut rng = stream(5, Purpose::Diagnostic, index);
        let numbers = standard_normal(shape, &mut rng, DType::F32, &Device::flex()).into_data();
        Tensor::from_data(numbers.convert_dtype(self.dtype), (self.device, self.dtype))
    }

    fn vector(&self, count: usize, index: u64) -> Tensor<1> {
        self.field([1, 1, 1, 1, count], index).reshape([count])
    }

    fn matrix(&self, rows: usize, columns: usize, index: u64) -> Tensor<2> {
        self.field([1, 1, 1, rows, columns], index).reshape([rows, columns])
    }
}

type Operation = Box<dyn Fn(&Source) -> Vec<f64>>;

/// An operation by name, with how exact it must be.
struct Entry {
    kind: Kind,
    name: String,
    run: Operation,
}

pub fn check(found: &Found, judge: &mut Judge) {
    compare(entries(), found, judge);
}

/// Only what must be true f32 on any device.
pub fn check_exact(found: &Found, judge: &mut Judge) {
    compare(entries().into_iter().filter(|entry| entry.kind == Kind::Exact).collect(), found, judge);
}

fn compare(entries: Vec<Entry>, found: &Found, judge: &mut Judge) {
    let reference = Source { device: &Device::flex(), dtype: DType::F64 };
    let device = Source { device: &found.device, dtype: DType::F32 };
    for Entry { kind, name, run } in entries {
        judge.attempt(&name, |judge| judge.compare(kind, &name, &run(&device), &run(&reference), 1.0));
    }
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for shape in [[3, 4, 1, 1, 1], [2, 3, 1, 1, 7], [2, 4, 1, 6, 5], [1, 6, 4, 2, 6], [2, 48, 1, 64, 64]] {
        on_channels(shape, &mut entries);
        squeezes(shape, &mut entries);
        couplings(shape, &mut entries);
    }
    convolutions(&mut entries);
    entries
}

fn entry(entries: &mut Vec<Entry>, kind: Kind, name: String, run: impl Fn(&Source) -> Vec<f64> + 'static) {
    entries.push(Entry { kind, name, run: Box::new(run) });
}

fn on_channels(shape: [usize; 5], entries: &mut Vec<Entry>) {
    let channels = shape[1];
    let mut exact = |name: &str, run: fn(&Source, [usize; 5]) -> Vec<f64>| {
        entry(entries, Kind::Exact, format!("{name} {shape:?}"), move |s| run(s, shape));
    };
    exact("scale_channels", |s, shape| values(&scale_channels(s.field(shape, 0), s.vector(shape[1], 1))));
    exact("shift_channels", |s, shape| values(&shift_channels(s.field(shape, 0), s.vector(shape[1], 1))));
    exact("no_log_det", |s, shape| values(&no_log_det(&s.field(shape, 0))));
    exact("leaky_relu", |s, shape| values(&leaky_relu(s.field(shape, 0), 0.1)));
    exact("leaky_relu_pull", |s, shape| values(&leaky_relu_pull(s.field(shape, 0), s.field(shape, 1), 0.1)));
    exact("silu", |s, shape| values(&silu(s.field(shape, 0))));
    exact("silu_pull", |s, shape| values(&silu_pull(s.field(shape, 0), s.field(shape, 1))));
    exact("scale_then_shift", |s, shape| {
        values(&scale_then_shift(s.field(shape, 0), s.vector(shape[1], 1), s.vector(shape[1], 2)))
    });
    exact("shift_then_scale", |s, shape| {
        values(&shift_then_scale(s.field(shape, 0), s.vector(shape[1], 1), s.vector(shape[1], 2)))
    });
    exact("replace_channels", |s, shape| {
        let part = s.field(shape, 1).narrow(1, 1, shape[1] - 1);
        values(&replace_channels(s.field(shape, 0), 1, part))
    });
    // Squares: sums that do not cancel.
    exact("channel_sums", |s, shape| values(&channel_sums(s.field(shape, 0).square())));
    exact("channel_dots", |s, shape| values(&channel_dots(&s.field(shape, 0), &s.field(shape, 0))));
    exact("sample_dots", |s, shape| values(&sample_dots(&s.field(shape, 0), &s.field(shape, 0))));
    exact("sample_distances", |s, shape| values(&sample_distances(&s.field(shape, 0), &s.field(shape, 1))));
    exact("gram", |s, shape| {
        let x = s.field(shape, 0);
        values(&gram(x.clone() + s.field(shape, 1), x))
    });
    for count in [1, 3.min(channels), channels.min(12)] {
        entry(entries, Kind::Exact, format!("{count} reflections {shape:?}"), move |s| {
            values(&reflect(s.field(shape, 0), s.matrix(count, channels, 1), (0..count).rev()))
        });
        entry(entries, Kind::Exact, format!("gradient of {count} reflections {shape:?}"), move |s| {
            values(&reflection_gradients(s.matrix(count, channels, 0), s.matrix(channels, channels, 1)))
        });
    }
}

fn squeezes(shape: [usize; 5], entries: &mut Vec<Entry>) {
    let axes: [bool; 3] = std::array::from_fn(|axis| shape[axis + 2].is_multiple_of(2));
    let factor = 1 << axes.iter().filter(|&&chosen| chosen).count();
    let mut coarse = shape;
    for axis in (0..3).filter(|&axis| axes[axis]) {
        coarse[axis + 2] /= 2;
    }
    coarse[1] *= factor;
    type Map = fn(Field, [bool; 3]) -> Field;
    let maps: [(&str, Map, [usize; 5]); 4] = [
        ("checkerboard", checkerboard, shape),
        ("checkerboard_inverse", checkerboard_inverse, coarse),
        ("haar", haar, shape),
        ("haar_inverse", haar_inverse, coarse),
    ];
    for (name, map, shape) in maps {
        entry(entries, Kind::Exact, format!("{name} {shape:?}"), move |s| values(&map(s.field(shape, 0), axes)));
    }
}

fn couplings(shape: [usize; 5], entries: &mut Vec<Entry>) {
    const BOUND: f64 = 1.5;
    for (name, forward) in [("forward", true), ("inverse", false)] {
        entry(entries, Kind::Exact, format!("affine_{name} {shape:?}"), move |s| {
            let (x, a, t) = (s.field(shape, 0), s.field(shape, 1), s.field(shape, 2));
            let (y, log_det) = if forward { affine_forward(x, a, t, BOUND) } else { affine_inverse(x, a, t, BOUND) };
            [values(&y), values(&log_det)].concat()
        });
        entry(entries, Kind::Exact, format!("affine_{name}_vjp {shape:?}"), move |s| {
            let [x, dx, a, t] = [0, 1, 2, 3].map(|index| s.field(shape, index));
            let dlog_det = s.vector(shape[0], 4);
            let (x, dx, da, dt) = match forward {
                true => affine_forward_vjp(x, dx, &dlog_det, a, t, BOUND),
                false => affine_inverse_vjp(x, dx, &dlog_det, a, t, BOUND),
            };
            [x, dx, da, dt].iter().flat_map(values).collect()
        });
    }
}

fn convolutions(entries: &mut Vec<Entry>) {
    let same = |kernel: usize| Pad::Zeros([kernel / 2; 2]);
    let (none, uneven) = (Pad::NONE, Pad::Zeros([2, 1]));
    for (x, outputs, kernel, padding) in [
        ([2, 3, 1, 1, 7], 4, [1, 1, 3], [none, none, same(3)]),
        ([2, 3, 1, 5, 7], 4, [1, 1, 1], [none; 3]),
        ([2, 3, 1, 5, 7], 4, [1, 3, 3], [none, same(3), same(3)]),
        ([2, 3, 1, 5, 7], 4, [1, 3, 5], [none, uneven, same(5)]),
        ([2, 3, 1, 5, 4], 4, [1, 5, 3], [none, Pad::Periodic(2), Pad::Periodic(1)]),
        ([1, 3, 1, 2, 3], 2, [1, 7, 3], [none, Pad::Periodic(3), same(3)]),
        ([1, 2, 4, 5, 3], 3, [3, 3, 3], [same(3); 3]),
        ([1, 2, 4, 5, 3], 3, [3, 3, 1], [Pad::Periodic(1), uneven, none]),
        ([2, 32, 1, 32, 32], 64, [1, 3, 3], [none, same(3), same(3)]),
        ([2, 64, 1, 32, 32], 64, [1, 1, 1], [none; 3]),
        ([1, 8, 8, 8, 8], 16, [3, 3, 3], [same(3); 3]),
    ] {
        convolution(x, outputs, kernel, padding, entries);
    }
    for halo in [[0, 1, 2], [1, 0, 7]] {
        let shape = [2, 2, 2, 3, 4];
        entry(entries, Kind::Exact, format!("wrap {halo:?}"), move |s| values(&wrap(s.field(shape, 0), halo)));
        let wrapped = [2, 2, 2 + 2 * halo[0], 3 + 2 * halo[1], 4 + 2 * halo[2]];
        entry(entries, Kind::Exact, format!("wrap_adjoint {halo:?}"), move |s| {
            values(&wrap_adjoint(s.field(wrapped, 0), halo))
        });
    }
}

fn convolution(x: [usize; 5], outputs: usize, kernel: [usize; 3], padding: Padding, entries: &mut Vec<Entry>) {
    let [batch, inputs, d, h, w] = x;
    let [kd, kh, kw] = kernel;
    let out: [usize; 3] = std::array::from_fn(|axis| padding[axis].convolved([d, h, w][axis], kernel[axis]));
    let y = [batch, outputs, out[0], out[1], out[2]];
    let weight = [outputs, inputs, kd, kh, kw];
    let name = format!("{x:?} to {outputs} channels by {kernel:?}, {padding:?}");
    for bias in [false, true] {
        entry(entries, Kind::Exact, format!("convolve {name}, bias {bias}"), move |s| {
            let bias = bias.then(|| s.vector(outputs, 2));
            values(&convolve(s.field(x, 0), s.field(weight, 1), bias, padding))
        });
    }
    entry(entries, Kind::Exact, format!("convolve_input_adjoint {name}"), move |s| {
        values(&convolve_input_adjoint([d, h, w], s.field(weight, 1), s.field(y, 2), padding))
    });
    let kind = if kernel == [1, 1, 1] { Kind::Product } else { Kind::Exact };
    entry(entries, kind, format!("convolve_weight_adjoint {name}"), move |s| {
        values(&convolve_weight_adjoint(s.field(x, 0), s.field(y, 2), kernel, padding))
    });
}

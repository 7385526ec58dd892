//! Convolution (cross-correlation, stride 1) and its two adjoints, in one, two and three dimensions.

use burn::backend::Dispatch;
use burn::backend::ops::{ConvOptions, ModuleOps};
use burn::tensor::Tensor;
use burn::tensor::module::{conv2d, conv3d};

use crate::kernels::{Field, Pad, Padding};

/// Zeros before and after each axis.
type Zeros = [[usize; 2]; 3];

/// What of a padding the image itself gives, and what zeros.
fn parts(padding: Padding) -> ([usize; 3], Zeros) {
    let halo = padding.map(|pad| if let Pad::Periodic(halo) = pad { halo } else { 0 });
    let zeros = padding.map(|pad| if let Pad::Zeros(sides) = pad { sides } else { [0, 0] });
    (halo, zeros)
}

pub fn convolve(x: Field, weight: Field, bias: Option<Tensor<1>>, padding: Padding) -> Field {
    let (halo, zeros) = parts(padding);
    let (x, even) = even_padding(wrap(x, halo), zeros);
    let [batch, _, d, h, w] = x.dims();
    let [out, _, kd, kh, kw] = weight.dims();
    match Shape::of([kd, kh, kw], d, even) {
        Shape::Point => {
            let y = conv2d(flat(x), point(weight), bias, options([0, 0]));
            y.reshape([batch, out, d, h, w])
        }
        Shape::Plane => lift(conv2d(plane(x), plane_weight(weight), bias, options([even[1], even[2]]))),
        Shape::Volume => conv3d(x, weight, bias, options(even)),
    }
}

pub fn convolve_input_adjoint(extent: [usize; 3], weight: Field, dy: Field, padding: Padding) -> Field {
    let (halo, zeros) = parts(padding);
    let extent: [usize; 3] = core::array::from_fn(|axis| extent[axis] + 2 * halo[axis]);
    let even = zeros.map(|[before, after]| before.min(after));
    let inner = core::array::from_fn(|axis| extent[axis] + zeros[axis][0] + zeros[axis][1] - 2 * even[axis]);
    let dx = adjoint_even(inner, weight, dy, even);
    let dx = crop(dx, core::array::from_fn(|axis| (zeros[axis][0] - even[axis], extent[axis])));
    wrap_adjoint(dx, halo)
}

fn adjoint_even(extent: [usize; 3], weight: Field, dy: Field, even: [usize; 3]) -> Field {
    let [batch, ..] = dy.dims();
    let [_, inputs, kd, kh, kw] = weight.dims();
    let [d, h, w] = extent;
    match Shape::of([kd, kh, kw], d, even) {
        Shape::Point => {
            let transposed = point(weight).swap_dims(0, 1);
            let dx = conv2d(flat(dy), transposed, None, options([0, 0]));
            dx.reshape([batch, inputs, d, h, w])
        }
        Shape::Plane => {
            let like = Tensor::<4>::empty([batch, inputs, h, w], (&dy.device(), dy.dtype()));
            lift(Tensor::from_dispatch(Dispatch::conv2d_x_backward(
                like.into_dispatch(),
                plane_weight(weight).into_dispatch(),
                plane(dy).into_dispatch(),
                options([even[1], even[2]]),
            )))
        }
        Shape::Volume => {
            let like = Tensor::<5>::empty([batch, inputs, d, h, w], (&dy.device(), dy.dtype()));
            Tensor::from_dispatch(Dispatch::conv3d_x_backward(
                like.into_dispatch(),
                weight.into_dispatch(),
                dy.into_dispatch(),
                options(even),
            ))
        }
    }
}

pub fn convolve_weight_adjoint(x: Field, dy: Field, kernel: [usize; 3], padding: Padding) -> Field {
    let (halo, zeros) = parts(padding);
    let (x, even) = even_padding(wrap(x, halo), zeros);
    let [_, inputs, d, ..] = x.dims();
    let out = dy.dims()[1];
    let [kd, kh, kw] = kernel;
    match Shape::of(kernel, d, even) {
        Shape::Point => {
            // A matrix product, in TF32 where the device prefers it: good enough for a weight of a conditioner.
            let (x, dy) = (pixels_last(x), pixels_last(dy));
            dy.matmul(x.swap_dims(1, 2)).sum_dim(0).reshape([out, inputs, 1, 1, 1])
        }
        Shape::Plane => {
            let like = Tensor::<4>::empty([out, inputs, kh, kw], (&dy.device(), dy.dtype()));
            let dw = Tensor::<4>::from_dispatch(Dispatch::conv2d_weight_backward(
                plane(x).into_dispatch(),
                like.into_dispatch(),
                plane(dy).into_dispatch(),
                options([even[1], even[2]]),
            ));
            dw.reshape([out, inputs, 1, kh, kw])
        }
        Shape::Volume => {
            let like = Tensor::<5>::empty([out, inputs, kd, kh, kw], (&dy.device(), dy.dtype()));
            Tensor::from_dispatch(Dispatch::conv3d_weight_backward(
                x.into_dispatch(),
                like.into_dispatch(),
                dy.into_dispatch(),
                options(even),
            ))
        }
    }
}

/// Continues x periodically by `halo` pixels on both sides of each axis.
///
/// A halo wider than the axis winds around it as often as needed.
pub fn wrap(x: Field, halo: [usize; 3]) -> Field {
    let mut x = x;
    for (axis, &halo) in halo.iter().enumerate() {
        if halo == 0 {
            continue;
        }
        let axis = axis + 2;
        let size = x.dims()[axis];
        let before = (0..halo).map(|i| (i as isize - halo as isize).rem_euclid(size as isize) as usize);
        let after = (0..halo).map(|i| i % size);
        let mut parts: Vec<Field> = runs(before).map(|(start, length)| x.clone().narrow(axis, start, length)).collect();
        parts.push(x.clone());
        parts.extend(runs(after).map(|(start, length)| x.clone().narrow(axis, start, length)));
        x = Tensor::cat(parts, axis);
    }
    x
}

/// The adjoint of [`wrap`]: what fell on the continuation is added to where it came from.
pub fn wrap_adjoint(dx: Field, halo: [usize; 3]) -> Field {
    let mut dx = dx;
    for (axis, &halo) in halo.iter().enumerate().rev() {
        if halo == 0 {
            continue;
        }
        let axis = axis + 2;
        let size = dx.dims()[axis] - 2 * halo;
        let mut sum = dx.clone().narrow(axis, halo, size);
        let outside = (0..halo).chain(halo + size..2 * halo + size);
        let targets = outside.clone().map(|i| (i as isize - halo as isize).rem_euclid(size as isize) as usize);
        let mut from = outside;
        for (start, length) in runs(targets) {
            let source = from.next().unwrap_or(0);
            for _ in 1..length {
                from.next();
            }
            let part = dx.clone().narrow(axis, source, length);
            let range = start..start + length;
            let added = sum.clone().narrow(axis, start, length) + part;
            sum = sum.slice_assign(ranges_along(axis, range, &added), added);
        }
        dx = sum;
    }
    dx
}

/// The full range on every axis but one.
fn ranges_along(axis: usize, range: core::ops::Range<usize>, part: &Field) -> [core::ops::Range<usize>; 5] {
    let dims = part.dims();
    core::array::from_fn(|a| if a == axis { range.clone() } else { 0..dims[a] })
}

/// Groups a sequence of indices into runs (start, length) of consecutive ones.
fn runs(indices: impl Iterator<Item = usize>) -> impl Iterator<Item = (usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for i in indices {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == i => *length += 1,
            _ => runs.push((i, 1)),
        }
    }
    runs.into_iter()
}

/// The cheapest form of a kernel: Burn's two-dimensional convolution is several times faster than its
/// three-dimensional one, and a matrix product faster than both.
enum Shape {
    Point,
    Plane,
    Volume,
}

impl Shape {
    fn of(kernel: [usize; 3], depth: usize, padding: [usize; 3]) -> Self {
        match (kernel, padding) {
            ([1, 1, 1], [0, 0, 0]) => Shape::Point,
            ([1, _, _], [0, _, _]) if depth == 1 => Shape::Plane,
            _ => Shape::Volume,
        }
    }
}

fn options<const N: usize>(padding: [usize; N]) -> ConvOptions<N> {
    ConvOptions::new([1; N], padding, [1; N], 1)
}

/// Burn pads evenly: what one side has more than the other is put in place as zeros.
fn even_padding(x: Field, padding: Zeros) -> (Field, [usize; 3]) {
    let even = padding.map(|[before, after]| before.min(after));
    let extra: [[usize; 2]; 3] = core::array::from_fn(|a| padding[a].map(|side| side - even[a]));
    if extra == [[0; 2]; 3] {
        return (x, even);
    }
    let [batch, channels, d, h, w] = x.dims();
    let size = [d, h, w];
    let shape: [usize; 3] = core::array::from_fn(|a| size[a] + extra[a][0] + extra[a][1]);
    let zeros = Tensor::zeros([batch, channels, shape[0], shape[1], shape[2]], (&x.device(), x.dtype()));
    let inside: [core::ops::Range<usize>; 3] = core::array::from_fn(|a| extra[a][0]..extra[a][0] + size[a]);
    let [ds, hs, ws] = inside;
    (zeros.slice_assign([0..batch, 0..channels, ds, hs, ws], x), even)
}

fn crop(x: Field, window: [(usize, usize); 3]) -> Field {
    window.iter().enumerate().fold(x, |x, (axis, &(start, length))| match x.dims()[axis + 2] == length {
        true => x,
        false => x.narrow(axis + 2, start, length),
    })
}

fn flat(x: Field) -> Tensor<4> {
    let [batch, channels, d, h, w] = x.dims();
    x.reshape([batch, channels, 1, d * h * w])
}

fn pixels_last(x: Field) -> Tensor<3> {
    let [batch, channels, d, h, w] = x.dims();
    x.reshape([batch, channels, d * h * w])
}

fn point(weight: Field) -> Tensor<4> {
    let [out, inputs, ..] = weight.dims();
    weight.reshape([out, inputs, 1, 1])
}

fn plane(x: Field) -> Tensor<4> {
    let [batch, channels, _, h, w] = x.dims();
    x.reshape([batch, channels, h, w])
}

fn plane_weight(weight: Field) -> Tensor<4> {
    let [out, inputs, _, kh, kw] = weight.dims();
    weight.reshape([out, inputs, kh, kw])
}

fn lift(x: Tensor<4>) -> Field {
    let [batch, channels, h, w] = x.dims();
    x.reshape([batch, channels, 1, h, w])
}

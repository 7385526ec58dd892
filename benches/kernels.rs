//! Kernels on the CPU beside the machine's peak: `cargo bench --bench kernels`.
//!
//! Throughput is in multiply-adds (one "element" each). The first group is the ceiling: register-resident fused
//! multiply-adds on all threads of rayon. A share of the peak is a quotient of two lines of the same run.

use std::hint::black_box;

use burn::backend::ops::ConvOptions;
use burn::tensor::module::conv2d;
use burn::tensor::{DType, Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use posteria::flow::standard_normal;
use posteria::kernels::{
    Field, Pad, affine_forward, affine_forward_vjp, affine_inverse, channel_dots, channel_sums, checkerboard,
    checkerboard_inverse, convolve, convolve_input_adjoint, convolve_weight_adjoint, gram, haar, haar_inverse,
    leaky_relu, leaky_relu_pull, reflect, sample_distances, scale_then_shift, silu, spend_multiply_adds,
};
use posteria::random::{Purpose, stream};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn random(shape: [usize; 5], index: u64) -> Field {
    standard_normal(shape, &mut stream(3, Purpose::Diagnostic, index), DType::F32, &Device::flex())
}

fn peak(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peak");
    group.throughput(Throughput::Elements(spend_multiply_adds()));
    group.bench_function("multiply-adds", |bencher| bencher.iter(spend_multiply_adds));
    group.finish();
}

fn convolutions(criterion: &mut Criterion) {
    // batch, inputs, outputs, depth, height, width, kernel
    let shapes = [
        (8, 64, 64, 1, 64, 64, 3),
        (8, 64, 64, 1, 64, 64, 1),
        (8, 6, 48, 1, 16, 16, 3),
        (8, 48, 48, 1, 16, 16, 1),
        (8, 48, 4, 1, 16, 16, 3),
        (8, 20, 48, 1, 8, 8, 3),
        (4, 64, 64, 1, 256, 256, 3),
        (1, 16, 16, 32, 32, 32, 3),
    ];
    for (batch, inputs, outputs, d, h, w, k) in shapes {
        let kd = if d == 1 { 1 } else { k };
        let name = format!("convolution {batch}x{inputs}-{outputs}x{d}x{h}x{w} kernel {k}");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((batch * inputs * outputs * d * h * w * kd * k * k) as u64));
        let padding = [kd, k, k].map(|k| Pad::Zeros([k / 2; 2]));
        let x = random([batch, inputs, d, h, w], 0);
        let weight = random([outputs, inputs, kd, k, k], 1);
        let dy = random([batch, outputs, d, h, w], 2);
        let bias: Tensor<1> = Tensor::zeros([outputs], &Device::flex());
        group.bench_function("forward", |bencher| {
            bencher.iter(|| convolve(x.clone(), weight.clone(), Some(bias.clone()), padding));
        });
        group.bench_function("input adjoint", |bencher| {
            bencher.iter(|| convolve_input_adjoint([d, h, w], weight.clone(), dy.clone(), padding));
        });
        group.bench_function("weight adjoint", |bencher| {
            bencher.iter(|| convolve_weight_adjoint(x.clone(), dy.clone(), [kd, k, k], padding));
        });
        group.finish();
    }
    // batch, channels, height and width
    for (batch, channels, size) in [(8, 12, 64), (8, 48, 16), (8, 192, 8)] {
        let mut group = criterion.benchmark_group(format!("gram {batch}x{channels}x{size}x{size}"));
        group.throughput(Throughput::Elements((batch * channels * channels * size * size) as u64));
        let [a, b] = [0, 1].map(|i| random([batch, channels, 1, size, size], i));
        group.bench_function("gram", |bencher| bencher.iter(|| gram(a.clone(), b.clone())));
        group.finish();
    }
}

/// Passes over tensors of one shape, beside a copy of one. Throughput is in bytes read and written, so that the quotient
/// of two lines says how a pass compares with moving the same bytes by a copy.
fn passes(criterion: &mut Criterion) {
    for shape in [[8, 64, 1, 64, 64], [4, 12, 1, 16, 16], [1, 12, 1, 512, 512]] {
        let [batch, channels, _, h, w] = shape;
        let mut group = criterion.benchmark_group(format!("pass over {batch}x{channels}x{h}x{w}"));
        let bytes = (4 * shape.iter().product::<usize>()) as u64;
        let moved = |reads: u64, writes: u64| Throughput::Bytes((reads + writes) * bytes);
        let [x, dx, a, t] = [0, 1, 2, 3].map(|i| random(shape, i));
        let log_det = Tensor::<1>::ones([batch], &Device::flex());
        let vectors = random([1, 1, 1, 3, channels], 4).reshape([3, channels]);
        let [factor, shift] =
            [Tensor::<1>::ones([channels], &Device::flex()), Tensor::zeros([channels], &Device::flex())];

        group.throughput(moved(1, 1));
        group.bench_function("copy", |bencher| {
            let values: Vec<f32> = x.clone().into_data().try_to_vec().expect("floats");
            bencher.iter(|| black_box(&values).to_vec());
        });
        group.bench_function("scale and shift", |bencher| {
            bencher.iter(|| scale_then_shift(x.clone(), factor.clone(), shift.clone()));
        });
        group.bench_function("scale and shift in place", |bencher| {
            let mut x = Some(x.clone() * 1.0);
            bencher.iter(|| x = x.take().map(|x| scale_then_shift(x, factor.clone(), shift.clone())));
        });
        group.bench_function("leaky relu", |bencher| bencher.iter(|| leaky_relu(x.clone(), 0.1)));
        group.bench_function("silu", |bencher| bencher.iter(|| silu(x.clone())));
        group.bench_function("three reflections", |bencher| bencher.iter(|| reflect(x.clone(), vectors.clone(), 0..3)));
        let axes = [false, true, true];
        group.bench_function("checkerboard", |bencher| bencher.iter(|| checkerboard(x.clone(), axes)));
        group.bench_function("its inverse", |bencher| bencher.iter(|| checkerboard_inverse(x.clone(), axes)));
        group.bench_function("haar", |bencher| bencher.iter(|| haar(x.clone(), axes)));
        group.bench_function("haar inverse", |bencher| bencher.iter(|| haar_inverse(x.clone(), axes)));

        group.throughput(moved(1, 0));
        group.bench_function("channel sums", |bencher| bencher.iter(|| channel_sums(x.clone())));
        group.throughput(moved(2, 0));
        group.bench_function("channel dots", |bencher| bencher.iter(|| channel_dots(&x, &dx)));
        group.bench_function("sample distances", |bencher| bencher.iter(|| sample_distances(&x, &dx)));

        group.throughput(moved(2, 1));
        group.bench_function("pull of leaky relu", |bencher| {
            bencher.iter(|| leaky_relu_pull(x.clone(), dx.clone(), 0.1))
        });
        group.throughput(moved(3, 1));
        group.bench_function("affine coupling", |bencher| {
            bencher.iter(|| affine_forward(x.clone(), a.clone(), t.clone(), 2.0));
        });
        group.bench_function("its inverse from the output", |bencher| {
            bencher.iter(|| affine_inverse(x.clone(), a.clone(), t.clone(), 2.0));
        });
        group.throughput(moved(4, 3));
        group.bench_function("its pull from the output", |bencher| {
            bencher.iter(|| affine_forward_vjp(x.clone(), dx.clone(), &log_det, a.clone(), t.clone(), 2.0));
        });
        group.finish();
    }
}

/// One gradient of a convolution and its activation in Burn's autodiff: the nodes of this crate beside Burn's own.
fn autodiff(criterion: &mut Criterion) {
    for [batch, inputs, outputs, size] in [[8, 64, 64, 64], [8, 6, 48, 16], [8, 48, 48, 16]] {
        let mut group =
            criterion.benchmark_group(format!("autodiff {batch}x{inputs}-{outputs}x{size}x{size} kernel 3"));
        // One multiply-add for the value, one for each of the two gradients.
        group.throughput(Throughput::Elements((3 * batch * inputs * outputs * size * size * 9) as u64));
        let track = |shape, index| random(shape, index).autodiff().require_grad();
        let (x, weight) = (track([batch, inputs, 1, size, size], 0), track([outputs, inputs, 1, 3, 3], 1));
        let bias = Tensor::<1>::zeros([outputs], &Device::flex()).autodiff().require_grad();
        group.bench_function("kernels", |bencher| {
            let padding = [Pad::NONE, Pad::Zeros([1; 2]), Pad::Zeros([1; 2])];
            bencher.iter(|| {
                let y = silu(convolve(x.clone(), weight.clone(), Some(bias.clone()), padding));
                y.sum().backward()
            });
        });
        group.bench_function("burn", |bencher| {
            let options = || ConvOptions::new([1; 2], [1; 2], [1; 2], 1);
            let plane = |x: &Field| x.clone().reshape([0, 0, x.dims()[3] as i32, x.dims()[4] as i32]);
            bencher.iter(|| {
                let y: Tensor<4> = conv2d(plane(&x), plane(&weight), Some(bias.clone()), options());
                burn::tensor::activation::silu(y).sum().backward()
            });
        });
        group.finish();
    }
}

criterion_group!(kernels, peak, convolutions, passes, autodiff);
criterion_main!(kernels);

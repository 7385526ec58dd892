//! Kernels on the CPU beside the machine's peak: `cargo bench --bench kernels`.
//!
//! Throughput is in multiply-adds (one "element" each). The first group is the ceiling: register-resident fused
//! multiply-adds on all threads of rayon. A share of the peak is a quotient of two lines of the same run.

#[path = "gradient/peak.rs"]
mod peak;

use std::hint::black_box;

use burn::tensor::{DType, Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peak::multiply_adds;
use posteria::flow::standard_normal;
use posteria::kernels::{
    Field, Pad, affine_forward, affine_forward_vjp, convolve, convolve_input_adjoint, convolve_weight_adjoint,
    leaky_relu, leaky_relu_pull, reflect,
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
    group.throughput(Throughput::Elements(multiply_adds() as u64));
    group.bench_function("multiply-adds", |bencher| bencher.iter(multiply_adds));
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
}

/// Passes over one tensor, beside a copy of it.
fn passes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass over 8x64x64x64");
    let shape = [8, 64, 1, 64, 64];
    let [x, dx, a, t] = [0, 1, 2, 3].map(|i| random(shape, i));
    let log_det = Tensor::<1>::ones([8], &Device::flex());
    let vectors = random([1, 1, 1, 3, 64], 4).reshape([3, 64]);
    group.throughput(Throughput::Bytes((4 * x.shape().num_elements()) as u64));
    group.bench_function("copy", |bencher| {
        let values: Vec<f32> = x.clone().into_data().try_to_vec().expect("floats");
        bencher.iter(|| black_box(&values).to_vec());
    });
    group.bench_function("leaky relu", |bencher| bencher.iter(|| leaky_relu(x.clone(), 0.1)));
    group.bench_function("its pull", |bencher| bencher.iter(|| leaky_relu_pull(x.clone(), dx.clone(), 0.1)));
    group.bench_function("affine coupling", |bencher| {
        bencher.iter(|| affine_forward(x.clone(), a.clone(), t.clone(), 2.0));
    });
    group.bench_function("its pull from the output", |bencher| {
        bencher.iter(|| affine_forward_vjp(x.clone(), dx.clone(), &log_det, a.clone(), t.clone(), 2.0));
    });
    group.bench_function("three reflections", |bencher| bencher.iter(|| reflect(x.clone(), vectors.clone(), 0..3)));
    group.finish();
}

criterion_group!(kernels, peak, convolutions, passes);
criterion_main!(kernels);

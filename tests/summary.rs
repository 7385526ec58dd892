//! Summary networks: the shapes they promise, and samples that know nothing of their batch.

use burn::tensor::{DType, Device, Tensor};
use posteria::flow::{Field, map_parameters, standard_normal};
use posteria::random::{Purpose, stream};
use posteria::summary::{Layout, ReducerConfig, Summary, SummaryConfig};

fn random(shape: [usize; 5], index: u64) -> Field {
    standard_normal(shape, &mut stream(31, Purpose::Diagnostic, index), DType::F32, &Device::flex())
}

/// Random parameters everywhere: blocks start as the identity.
fn shaken<M: burn::module::Module>(network: M) -> M {
    let mut index = 100;
    map_parameters(network, &mut |_, value| {
        index += 1;
        let noise = random([1, 1, 1, 1, value.dims()[0]], index).reshape([-1]);
        value + noise * 0.1
    })
}

fn network(kind: &str, channels: usize, x: [usize; 4], scales: usize) -> Summary {
    let config: SummaryConfig = toml::from_str(kind).unwrap();
    shaken(
        config.init(&Layout::new(channels, x, scales), &mut stream(31, Purpose::Weights, 0), &Device::flex()).unwrap(),
    )
}

const KINDS: [&str; 4] = [
    "kind = \"pyramid\"",
    "kind = \"residual\"\nfeatures = 6\nchannels = 3",
    "kind = \"u-net\"\nfeatures = 6\nchannels = 3",
    "kind = \"u-net\"\nfeatures = 6\nchannels = 3\nblocks = 2\nlevels = 3\nnorm = \"group\"\nborder = \"periodic\"",
];

fn distance(a: Field, b: Field) -> f64 {
    (a - b).abs().max().into_scalar::<f64>()
}

#[test]
fn there_is_a_condition_for_every_scale_and_it_belongs_to_its_sample() {
    let shapes = [([1, 1, 1, 32], 2), ([2, 1, 24, 16], 2), ([1, 8, 16, 8], 3), ([3, 1, 8, 8], 1)];
    for kind in KINDS {
        for (x, scales) in shapes {
            let [channels, d, h, w] = x;
            let network = network(kind, channels, x, scales);
            let images = random([3, channels, d, h, w], 0);
            let conditions = network.forward(images.clone());
            assert_eq!(conditions.len(), scales);
            assert_eq!(network.channels(), conditions.iter().map(|c| c.dims()[1]).collect::<Vec<_>>());
            let alone = network.forward(images.clone().narrow(0, 1, 1));
            let other =
                network.forward(Tensor::cat(vec![random([2, channels, d, h, w], 9), images.narrow(0, 1, 1)], 0));
            for (scale, condition) in conditions.into_iter().enumerate() {
                let at = |size: usize| if size > 1 { size >> (scale + 1) } else { 1 };
                let [batch, _, extents @ ..] = condition.dims();
                assert_eq!((batch, extents), (3, [at(d), at(h), at(w)]), "{kind} {x:?}");
                let own = condition.narrow(0, 1, 1);
                assert!(distance(own.clone(), alone[scale].clone()) < 1e-5, "{kind} {x:?}");
                assert!(distance(own.clone(), other[scale].clone().narrow(0, 2, 1)) < 1e-5, "{kind} {x:?}");
                let dull = (own.clone() - own.clone().mean().reshape([1, 1, 1, 1, 1])).abs().max().into_scalar::<f64>();
                assert!(dull > 1e-3, "{kind} {x:?}: the condition does not vary");
            }
        }
    }
}

/// A pixel far away is seen through the coarse levels of a U-Net, and by nothing else here.
#[test]
fn a_u_net_sees_far() {
    let x = [1, 1, 64, 64];
    let images = random([1, 1, 1, 64, 64], 0);
    let mut values: Vec<f32> = images.clone().into_data().try_to_vec().unwrap();
    values[0] += 5.0;
    let moved = Tensor::from_data(burn::tensor::TensorData::new(values, images.dims()), &Device::flex());
    let corner =
        |network: &Summary, images: Field| network.forward(images)[0].clone().slice([0..1, 0..1, 0..1, 31..32, 31..32]);
    for (kind, sees) in [(KINDS[2], true), (KINDS[1], false), (KINDS[0], false)] {
        let network = network(kind, 1, x, 2);
        let difference = distance(corner(&network, images.clone()), corner(&network, moved.clone()));
        assert_eq!(difference > 0.0, sees, "{kind}: {difference:e}");
    }
}

#[test]
fn a_reducer_brings_any_extents_to_those_of_the_image() {
    for (y, x) in [
        ([1, 1, 12, 40], [1, 1, 16, 8]),
        ([2, 1, 1, 30], [1, 1, 8, 8]),
        ([1, 1, 10, 24], [1, 4, 8, 8]),
        ([1, 6, 5, 7], [1, 1, 4, 4]),
    ] {
        let config = ReducerConfig { features: 3, ..ReducerConfig::default() };
        let reducer = shaken(config.init(y, x, &mut stream(31, Purpose::Weights, 0), &Device::flex()).unwrap());
        let [channels, d, h, w] = y;
        let observations = random([2, channels, d, h, w], 1);
        let images = reducer.forward(observations.clone());
        assert_eq!(images.dims(), [2, 3, x[1], x[2], x[3]]);
        assert_eq!(reducer.features(), 3);
        let alone = reducer.forward(observations.narrow(0, 1, 1));
        assert!(distance(images.narrow(0, 1, 1), alone) < 1e-4);
    }
}

#[test]
fn what_makes_no_network_is_said() {
    let error = |kind: &str, x: [usize; 4], scales: usize| {
        let config: SummaryConfig = toml::from_str(kind).unwrap();
        let layout = Layout::new(1, x, scales);
        config.init(&layout, &mut stream(31, Purpose::Weights, 0), &Device::flex()).expect_err("an error").to_string()
    };
    let text = error("kind = \"u-net\"\nlevels = 4", [1, 1, 24, 16], 2);
    assert!(text.contains("height 24") && text.contains("16") && text.contains("levels = 3"), "{text}");
    // What is advised is possible along every axis, not only the first.
    let text = error("kind = \"u-net\"\nlevels = 4", [1, 1, 24, 20], 2);
    assert!(text.contains("height 24") && text.contains("levels = 2 or fewer"), "{text}");
    let text = error("kind = \"residual\"", [1, 1, 24, 20], 4);
    assert!(text.contains("[network] scales = 2 or fewer") && !text.contains("levels"), "{text}");
    let text = error("kind = \"u-net\"\nlevels = 1", [1, 1, 16, 16], 2);
    assert!(text.contains("levels = 1"), "{text}");
    let text = error("kind = \"residual\"\nfeatures = 0", [1, 1, 16, 16], 2);
    assert!(text.contains("features = 0"), "{text}");
    let config = ReducerConfig { kernel: 4, ..ReducerConfig::default() };
    let text = config.init([1, 1, 4, 4], [1, 1, 4, 4], &mut stream(1, Purpose::Weights, 0), &Device::flex());
    assert!(text.expect_err("an error").to_string().contains("kernel = 4"));
    assert!(toml::from_str::<SummaryConfig>("kind = \"u-net\"\nfeature = 3").is_err());
    assert!(toml::from_str::<SummaryConfig>("kind = \"pyramid\"\nfeatures = 3").is_err());
}

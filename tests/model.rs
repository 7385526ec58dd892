//! A model as its users meet it: densities in file units, draws, and files that are whole or refused.

use burn::tensor::Device;
use ndarray::{ArrayD, Axis, IxDyn};
use posteria::flow::{Border, ConvolutionalConfig, GlowConfig, Plan};
use posteria::model::{ConditionConfig, Model, ModelConfig, ModelError, Source, UnknownConfig};
use posteria::operator::OperatorConfig;
use posteria::random::{Purpose, stream};
use posteria::summary::{SummaryConfig, UNetConfig};
use rand_distr::{Distribution, StandardNormal};

fn numbers(shape: &[usize], index: u64) -> ArrayD<f32> {
    let mut rng = stream(9, Purpose::Prior, index);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || StandardNormal.sample(&mut rng))
}

fn config(sources: &[Source]) -> ModelConfig {
    let conditioner = ConvolutionalConfig { hidden: 6, border: Border::Periodic, ..ConvolutionalConfig::default() };
    ModelConfig {
        network: GlowConfig { scales: 2, steps: 2, conditioner, ..GlowConfig::default() }.into(),
        condition: ConditionConfig { sources: sources.to_vec(), ..ConditionConfig::default() },
        ..ModelConfig::default()
    }
}

/// A model with random weights everywhere, fitted to 40 pairs.
fn model(sources: &[Source], operator: Option<OperatorConfig>, scale: f32) -> Model {
    fitted(config(sources), operator, scale)
}

/// The same with a summary network.
fn learned(sources: &[Source], operator: Option<OperatorConfig>, summary: SummaryConfig) -> Model {
    let mut config = config(sources);
    config.condition.summary = summary;
    fitted(config, operator, 1.0)
}

fn fitted(config: ModelConfig, operator: Option<OperatorConfig>, scale: f32) -> Model {
    let (x, y) = (numbers(&[40, 1, 8, 8], 0) * scale, numbers(&[40, 1, 8, 8], 1));
    let model = Model::new(config, operator, &[1, 8, 8], &[1, 8, 8], 4, &Device::flex()).expect("a model");
    random(model).fit(&x, &y).expect("a fit")
}

fn random(model: Model) -> Model {
    let mut rng = stream(9, Purpose::Weights, 0);
    model.map_parameters(&mut |parameter, value| match parameter.path.ends_with("weight") {
        true => {
            let count = value.dims()[0];
            let noise: Vec<f32> =
                (0..count).map(|_| 0.1 * Distribution::<f32>::sample(&StandardNormal, &mut rng)).collect();
            value + burn::tensor::Tensor::from_floats(noise.as_slice(), &Device::flex())
        }
        false => value,
    })
}

fn blur() -> Option<OperatorConfig> {
    Some(toml::from_str("kind = \"circular-blur\"\nsigma = 1.0").expect("an operator"))
}

#[test]
fn densities_are_in_the_units_of_the_file() {
    let (one, thousand) = (model(&[Source::Observation], None, 1.0), model(&[Source::Observation], None, 1000.0));
    let (x, y) = (numbers(&[3, 1, 8, 8], 5), numbers(&[3, 1, 8, 8], 6));
    let a = one.log_prob(&x, &y).expect("a density");
    let b = thousand.log_prob(&(&x * 1000.0), &y).expect("a density");
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b - 64.0 * 1000f64.ln()).abs() < 1e-2, "{a} {b}");
    }
}

/// The slope of the loss along the gradient of those parameters whose path begins so, over the gradient's own norm.
fn slope_over_norm(model: &Model, part: &str) -> f64 {
    let (x, y) = (numbers(&[3, 1, 8, 8], 5), numbers(&[3, 1, 8, 8], 6));
    let gradient = model.gradient(&x, &y, 0, Plan::default()).expect("a gradient");
    let density = model.log_prob(&x, &y).expect("a density");
    for (nll, log_prob) in gradient.nll.iter().zip(&density) {
        assert!((nll + log_prob).abs() < 1e-3, "{nll} {log_prob}");
    }
    let parameters = model.parameters();
    let chosen = parameters.iter().filter(|(p, _)| p.path.starts_with(part));
    // Along the gradient itself: d/dh of the loss is its squared norm.
    let norm: f64 = chosen
        .map(|(p, _)| gradient.parameters.get(&p.id).expect("a gradient").clone().square().sum().into_scalar::<f64>())
        .sum();
    assert!(norm > 0.0, "no gradient of {part}");
    let h = 1e-2 / norm.sqrt();
    let moved = |h: f64| {
        let model = model.clone().map_parameters(&mut |p, value| match p.path.starts_with(part) {
            true => value + gradient.parameters.get(&p.id).expect("a gradient").clone() * h,
            false => value,
        });
        -model.log_prob(&x, &y).expect("a density").iter().sum::<f64>() / 64.0
    };
    (moved(h) - moved(-h)) / (2.0 * h) / norm
}

#[test]
fn the_gradient_is_that_of_the_density() {
    let slope = slope_over_norm(&model(&[Source::Observation, Source::Adjoint], blur(), 1.0), "");
    assert!((slope - 1.0).abs() < 2e-2, "{slope}");
}

/// Of a summary network too, whose gradient comes through the condition of the flow, and of a reducer before it.
#[test]
fn what_is_learned_of_the_observation_has_the_gradient_of_the_density() {
    let all = [Source::Observation, Source::Adjoint, Source::Reduced];
    for summary in
        ["kind = \"u-net\"\nfeatures = 6\nchannels = 4\nnorm = \"group\"", "kind = \"residual\"\nfeatures = 5"]
    {
        let summary: SummaryConfig = toml::from_str(summary).expect("a summary network");
        let model = learned(&all, blur(), summary);
        for part in ["layers.", "conditioning.summary", "conditioning.reducer"] {
            let slope = slope_over_norm(&model, part);
            assert!((slope - 1.0).abs() < 2e-2, "{part}: {slope}");
        }
    }
    let slope = slope_over_norm(&learned(&[Source::Reduced], None, SummaryConfig::default()), "conditioning.reducer");
    assert!((slope - 1.0).abs() < 2e-2, "{slope}");
}

#[test]
fn draws_are_the_same_however_many_are_asked_for_and_belong_to_their_latents() {
    let model = model(&[Source::Observation], None, 3.0);
    let y = numbers(&[1, 1, 8, 8], 6);
    let all = model.sample(&y, 40, &mut stream(1, Purpose::Latent, 0)).expect("draws");
    assert_eq!(all.shape(), [40, 1, 8, 8]);
    let mut rng = stream(1, Purpose::Latent, 0);
    let sampler = model.sampler(&y).expect("a sampler");
    let first = sampler.draw(7, &mut rng).expect("draws");
    let second = sampler.draw(33, &mut rng).expect("draws");
    let parts = ndarray::concatenate(Axis(0), &[first.x.view(), second.x.view()]).expect("one shape");
    assert!(all.iter().zip(&parts).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + a.abs())));
    assert_eq!(sampler.draw(0, &mut rng).expect("none").x.shape(), [0, 1, 8, 8]);

    let repeated = ndarray::concatenate(Axis(0), &vec![y.view(); 40]).expect("one shape");
    let density = model.log_prob(&all, &repeated).expect("densities");
    let given = first.log_prob.iter().chain(&second.log_prob);
    assert!(density.iter().zip(given).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + a.abs())), "draws know their density");
    let latent = model.latent(&all, &repeated).expect("latents").expect("normal ones");
    let mean_square = latent.iter().map(|v| v * v).sum::<f32>() / latent.len() as f32;
    assert!((mean_square - 1.0).abs() < 0.1, "{mean_square}");
}

/// Padded from 7 × 6 to 8 × 8 pixels, the first row known.
fn filled() -> Model {
    let (x_shape, device) = ([1, 7, 6], Device::flex());
    let unknown = UnknownConfig { padded: Some(vec![8, 8]), ..UnknownConfig::default() };
    let config = ModelConfig { unknown, ..config(&[Source::Observation]) };
    let known = ArrayD::from_shape_fn(IxDyn(&x_shape), |p| if p[1] == 0 { 3.0 } else { f32::NAN });
    let model = Model::new(config, None, &x_shape, &x_shape, 4, &device).expect("a model");
    let model = random(model).with_fixed(known).expect("known cells");
    model.fit(&with_known(numbers(&[40, 1, 7, 6], 0)), &numbers(&[40, 1, 7, 6], 1)).expect("a fit")
}

fn with_known(mut x: ArrayD<f32>) -> ArrayD<f32> {
    x.indexed_iter_mut().filter(|(p, _)| p[2] == 0).for_each(|(_, value)| *value = 3.0);
    x
}

/// One image has one density, whoever is asked, though what stands beside it is drawn with it.
#[test]
fn a_draw_of_a_padded_image_has_the_density_of_that_image() {
    let model = filled();
    let y = numbers(&[1, 1, 7, 6], 6);
    let draws = model.sampler(&y).expect("a sampler").draw(40, &mut stream(1, Purpose::Latent, 0)).expect("draws");
    assert_eq!(draws.x, model.sample(&y, 40, &mut stream(1, Purpose::Latent, 0)).expect("draws"));
    let repeated = ndarray::concatenate(Axis(0), &vec![y.view(); 40]).expect("one shape");
    let density = model.log_prob(&draws.x, &repeated).expect("densities");
    for (a, b) in density.iter().zip(&draws.log_prob) {
        assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{a} {b}");
    }
}

/// What stands beside an x in training is another thing at each visit, and the same at the same visit.
#[test]
fn a_padded_image_is_trained_on_beside_other_numbers_each_time() {
    let model = filled();
    let (x, y) = (with_known(numbers(&[3, 1, 7, 6], 5)), numbers(&[3, 1, 7, 6], 6));
    let nll = |visit| model.gradient(&x, &y, visit, Plan::default()).expect("a gradient").nll;
    assert_eq!(nll(12), nll(12));
    assert!(nll(12).iter().zip(nll(15)).all(|(a, b)| (a - b).abs() > 1e-6));
}

#[test]
fn a_saved_model_is_the_same_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("model");
    let u_net = SummaryConfig::UNet(UNetConfig { features: 4, ..UNetConfig::default() });
    for model in [model(&[Source::Adjoint], blur(), 2.0), learned(&[Source::Observation, Source::Reduced], None, u_net)]
    {
        model.save(&path).expect("saved");
        let again = Model::load(&path, &Device::flex()).expect("loaded");
        let (x, y) = (numbers(&[3, 1, 8, 8], 5), numbers(&[3, 1, 8, 8], 6));
        assert_eq!(model.log_prob(&x, &y).expect("a density"), again.log_prob(&x, &y).expect("a density"));
    }
}

#[test]
fn a_damaged_model_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("model");
    model(&[Source::Observation], None, 1.0).save(&path).expect("saved");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for name in ["model.json", "model.safetensors", "SHA256SUMS"] {
        let file = path.join(name);
        let whole = std::fs::read(&file).expect("a file");
        for round in 0..60 {
            let mut bytes = whole.clone();
            if round % 3 == 0 {
                bytes.truncate(random(bytes.len()));
            } else {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            std::fs::write(&file, &bytes).expect("written");
            let error = Model::load(&path, &Device::flex()).expect_err("damage is an error").to_string();
            assert!(error.contains("model"), "{error}");
        }
        std::fs::write(&file, &whole).expect("written");
    }
    Model::load(&path, &Device::flex()).expect("whole again");
}

#[test]
fn what_does_not_fit_is_said() {
    let device = Device::flex();
    let build = |sources: &[Source], operator, x: &[usize], y: &[usize]| {
        Model::new(config(sources), operator, x, y, 1, &device).expect_err("an error")
    };
    assert!(matches!(build(&[], None, &[1, 8, 8], &[1, 8, 8]), ModelError::NoSource));
    assert!(matches!(build(&[Source::Adjoint], None, &[1, 8, 8], &[1, 8, 8]), ModelError::NoOperator));
    let error = build(&[Source::Observation], None, &[1, 8, 8], &[1, 4, 8]);
    assert!(matches!(error, ModelError::ObservationExtents { .. }), "{error}");
    let twice =
        build(&[Source::Reduced, Source::Observation, Source::Reduced], None, &[1, 8, 8], &[1, 8, 8]).to_string();
    assert!(twice.contains("\"reduced\" twice"), "{twice}");
    let mut unused = config(&[Source::Observation]);
    unused.condition.reducer.features = 9;
    let error = Model::new(unused, None, &[1, 8, 8], &[1, 8, 8], 1, &device).expect_err("an error").to_string();
    assert!(error.contains("[condition.reducer]") && error.contains("does not name it"), "{error}");
    let error = build(&[Source::Observation], None, &[1, 6, 8], &[1, 6, 8]).to_string();
    assert!(error.contains("height 6 is not divisible by 4"), "{error}");
    let model = model(&[Source::Observation], None, 1.0);
    let error =
        model.log_prob(&numbers(&[2, 1, 8, 8], 0), &numbers(&[2, 1, 8, 4], 0)).expect_err("an error").to_string();
    assert!(error.starts_with("y has shape [1, 8, 4]"), "{error}");
    assert!(matches!(
        model.log_prob(&numbers(&[2, 1, 8, 8], 0), &numbers(&[3, 1, 8, 8], 0)),
        Err(ModelError::Batch { x: 2, y: 3 })
    ));
}

/// One small model of each kind that version 0.1.0 trained, with the densities and draws that it gave: every later version
/// reads them and answers with the same numbers.
#[test]
fn models_of_earlier_versions_answer_as_they_did() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/0.1.0/models");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 8);
    for path in names {
        let model = Model::load(&path.join("model"), &Device::flex()).unwrap();
        let read =
            |name: &str| posteria::io::volume::read(&format!("{}:/{name}", path.join("answers.h5").display())).unwrap();
        let [truth, observation, density, samples] = ["truth", "observation", "log_density", "samples"].map(read);
        let close =
            |found: f64, expected: f32| (found - f64::from(expected)).abs() <= 1e-6 * (1.0 + f64::from(expected).abs());
        let found = model.log_prob(&truth, &observation).unwrap();
        assert!(found.iter().zip(&density).all(|(a, b)| close(*a, *b)), "{}: {found:?} {density:?}", path.display());
        for (index, draws) in samples.outer_iter().enumerate() {
            let y = observation.index_axis(Axis(0), index).to_owned().insert_axis(Axis(0));
            let rng = &mut stream(model.provenance().seed, Purpose::Latent, index as u64);
            let again = model.sample(&y, 8, rng).unwrap();
            let again = again.slice_axis(Axis(0), (..draws.len_of(Axis(0))).into()).to_owned();
            let largest = draws.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            let error = again.iter().zip(draws).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(error <= 1e-6 * largest.max(1.0), "{}: draws differ by {error}", path.display());
        }
    }
}

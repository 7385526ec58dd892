//! The photoacoustic operator against records of k-Wave (`tests/data`), and its classical images against what they promise.

use ndarray::{Array2, ArrayD, Axis, Ix2};
use posteria::io::Source;
use posteria::operator::OperatorConfig;
use posteria::operator::classical::ClassicalMethod;
use posteria::operator::photoacoustic::{BackProjection, PhotoacousticConfig, Sensors};
use std::f64::consts::TAU;
use std::path::Path;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Metres, seconds and metres a second of the file; every so many steps are in it.
const SPACING: f64 = 1e-4;
const EVERY: f64 = 10.0;
const STEP: f64 = 2e-8;

fn read(name: &str) -> Result<Array2<f64>, Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kwave_photoacoustic.h5");
    let source = Source::open(&path)?;
    let rows = source.rows(name)?;
    Ok(rows.rows(0..rows.len())?.mapv(f64::from).into_dimensionality::<Ix2>()?)
}

/// What sensors at these pixels record of an image.
fn record(x: ArrayD<f64>, sensors: &Array2<f64>, times: usize) -> Result<Array2<f64>, Box<dyn std::error::Error>> {
    let config = PhotoacousticConfig {
        spacing: vec![SPACING; x.ndim() - 1],
        sound_speed: 1500.0,
        time_step: EVERY * STEP,
        times,
        first_time: 0.0,
        sensors: Sensors::Points { positions: sensors.rows().into_iter().map(|p| (&p * SPACING).to_vec()).collect() },
        bandwidth: None,
        grid: None,
    };
    let y = OperatorConfig::Photoacoustic(config).build::<f64>(x.shape())?.apply(x.insert_axis(Axis(0)).view())?;
    Ok(y.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0).into_dimensionality::<Ix2>()?)
}

/// A Gaussian of a deviation of `s` pixels about a pixel.
fn gaussian(shape: &[usize], middle: &[f64], s: f64) -> ArrayD<f64> {
    ArrayD::from_shape_fn([&[1], shape].concat(), |p| {
        let square: f64 = middle.iter().enumerate().map(|(a, m)| (p[a + 1] as f64 - m).powi(2)).sum();
        (-square / (2.0 * s * s)).exp()
    })
}

fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let square = |a: &Array2<f64>| a.iter().map(|v| v * v).sum::<f64>();
    (square(&(a - b)) / square(b)).sqrt()
}

#[test]
fn records_are_those_of_k_wave() -> Outcome {
    let sensors = read("sensors")?;
    let disc = read("disc_records")?;
    let error = distance(&record(read("disc_p0")?.into_dyn().insert_axis(Axis(0)), &sensors, disc.nrows())?, &disc);
    assert!(error <= 5e-5, "disc: {error:.2e}");
    let (theirs, exact) = (read("gaussian_records")?, read("gaussian_analytic")?);
    let ours = record(gaussian(&[128, 128], &[64.0, 64.0], 3.0), &sensors, theirs.nrows())?;
    let errors = [distance(&ours, &theirs), distance(&ours, &exact)];
    assert!(errors.iter().all(|&e| e <= 1e-6), "Gaussian: {errors:?}");
    let (theirs, exact) = (read("volume_records")?, read("volume_analytic")?);
    let ours = record(gaussian(&[48, 48, 48], &[24.0, 24.0, 20.0], 2.5), &read("volume_sensors")?, theirs.nrows())?;
    let errors = [distance(&ours, &theirs), distance(&ours, &exact)];
    assert!(errors.iter().all(|&e| e <= 1e-6), "Gaussian in space: {errors:?}");
    Ok(())
}

/// A smooth image inside a full circle of sensors comes back, after its scale is fitted, as well as each method can.
#[test]
fn classical_images_recover_a_smooth_image_from_all_around() -> Outcome {
    let sensors = Sensors::Circle { count: 200, center: vec![31.5; 2], radius: 30.0, first_angle: 0.0, arc: TAU };
    let config = PhotoacousticConfig {
        spacing: vec![1.0; 2],
        sound_speed: 1.0,
        time_step: 0.5,
        times: 128,
        first_time: 0.0,
        sensors,
        bandwidth: None,
        grid: None,
    };
    let x = gaussian(&[64, 64], &[30.0, 28.0], 3.0) + gaussian(&[64, 64], &[40.0, 36.0], 2.0) * 0.6;
    let x = (x - gaussian(&[64, 64], &[24.0, 40.0], 4.0) * 0.5).insert_axis(Axis(0));
    let operator = OperatorConfig::Photoacoustic(config);
    let y = operator.build::<f64>(&[1, 64, 64])?.apply(x.view())?;
    let mut images = Vec::new();
    for method in operator.classical_methods::<f64>(&[1, 64, 64])? {
        images.extend(method.names().into_iter().zip(method.reconstruct(y.view())?));
    }
    for (name, z) in images {
        let dot = |a: &ArrayD<f64>, b: &ArrayD<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        // The part of x that is no multiple of z.
        let error = (1.0 - dot(&x, &z).powi(2) / (dot(&x, &x) * dot(&z, &z))).sqrt();
        let limit = match name.as_str() {
            "time reversal" => 0.05,
            "back-projection" => 0.2,
            name if name.starts_with("least squares") => 0.02,
            name => panic!("no limit for {name}"),
        };
        assert!(error < limit, "{name}: {error}");
    }
    Ok(())
}

/// In space, where back-projection is exact, the middle of a Gaussian inside a sphere of sensors comes back in its true size,
/// whichever of the directions are seen.
#[test]
fn back_projection_is_exact_in_the_middle_of_a_sphere() -> Outcome {
    let (s, radius) = (2.0, 20.0);
    let config = PhotoacousticConfig {
        spacing: vec![1.0; 3],
        sound_speed: 1.0,
        time_step: 0.05,
        times: 800,
        first_time: 0.0,
        sensors: Sensors::Sphere { count: 30, center: vec![4.0; 3], radius },
        bandwidth: None,
        grid: None,
    };
    let f = |u: f64| u * (-u * u / (2.0 * s * s)).exp();
    let y = ArrayD::from_shape_fn(vec![1, 1, 800, 30], |p| {
        let path = config.sample_times()[p[2]];
        (f(radius - path) + f(radius + path)) / (2.0 * radius)
    });
    let x = BackProjection::new(&config, &[1, 9, 9, 9])?.reconstruct(y.view())?.swap_remove(0);
    assert!((x[[0, 0, 4, 4, 4]] - 1.0).abs() < 1e-3, "{}", x[[0, 0, 4, 4, 4]]);
    Ok(())
}

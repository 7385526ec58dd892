//! The photoacoustic operator against records of k-Wave (`tests/data`), and its classical images against what they promise.

use ndarray::{Array, Array2, ArrayD, Axis, Dimension, Ix2};
use posteria::io::Source;
use posteria::operator::OperatorConfig;
use posteria::operator::classical::ClassicalMethod;
use posteria::operator::photoacoustic::{BackProjection, PhotoacousticConfig, Sensors, TimeReversal};
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

fn distance<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>) -> f64 {
    let square = |a: &Array<f64, D>| a.iter().map(|v| v * v).sum::<f64>();
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
    let config = scanner(2, 0.5, 128, sensors);
    let x = gaussian(&[64, 64], &[30.0, 28.0], 3.0) + gaussian(&[64, 64], &[40.0, 36.0], 2.0) * 0.6;
    let x = (x - gaussian(&[64, 64], &[24.0, 40.0], 4.0) * 0.5).insert_axis(Axis(0));
    let operator = OperatorConfig::Photoacoustic(config);
    let y = operator.build::<f64>(&[1, 64, 64])?.apply(x.view())?;
    let mut images = Vec::new();
    for method in operator.classical_methods::<f64>(&[1, 64, 64])?.methods {
        images.extend(method.names().into_iter().zip(method.reconstruct(y.view())?));
    }
    for (name, z) in images {
        let error = unlike(&x, &z);
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

/// A scanner in units of a pixel and the time a wave takes across it.
fn scanner(axes: usize, time_step: f64, times: usize, sensors: Sensors) -> PhotoacousticConfig {
    PhotoacousticConfig {
        spacing: vec![1.0; axes],
        sound_speed: 1.0,
        time_step,
        times,
        first_time: 0.0,
        sensors,
        bandwidth: None,
        grid: None,
    }
}

/// The records of a Gaussian in space of a deviation of `s` pixels about `middle`: its analytic solution.
fn records_in_space(config: &PhotoacousticConfig, middle: &[f64], s: f64) -> ArrayD<f64> {
    let f = |u: f64| u * (-u * u / (2.0 * s * s)).exp();
    let positions = config.sensors.positions();
    let apart: Vec<f64> = positions
        .iter()
        .map(|place| place.iter().zip(middle).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt())
        .collect();
    let times = config.sample_times();
    ArrayD::from_shape_fn(vec![1, 1, config.times, positions.len()], |p| {
        let (r, path) = (apart[p[3]], times[p[2]]);
        (f(r - path) + f(r + path)) / (2.0 * r)
    })
}

/// In space, where back-projection is exact, the middle of a Gaussian inside a sphere of sensors comes back in its true size,
/// whichever of the directions are seen.
#[test]
fn back_projection_is_exact_in_the_middle_of_a_sphere() -> Outcome {
    let config = scanner(3, 0.05, 800, Sensors::Sphere { count: 30, center: vec![4.0; 3], radius: 20.0 });
    let y = records_in_space(&config, &[4.0; 3], 2.0);
    let x = BackProjection::new(&config, &[1, 9, 9, 9])?.reconstruct(y.view())?.swap_remove(0);
    assert!((x[[0, 0, 4, 4, 4]] - 1.0).abs() < 1e-3, "{}", x[[0, 0, 4, 4, 4]]);
    Ok(())
}

/// The sensors of an array as points, each of which looks towards the middle of the image.
fn scattered(config: &PhotoacousticConfig) -> PhotoacousticConfig {
    PhotoacousticConfig { sensors: Sensors::Points { positions: config.sensors.positions() }, ..config.clone() }
}

/// From a wide plane of sensors, nearly half of all directions, the whole of a Gaussian comes back in its true size. The sensors
/// look across their plane: with points at the same places it does not.
#[test]
fn back_projection_is_nearly_exact_before_a_wide_plane() -> Outcome {
    let plane = Sensors::Plane {
        counts: [101, 101],
        corner: vec![-2.0, -96.0, -96.0],
        first_end: vec![-2.0, 104.0, -96.0],
        second_end: vec![-2.0, -96.0, 104.0],
    };
    let config = scanner(3, 0.2, 760, plane);
    let y = records_in_space(&config, &[4.0; 3], 2.0);
    let x = gaussian(&[9, 9, 9], &[4.0; 3], 2.0).insert_axis(Axis(0));
    let error = |config: &PhotoacousticConfig| -> Result<f64, Box<dyn std::error::Error>> {
        Ok(distance(&BackProjection::new(config, &[1, 9, 9, 9])?.reconstruct(y.view())?.swap_remove(0), &x))
    };
    let (plane, points) = (error(&config)?, error(&scattered(&config))?);
    assert!(plane < 0.1 && points > 0.2, "{plane} {points}");
    Ok(())
}

/// The part of x that is no multiple of z.
fn unlike(x: &ArrayD<f64>, z: &ArrayD<f64>) -> f64 {
    let dot = |a: &ArrayD<f64>, b: &ArrayD<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    (1.0 - dot(x, z).powi(2) / (dot(x, x) * dot(z, z))).sqrt()
}

/// Before a wide line, in the plane, where it is no more than delay and sum, what comes back is somewhat like the image: more so
/// with sensors that look across the line.
#[test]
fn back_projection_before_a_wide_line_is_like_the_image() -> Outcome {
    let line = Sensors::Line { count: 161, first: vec![-4.0, -64.0], last: vec![-4.0, 96.0] };
    let config = scanner(2, 0.5, 240, line);
    let x = gaussian(&[32, 32], &[15.0, 16.0], 2.0).insert_axis(Axis(0));
    let y = OperatorConfig::Photoacoustic(config.clone()).build::<f64>(&[1, 32, 32])?.apply(x.view())?;
    let error = |config: &PhotoacousticConfig| -> Result<f64, Box<dyn std::error::Error>> {
        Ok(unlike(&x, &BackProjection::new(config, &[1, 32, 32])?.reconstruct(y.view())?.swap_remove(0)))
    };
    let (line, points) = (error(&config)?, error(&scattered(&config))?);
    assert!(line < 0.7 && points > 0.73, "{line} {points}");
    Ok(())
}

/// Inside a sphere of sensors a Gaussian comes back by time reversal in its true size.
#[test]
fn time_reversal_in_space_recovers_a_gaussian() -> Outcome {
    let sphere = Sensors::Sphere { count: 1200, center: vec![9.5; 3], radius: 9.0 };
    let config = scanner(3, 0.5, 50, sphere);
    let middle = [9.0, 10.0, 9.5];
    let x = gaussian(&[20, 20, 20], &middle, 1.8).insert_axis(Axis(0));
    let y = records_in_space(&config, &middle, 1.8);
    let z = TimeReversal::new(&config, &[1, 20, 20, 20])?.reconstruct(y.view())?.swap_remove(0);
    let error = distance(&z, &x);
    assert!(error < 0.1, "{error}");
    Ok(())
}

/// A record that begins before anything is heard gives the image of the whole record, whatever part of a step it begins at; one
/// that begins after any number of steps is reversed at once.
#[test]
fn a_late_record_is_reversed_to_the_pulse() -> Outcome {
    let circle = Sensors::Circle { count: 150, center: vec![19.5; 2], radius: 18.0, first_angle: 0.0, arc: TAU };
    let x = gaussian(&[40, 40], &[18.0, 21.0], 1.2).insert_axis(Axis(0));
    let image = |first_time: f64| -> Result<ArrayD<f64>, Box<dyn std::error::Error>> {
        let times = ((60.0 - first_time) / 0.8) as usize;
        let config = PhotoacousticConfig { first_time, ..scanner(2, 0.8, times, circle.clone()) };
        let y = OperatorConfig::Photoacoustic(config.clone()).build::<f64>(&[1, 40, 40])?.apply(x.view())?;
        Ok(TimeReversal::new(&config, &[1, 40, 40])?.reconstruct(y.view())?.swap_remove(0))
    };
    let whole = image(0.0)?;
    for first_time in [1.6, 2.0, 4.8, 5.5] {
        let error = distance(&image(first_time)?, &whole);
        assert!(error < 0.04, "{first_time}: {error}");
    }
    let late = PhotoacousticConfig { first_time: 1.0, grid: Some(vec![40, 40]), ..scanner(2, 1e-9, 4, circle) };
    let image = TimeReversal::new(&late, &[1, 40, 40])?.reconstruct(ArrayD::ones(vec![1, 1, 4, 150]).view())?;
    assert!(image[0].iter().all(|v: &f64| v.is_finite()));
    Ok(())
}

/// Time reversal is judged in the plane and in space, but where it would take longer than anybody waits; then it is named.
#[test]
fn no_method_is_missing_without_a_word() -> Outcome {
    let plane = Sensors::Plane {
        counts: [16, 16],
        corner: vec![-1.0, 0.0, 0.0],
        first_end: vec![-1.0, 30.0, 0.0],
        second_end: vec![-1.0, 0.0, 30.0],
    };
    let line = Sensors::Line { count: 4, first: vec![-1.0, 0.0], last: vec![-1.0, 31.0] };
    for (config, shape, is_judged) in [
        (scanner(3, 1.0, 48, plane), &[1, 32, 32, 32][..], true),
        (scanner(2, 1.0, 88, line.clone()), &[1, 64, 64], true),
        (scanner(2, 1.0, 4096, line), &[1, 32, 32], false),
    ] {
        let found = OperatorConfig::Photoacoustic(config).classical_methods::<f32>(shape)?;
        let names: Vec<String> = found.methods.iter().flat_map(|method| method.names()).collect();
        assert_eq!(names.iter().any(|name| name == "time reversal"), is_judged, "{names:?}");
        assert_eq!(found.left_out, if is_judged { vec![] } else { vec!["time reversal"] });
    }
    Ok(())
}

//! The scanner against its defining formula, analytic solutions and an independent program.

use super::depth::TABLES;
use super::*;
use crate::operator::check::adjoint_error;
use ndarray::Dimension;
use std::f64::consts::TAU;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn config(spacing: &[f64], time_step: f64, times: usize, sensors: Sensors) -> PhotoacousticConfig {
    PhotoacousticConfig {
        spacing: spacing.to_vec(),
        sound_speed: 1.0,
        time_step,
        times,
        first_time: 0.0,
        sensors,
        bandwidth: None,
        grid: None,
    }
}

fn line(count: usize, first: &[f64], last: &[f64]) -> Sensors {
    Sensors::Line { count, first: first.to_vec(), last: last.to_vec() }
}

fn points(positions: &[&[f64]]) -> Sensors {
    Sensors::Points { positions: positions.iter().map(|p| p.to_vec()).collect() }
}

/// A table of scanners: name, shape of the image, configuration.
fn scanners() -> Vec<(&'static str, Vec<usize>, PhotoacousticConfig)> {
    let band = Some(Bandwidth { center_frequency: 0.15, fraction: 0.8 });
    let plane = Sensors::Plane {
        counts: [4, 3],
        corner: vec![-2.0, 0.0, 0.0],
        first_end: vec![-2.0, 6.0, 0.0],
        second_end: vec![-2.0, 0.0, 5.0],
    };
    let circle = Sensors::Circle { count: 9, center: vec![5.0, 4.0], radius: 7.5, first_angle: 0.1, arc: 5.0 };
    let sphere = Sensors::Sphere { count: 7, center: vec![3.0, 3.0, 3.0], radius: 6.0 };
    let scattered = points(&[&[0.3, -2.7], &[4.0, 5.0], &[11.2, 3.0], &[4.0, 5.0]]);
    let row = line(8, &[-1.0, 0.0], &[-1.0, 7.0]);
    let unit = |times, sensors| config(&[1.0, 1.0], 0.8, times, sensors);
    let cube = |times, sensors| config(&[1.0, 1.0, 1.0], 0.7, times, sensors);
    vec![
        ("line", vec![1, 8, 8], unit(20, row.clone())),
        ("line, periodic", vec![1, 8, 7], PhotoacousticConfig { grid: Some(vec![15, 16]), ..unit(40, row.clone()) }),
        ("line along columns", vec![1, 6, 9], unit(11, line(6, &[0.0, 10.0], &[5.0, 10.0]))),
        ("slanted line, late", vec![1, 7, 6], {
            PhotoacousticConfig { first_time: 3.3, ..unit(9, line(5, &[-3.0, -1.0], &[2.0, 8.0])) }
        }),
        ("band", vec![1, 8, 8], PhotoacousticConfig { bandwidth: band.clone(), ..unit(33, row) }),
        ("circle", vec![1, 11, 9], unit(17, circle)),
        ("points", vec![1, 10, 6], PhotoacousticConfig { bandwidth: band, ..unit(12, scattered.clone()) }),
        ("anisotropic", vec![1, 9, 5], config(&[0.7, 1.6], 0.5, 14, scattered)),
        ("one pixel", vec![1, 1, 1], unit(3, points(&[&[2.0, 1.0]]))),
        ("plane", vec![1, 6, 7, 6], cube(9, plane)),
        ("line in space", vec![1, 5, 4, 6], {
            PhotoacousticConfig { grid: Some(vec![6, 9, 8]), ..cube(7, line(3, &[1.0, -1.5, 0.0], &[4.0, -1.5, 5.0])) }
        }),
        ("sphere", vec![1, 6, 6, 6], config(&[1.0, 1.3, 0.9], 0.6, 8, sphere)),
    ]
}

#[test]
fn every_adjoint_is_one_with_and_without_tables() -> Outcome {
    for (name, shape, config) in scanners() {
        for memory in [TABLES, 0] {
            let double = adjoint_error(&Photoacoustic::<f64>::with_tables(&config, &shape, memory)?, 1)?;
            let single = adjoint_error(&Photoacoustic::<f32>::with_tables(&config, &shape, memory)?, 1)?;
            assert!(double <= 1e-13 && single <= 1e-5, "{name}: {double} {single}");
        }
    }
    Ok(())
}

fn rough(shape: &[usize]) -> ArrayD<f64> {
    let mut count = 0.0;
    let shape: Vec<usize> = std::iter::once(1).chain(shape.iter().copied()).collect();
    ArrayD::from_shape_simple_fn(IxDyn(&shape), || {
        count += 1.0;
        (count * count * 0.37_f64).sin()
    })
}

fn distance(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    let square = |a: &ArrayD<f64>| a.iter().map(|v| v * v).sum::<f64>();
    (square(&(a - b)) / square(b)).sqrt()
}

/// The defining formula by whole transforms of the grid, interpolated by its defining sum.
fn by_formula(config: &PhotoacousticConfig, shape: &[usize], x: &ArrayD<f64>) -> Result<ArrayD<f64>, OperatorError> {
    let scanner = Photoacoustic::<f64>::new(config, shape)?;
    let grid = scanner.grid();
    let fourier = Fourier::<f64>::new(&grid);
    let mut image = ArrayD::zeros(IxDyn(&grid));
    x.indexed_iter().for_each(|(p, &v)| image[&p.slice()[2..]] = v);
    let spectrum = fourier.forward(image.view());
    let multiplicity = fourier.multiplicity();
    let (mut y, positions) = (ArrayD::zeros(IxDyn(scanner.range())), config.sensors.positions());
    let entries = fourier.tabulate(|k| k.to_vec());
    for (t, time) in config.sample_times().into_iter().enumerate() {
        for (s, position) in positions.iter().enumerate() {
            for (index, k) in entries.indexed_iter() {
                let mut square = 0.0;
                let mut phase = Complex::new(multiplicity[&index] / fourier.pixels() as f64, 0.0);
                for (a, &n) in grid.iter().enumerate() {
                    let h = config.spacing[a];
                    let kappa = TAU * k[a] as f64 / (n as f64 * h);
                    square += kappa * kappa;
                    let nyquist = 2 * k[a].unsigned_abs() as usize == n;
                    let wave = Complex::cis(kappa * position[a]);
                    phase *= if nyquist { Complex::new(wave.re, 0.0) } else { wave };
                }
                y[[0, t, s]] += (spectrum[&index] * phase).re * (config.sound_speed * time * square.sqrt()).cos();
            }
        }
    }
    for s in 0..positions.len() {
        if let Some(band) = &config.bandwidth {
            let trace: Vec<f64> = (0..config.times).map(|t| y[[0, t, s]]).collect();
            let filtered = band.filter::<f64>(config.time_step, config.times).apply(&trace);
            filtered.into_iter().enumerate().for_each(|(t, v)| y[[0, t, s]] = v);
        }
    }
    Ok(y.insert_axis(Axis(0)))
}

#[test]
fn every_scanner_is_its_formula_with_and_without_tables() -> Outcome {
    for (name, shape, config) in scanners() {
        let x = rough(&shape);
        let y = by_formula(&config, &shape, &x)?;
        for memory in [TABLES, 0] {
            let double = Photoacoustic::<f64>::with_tables(&config, &shape, memory)?.apply(x.view())?;
            assert!(distance(&double, &y) < 1e-12, "{name}: {}", distance(&double, &y));
            let single = Photoacoustic::<f32>::with_tables(&config, &shape, memory)?;
            let single = single.apply(x.mapv(|v| v as f32).view())?.mapv(f64::from);
            assert!(distance(&single, &y) < 1e-5, "{name}: {}", distance(&single, &y));
        }
    }
    Ok(())
}

/// After a thousand steps of any size, on a periodic grid, the error is still rounding.
#[test]
fn a_thousand_steps_are_exact() -> Outcome {
    let grid = Some(vec![20, 18]);
    let sensors = line(6, &[2.0, 0.0], &[2.0, 10.0]);
    let late = PhotoacousticConfig { first_time: 1.7 * 1000.0, grid, ..config(&[1.0, 1.0], 1.7, 3, sensors) };
    let x = rough(&[1, 16, 18]);
    let y = by_formula(&late, &[1, 16, 18], &x)?;
    let double = Photoacoustic::<f64>::new(&late, &[1, 16, 18])?.apply(x.view())?;
    assert!(distance(&double, &y) < 1e-12, "{}", distance(&double, &y));
    let single = Photoacoustic::<f32>::new(&late, &[1, 16, 18])?.apply(x.mapv(|v| v as f32).view())?;
    assert!(distance(&single.mapv(f64::from), &y) < 1e-5);
    Ok(())
}

/// At time zero a sensor on a pixel reads that pixel, wherever in the image and for every kind of grid.
#[test]
fn on_a_pixel_a_sensor_reads_it() -> Outcome {
    let sensors = points(&[&[0.0, 0.0], &[1.4, 4.8], &[5.6, 1.6], &[2.8, -1.6]]);
    let config = config(&[0.7, 1.6], 0.5, 1, sensors);
    let x = rough(&[1, 9, 5]);
    let y = Photoacoustic::<f64>::new(&config, &[1, 9, 5])?.apply(x.view())?;
    let expected = [x[[0, 0, 0, 0]], x[[0, 0, 2, 3]], x[[0, 0, 8, 1]], 0.0];
    assert!(y.iter().zip(expected).all(|(y, x)| (y - x).abs() < 1e-12), "{y}");
    Ok(())
}

/// A Gaussian of a deviation of s metres about a place in pixels.
fn gaussian(shape: &[usize], spacing: &[f64], middle: &[f64], s: f64) -> ArrayD<f64> {
    let whole: Vec<usize> = std::iter::once(1).chain(shape.iter().copied()).collect();
    ArrayD::from_shape_fn(IxDyn(&whole), |p| {
        let square: f64 = (0..spacing.len()).map(|a| ((p[a + 2] as f64 - middle[a]) * spacing[a]).powi(2)).sum();
        (-square / (2.0 * s * s)).exp()
    })
}

/// The grid chosen is large enough: on one three times as large the records of a smooth image are the same, and one
/// that is smaller by more than the margin would spoil them.
#[test]
fn nothing_comes_round_on_the_grid_chosen() -> Outcome {
    let sensors = Sensors::Circle { count: 5, center: vec![8.0, 8.0], radius: 11.0, first_angle: 0.3, arc: TAU };
    let own = config(&[1.0, 1.0], 1.0, 30, sensors);
    let shape = [1, 17, 17];
    let x = gaussian(&shape, &[1.0, 1.0], &[10.0, 5.0], 1.5);
    let scanner = Photoacoustic::<f64>::new(&own, &shape)?;
    let record = |grid: Vec<usize>| -> Result<ArrayD<f64>, OperatorError> {
        Photoacoustic::<f64>::new(&PhotoacousticConfig { grid: Some(grid), ..own.clone() }, &shape)?.apply(x.view())
    };
    let grid = scanner.grid();
    let large = record(grid.iter().map(|n| 3 * n).collect())?;
    let error = distance(&scanner.apply(x.view())?, &large);
    assert!(error < 1e-4, "{grid:?} {error}");
    assert!(distance(&record(vec![30, 30])?, &large) > 0.1);
    Ok(())
}

/// p(r, t) of a Gaussian in space: ((r − ct) f(r − ct) + (r + ct) f(r + ct)) / 2r with f(u) = exp(−u²/2s²).
#[test]
fn a_gaussian_in_space_is_its_analytic_solution() -> Outcome {
    let (h, s, speed) = (2e-4, 5e-4, 1500.0);
    let sensors = Sensors::Plane {
        counts: [3, 2],
        corner: vec![-1e-3, 0.0, 0.0],
        first_end: vec![-1e-3, 3e-3, 0.0],
        second_end: vec![-1e-3, 1e-3, 3.3e-3],
    };
    let config = PhotoacousticConfig { sound_speed: speed, ..config(&[h; 3], 1e-7, 50, sensors) };
    let middle = [13.0, 12.0, 14.0];
    let shape = [1, 26, 26, 27];
    let x = gaussian(&shape, &[h; 3], &middle, s);
    let y = Photoacoustic::<f64>::new(&config, &shape)?.apply(x.view())?;
    let positions = config.sensors.positions();
    let exact = ArrayD::from_shape_fn(y.raw_dim(), |i| {
        let place = &positions[i[3]];
        let r = (0..3).map(|a| (place[a] - middle[a] * h).powi(2)).sum::<f64>().sqrt();
        let f = |u: f64| u * (-u * u / (2.0 * s * s)).exp();
        let path = speed * config.sample_times()[i[2]];
        (f(r - path) + f(r + path)) / (2.0 * r)
    });
    // The image cuts the Gaussian off at five deviations.
    assert!(distance(&y, &exact) < 1e-5, "{}", distance(&y, &exact));
    Ok(())
}

/// What is heard at b of a pixel at a is what is heard at a of a pixel at b.
#[test]
fn source_and_sensor_change_places() -> Outcome {
    let heard = |from: [usize; 2], at: [f64; 2]| -> Result<ArrayD<f64>, OperatorError> {
        let config = config(&[1.0, 1.0], 0.9, 12, points(&[&at]));
        let mut x = ArrayD::zeros(IxDyn(&[1, 1, 9, 8]));
        x[[0, 0, from[0], from[1]]] = 1.0;
        let fixed = PhotoacousticConfig { grid: Some(vec![40, 36]), ..config };
        Photoacoustic::<f64>::new(&fixed, &[1, 9, 8])?.apply(x.view())
    };
    assert!(distance(&heard([2, 7], [6.0, 3.0])?, &heard([6, 3], [2.0, 7.0])?) < 1e-13);
    Ok(())
}

#[test]
fn errors_name_key_value_and_remedy() {
    let sensors = || line(3, &[-1.0, 0.0], &[-1.0, 4.0]);
    let good = || config(&[1.0, 1.0], 1.0, 5, sensors());
    let error = |config: PhotoacousticConfig| match Photoacoustic::<f32>::new(&config, &[1, 6, 6]) {
        Err(e) => e.to_string(),
        Ok(_) => "no error".into(),
    };
    let band = |center_frequency| Some(Bandwidth { center_frequency, fraction: 0.5 });
    let circle = Sensors::Circle { count: 3, center: vec![0.0; 2], radius: -1.0, first_angle: 0.0, arc: 1.0 };
    let ball = Sensors::Sphere { count: 3, center: vec![0.0; 3], radius: 1.0 };
    let far = line(3, &[-1e12, 0.0], &[-1.0, 4.0]);
    let cases = [
        (PhotoacousticConfig { spacing: vec![1.0], ..good() }, "`spacing` is [1.0]"),
        (PhotoacousticConfig { spacing: vec![1.0, -1.0], ..good() }, "`spacing` is [1.0, -1.0]"),
        (PhotoacousticConfig { sound_speed: f64::NAN, ..good() }, "`sound_speed` is NaN"),
        (PhotoacousticConfig { time_step: 0.0, ..good() }, "`time_step` is 0"),
        (PhotoacousticConfig { times: 0, ..good() }, "`times` is 0"),
        (PhotoacousticConfig { first_time: -1.0, ..good() }, "`first_time` is -1"),
        (PhotoacousticConfig { grid: Some(vec![6, 5]), ..good() }, "`grid` is [6, 5]"),
        (PhotoacousticConfig { bandwidth: band(0.6), ..good() }, "`bandwidth.center_frequency` is 0.6"),
        (PhotoacousticConfig { sensors: line(0, &[0.0; 2], &[0.0; 2]), ..good() }, "`sensors.count` is 0"),
        (
            PhotoacousticConfig { sensors: line(3, &[0.0; 3], &[0.0; 2]), ..good() },
            "`sensors.first` is [0.0, 0.0, 0.0]",
        ),
        (PhotoacousticConfig { sensors: circle, ..good() }, "`sensors.radius` is -1"),
        (PhotoacousticConfig { sensors: ball, ..good() }, "`sensors.kind` is sphere"),
        (PhotoacousticConfig { sensors: far, ..good() }, "`times` is 5"),
        (PhotoacousticConfig { times: 1 << 24, grid: Some(vec![64, 80]), ..good() }, "`times` is 16777216"),
    ];
    for (config, expected) in cases {
        let message = error(config);
        assert!(message.contains(expected) && message.contains(';'), "{message}");
    }
    assert_eq!(error(good()), "no error");
    assert!(Photoacoustic::<f32>::new(&good(), &[2, 6, 6]).is_err());
    assert!(Photoacoustic::<f32>::new(&good(), &[1, 6]).is_err());
}

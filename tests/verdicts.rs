//! Verdicts on posteriors that are known: an exact one is rejected in at most one run of twenty, wrong ones nearly always.
//!
//! 100 pairs of 100 draws of images of 12 × 12 pixels that are correlated over some pixels.

use ndarray::{ArrayD, Axis, IxDyn};
use posteria::random::{Purpose, stream};
use posteria::uq::judgement::Judgement;
use posteria::uq::scale::Scale;
use posteria::uq::{Cells, UqError, diagnosis::diagnose_draws};
use rand::Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use rayon::prelude::*;

const SIZE: usize = 12;
/// Width of the kernel that correlates pixels: fields are correlated over 2 pixels.
const WIDTH: f64 = 1.4;
/// The same of fields that are correlated over more than an image.
const SMOOTH: f64 = 9.0;

/// A Gaussian field of variance one, correlated over √2 widths: white noise under a Gaussian kernel of this width.
fn field(rng: &mut impl Rng, width: f64) -> ArrayD<f32> {
    let reach = (3.0 * width).ceil() as usize;
    let kernel: Vec<f64> =
        (0..=2 * reach).map(|k| (-0.5 * ((k as f64 - reach as f64) / width).powi(2)).exp()).collect();
    let size = kernel.iter().map(|k| k * k).sum::<f64>().sqrt();
    let wide = SIZE + 2 * reach;
    let white: Vec<f64> = (0..wide * wide).map(|_| StandardNormal.sample(rng)).collect();
    let along = |at: &dyn Fn(usize) -> f64| kernel.iter().enumerate().map(|(k, w)| w * at(k)).sum::<f64>() / size;
    let rows: Vec<f64> = (0..SIZE * wide).map(|i| along(&|k| white[(i / wide + k) * wide + i % wide])).collect();
    let value = |i: IxDyn| along(&|k| rows[i[1] * wide + i[2] + k]) as f32;
    ArrayD::from_shape_fn(IxDyn(&[1, SIZE, SIZE]), value)
}

/// How draws depart from the exact posterior N(mean, field).
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Narrow,
    Shifted,
    Independent,
    /// Student's t of 4 degrees, with the variance of the exact posterior.
    Tails,
    /// The same as it is, twice that variance.
    WideTails,
    OnePixel,
    /// Exact, but every tenth truth is far off in every pixel.
    Gross,
    Prior,
}

fn draw(mean: &ArrayD<f32>, fault: Fault, width: f64, rng: &mut impl Rng) -> ArrayD<f32> {
    let student = |rng: &mut _| {
        let freedom = 4.0;
        let square: f64 = ChiSquared::new(freedom).unwrap().sample(rng);
        (freedom / square).sqrt() as f32
    };
    match fault {
        Fault::None | Fault::Gross => mean + &field(rng, width),
        Fault::Narrow => mean + &(field(rng, width) * 0.8),
        Fault::Shifted => mean + &field(rng, width) + 0.3,
        Fault::Independent => mean.mapv(|m| m + <StandardNormal as Distribution<f32>>::sample(&StandardNormal, rng)),
        Fault::Tails => {
            let scale = student(rng) * 0.5_f32.sqrt();
            mean + &(field(rng, width) * scale)
        }
        Fault::WideTails => {
            let scale = student(rng);
            mean + &(field(rng, width) * scale)
        }
        Fault::OnePixel => {
            let mut image = mean + &field(rng, width);
            image[[0, 7, 4]] += 1.0;
            image
        }
        Fault::Prior => &(field(rng, width) * 2.0) + &field(rng, width),
    }
}

fn judged(pairs: usize, draws: usize, fault: Fault, width: f64, replication: u64) -> Judgement {
    let rng = &mut stream(replication, Purpose::Diagnostic, fault as u64);
    let pairs = (0..pairs).map(|pair| {
        let mean = field(rng, width) * 2.0;
        let mut truth = &mean + &field(rng, width);
        if matches!(fault, Fault::Gross) && pair % 10 == 0 {
            truth += 50.0;
        }
        let all: Vec<_> = (0..draws).map(|_| draw(&mean, fault, width, rng).insert_axis(Axis(0))).collect();
        let views: Vec<_> = all.iter().map(|image| image.view()).collect();
        let all = ndarray::concatenate(Axis(0), &views).unwrap();
        Ok::<_, UqError>((truth, [Ok(all)]))
    });
    diagnose_draws(pairs, &Cells::default(), draws, replication, &Scale::one_unit("")).unwrap().judgement
}

fn is_calibrated(judgement: &Judgement) -> bool {
    !judgement.tests.is_empty() && judgement.tests.values().all(|test| test.holds == Some(true))
}

/// Of so many replications, those in which a posterior is rejected.
fn rejected(replications: u64, pairs: usize, draws: usize, fault: Fault, width: f64) -> usize {
    (0..replications)
        .into_par_iter()
        .filter(|&replication| {
            let judgement = judged(pairs, draws, fault, width, replication);
            !is_calibrated(&judgement) || judgement.learned_nothing()
        })
        .count()
}

#[test]
fn an_exact_posterior_is_rejected_in_at_most_one_run_of_twenty() {
    let found = rejected(200, 100, 100, Fault::None, WIDTH);
    println!("{found} of 200 runs of an exact posterior are rejected");
    assert!(found <= 10, "{found} of 200");
}

#[test]
fn other_numbers_of_pairs_and_draws_alarm_no_more() {
    for (pairs, draws, width, replications) in [
        (20, 32, WIDTH, 100),
        (50, 32, WIDTH, 60),
        (30, 200, WIDTH, 40),
        (12, 32, SMOOTH, 200),
        (30, 64, SMOOTH, 100),
        // Fields so smooth take long to draw.
        (100, 32, SMOOTH, 60),
        (30, 64, 20.0, 60),
    ] {
        let found = rejected(replications, pairs, draws, Fault::None, width);
        let what = format!("{pairs} pairs of {draws} draws, width {width}: {found} of {replications}");
        println!("{what}");
        assert!(found as f64 <= 0.05 * replications as f64, "{what}");
    }
}

#[test]
fn wrong_posteriors_are_rejected_in_nine_runs_of_ten() {
    for fault in [
        Fault::Narrow,
        Fault::Shifted,
        Fault::Independent,
        Fault::Tails,
        Fault::WideTails,
        Fault::OnePixel,
        Fault::Gross,
    ] {
        let found = rejected(20, 100, 100, fault, WIDTH);
        println!("{fault:?}: {found} of 20");
        assert!(found >= 18, "{fault:?}: {found} of 20");
    }
}

#[test]
fn draws_of_the_prior_are_calibrated_and_told() {
    let all: Vec<Judgement> = (0..20).into_par_iter().map(|k| judged(100, 100, Fault::Prior, WIDTH, k)).collect();
    let told = all.iter().filter(|judgement| judgement.learned_nothing()).count();
    let calibrated = all.iter().filter(|judgement| is_calibrated(judgement)).count();
    println!("draws of the prior: {told} of 20 are told, {calibrated} of 20 calibrated");
    assert!(told >= 18 && calibrated >= 18, "{told} told, {calibrated} calibrated");
    let headline = all[0].headline().join("; ");
    assert!(headline.contains("nothing that was learned from y can be seen"), "{headline}");
}

//! Amortized Bayesian inference for scientific imaging.
//!
//! An imaging experiment gives one observation y of an unknown image x. This crate simulates pairs (x, y), trains one
//! conditional flow q(x | y) on them, and then answers any observation with draws of its posterior, their densities,
//! their mean and their standard deviation. Images have one to three axes.
//!
//! The README says how the program `posteria` is used. This page is for those who call the library.
//!
//! # Rooms
//!
//! A module uses only modules above it in this list.
//!
//! - [`random`]: random streams that are named by seed, purpose and index.
//! - [`io`]: arrays in and out of files.
//! - [`operator`]: maps from images to observations, with adjoints, and noise.
//! - [`prior`]: generators of true images.
//! - [`kernels`]: the array operations that flows spend their time in.
//! - [`flow`]: invertible networks with gradients by hand, and the densities made of them.
//! - [`summary`]: networks that turn an observation into the condition of a flow.
//! - [`model`]: what is trained, saved and loaded as one: [`model::Model`].
//! - [`train`]: batches, optimiser, checkpoints.
//! - [`posterior`]: posteriors of given observations, and the exact ones where they are known.
//! - [`uq`]: whether a posterior is right: calibration, coverage, ranks, scores.
//! - [`problem`]: a problem file as checked types, and the experiment that it describes.
//! - [`figure`]: maps, curves and the report.
//!
//! # From a problem to a posterior
//!
//! A small problem is trained for less than a second. Longer training makes a better posterior;
//! `examples/amortized_posterior.rs` compares one with the exact posterior.
//!
//! ```
//! use std::sync::Arc;
//!
//! use burn::tensor::Device;
//! use ndarray::{ArrayViewD, Axis};
//! use posteria::flow::Plan;
//! use posteria::model::Model;
//! use posteria::posterior::stats::Reduction;
//! use posteria::problem::{Experiment, ExperimentBatches, Problem, Set, Size};
//! use posteria::random::{Purpose, stream};
//! use posteria::train::{Silent, Task, first_pairs, train};
//! use posteria::uq::score::rmse;
//!
//! let text = r#"
//! name = "small-denoise"
//! prior = { kind = "periodic-gaussian-field", shape = [8, 8] }
//! operator = { kind = "identity" }
//! noise = { sigma = 1.0 }
//! network = { scales = 1, steps = 2, conditioner = { hidden = 16, border = "periodic" } }
//! training = { source = "on-the-fly", steps = 300, warm_up = 10, learning_rate = 5e-3, validation_pairs = 16 }
//! "#;
//! let problem = Problem::parse(text, "problem.toml".as_ref(), Size::Plain)?;
//! let (experiment, device) = (Experiment::new(problem)?, Device::flex());
//!
//! // Normalisation and the start of the flow come from the first pairs.
//! let batches = Arc::new(ExperimentBatches::new(&experiment, "".as_ref())?);
//! let (x, y) = first_pairs(&*batches, 64)?;
//! let model = experiment.model(&device)?.fit(&x, &y)?;
//!
//! let validation = experiment.noisy_pairs(Set::Validation, 0..16)?;
//! let training = experiment.problem().training.clone();
//! let task = Task { model, batches, validation, training, plan: Plan::default() };
//! let run = tempfile::tempdir()?;
//! train(task, run.path(), &device, &mut Silent)?;
//!
//! // One model answers every observation.
//! let model = Model::load(&run.path().join("model"), &device)?;
//! for index in 0..3 {
//!     let (truth, y) = experiment.noisy_pairs(Set::Test, index..index + 1)?;
//!     let draws = model.sample(&y, 200, &mut stream(1, Purpose::Latent, index))?;
//!     let mut reduction = Reduction::new(model.x_shape(), &[0.05, 0.95], 200)?;
//!     reduction.add(draws.view())?;
//!     let summary = reduction.finish()?;
//!     let error = |image: ArrayViewD<f32>| rmse(image, truth.index_axis(Axis(0), 0));
//!     assert!(error(summary.mean.view())? < error(y.index_axis(Axis(0), 0))?, "nearer to the truth than the record");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod figure;
pub mod flow;
pub mod io;
pub mod kernels;
pub mod model;
pub mod operator;
pub mod posterior;
pub mod prior;
pub mod problem;
pub mod random;
pub mod summary;
pub mod train;
pub mod uq;

/// The code of the README is tested as that of this page is.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

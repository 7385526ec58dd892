#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

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

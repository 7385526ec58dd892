#![doc = include_str!("../README.md")]

pub mod flow;
pub mod io;
pub mod kernels;
pub mod model;
pub mod operator;
pub mod random;
pub mod summary;

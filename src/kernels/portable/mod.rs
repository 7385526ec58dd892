//! The reference version of every kernel, in Burn tensor operations: any device, any float type.

pub mod activation;
pub mod channel;
pub mod convolution;
pub mod coupling;
pub mod squeeze;

//! `--device`: where tensors live, among what was compiled in and what the machine has.

use anyhow::bail;
use burn::tensor::Device;
use clap::Args;

#[derive(Args)]
pub struct DeviceArgument {
    /// flex (the processor), cuda, cuda:1, wgpu, …: the GPUs only where they were compiled in.
    #[arg(long, default_value = "flex", value_name = "NAME")]
    device: String,
}

impl DeviceArgument {
    pub fn open(&self) -> anyhow::Result<Device> {
        let (kind, index) = match self.device.split_once(':') {
            Some((kind, index)) => match index.parse::<usize>() {
                Ok(index) => (kind, index),
                Err(_) => bail!("--device {}: {index:?} is no number; give a device such as cuda:0", self.device),
            },
            None => (self.device.as_str(), 0),
        };
        match (kind, index) {
            ("flex" | "cpu", 0) => Ok(Device::flex()),
            ("flex" | "cpu", _) => bail!("--device {}: there is one processor; give flex", self.device),
            ("cuda", index) => self.cuda(index),
            ("wgpu", index) => self.wgpu(index),
            _ => bail!("--device {}: no such device; give flex, cuda, cuda:1 or wgpu", self.device),
        }
    }

    /// A device that is there may yet compute nothing; better said here than in the middle of the work.
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    fn working(&self, device: Device, remedy: &str) -> anyhow::Result<Device> {
        use burn::tensor::Tensor;
        use std::panic::{AssertUnwindSafe, catch_unwind};

        let two = catch_unwind(AssertUnwindSafe(|| Tensor::<1>::ones([2], &device).sum().try_into_scalar::<f32>()));
        match two {
            Ok(Ok(2.0)) => Ok(device),
            _ => bail!("--device {}: the device is there, but one and one is not two on it; {remedy}", self.device),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, index: usize) -> anyhow::Result<Device> {
        let found = Device::enumerate(burn::tensor::DeviceType::Cuda);
        match found.len() {
            0 => bail!("--device {}: this machine has no CUDA device or no driver for it; give flex", self.device),
            n if index >= n => bail!("--device {}: this machine has {n} CUDA devices, counted from 0", self.device),
            _ => self.working(
                Device::cuda(index),
                "CUDA kernels are compiled by NVRTC when the program runs: install the CUDA toolkit of the driver's release, \
                 and give its folder as CUDA_PATH and its lib64 in LD_LIBRARY_PATH",
            ),
        }
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(&self, _index: usize) -> anyhow::Result<Device> {
        bail!("--device {}: this program was built without CUDA; build it with --features cuda", self.device)
    }

    #[cfg(feature = "wgpu")]
    fn wgpu(&self, index: usize) -> anyhow::Result<Device> {
        match Device::enumerate(burn::tensor::DeviceType::Wgpu).into_iter().nth(index) {
            Some(device) => self.working(device, "bring its driver up to date, or give flex"),
            None => bail!(
                "--device {}: this machine has no such graphics device, or no Vulkan driver for it; give flex",
                self.device
            ),
        }
    }

    #[cfg(not(feature = "wgpu"))]
    fn wgpu(&self, _index: usize) -> anyhow::Result<Device> {
        bail!("--device {}: this program was built without wgpu; build it with --features wgpu", self.device)
    }
}

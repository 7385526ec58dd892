//! Between tensors of the flex device and slices.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{BackendTensor, DispatchTensor, DispatchTensorKind, Flex};
use burn::tensor::{Bytes, DType, Tensor};

use super::pass::parts;
use crate::kernels::Field;

/// The tensor behind, where it is one of f32 on the flex device, outside autodiff.
fn flex<const D: usize>(x: &Tensor<D>) -> Option<FlexTensor> {
    match x.clone().into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) if tensor.dtype() == DType::F32 => Some(tensor),
        _ => None,
    }
}

/// Whether a tensor is one of f32 on the flex device, outside autodiff.
pub fn is_fast<const D: usize>(x: &Tensor<D>) -> bool {
    flex(x).is_some()
}

/// A tensor over these values.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    let layout = Layout::contiguous(shape.into());
    let tensor = FlexTensor::new(Bytes::from_elems(values), layout, DType::F32);
    Tensor::from_primitive::<Flex>(tensor)
}

/// All values of a tensor, in order.
pub struct Values(FlexTensor);

impl Values {
    pub fn of<const D: usize>(x: &Tensor<D>) -> Option<Self> {
        let tensor = flex(x)?;
        Some(Self(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }))
    }

    pub fn get(&self) -> &[f32] {
        let first = self.0.layout().start_offset();
        &self.0.storage::<f32>()[first..][..self.0.layout().num_elements()]
    }
}

/// A field whose planes (all pixels of one channel of one sample) are contiguous, as views of channels are.
pub struct Planes {
    tensor: FlexTensor,
    pub batch: usize,
    pub channels: usize,
    /// Depth, height, width.
    pub extent: [usize; 3],
    first: usize,
    batch_stride: usize,
    channel_stride: usize,
}

impl Planes {
    /// Without a copy where the planes are contiguous. An empty field is left to others.
    pub fn of(x: &Field) -> Option<Self> {
        let mut tensor = flex(x)?;
        let [batch, channels, d, h, w] = x.dims();
        if x.dims().contains(&0) {
            return None;
        }
        let strides = match strides(&tensor, [d, h, w]) {
            Some(strides) => strides,
            None => {
                tensor = tensor.to_contiguous();
                [channels * d * h * w, d * h * w]
            }
        };
        let first = tensor.layout().start_offset();
        let [batch_stride, channel_stride] = strides;
        let channel_stride = if channels == 1 { 0 } else { channel_stride };
        let batch_stride = if batch == 1 { 0 } else { batch_stride };
        Some(Self { tensor, batch, channels, extent: [d, h, w], first, batch_stride, channel_stride })
    }

    pub fn pixels(&self) -> usize {
        self.extent.iter().product()
    }

    /// Everything the tensor's storage holds; a plane starts at its [`offset`](Self::offset).
    pub fn storage(&self) -> &[f32] {
        self.tensor.storage::<f32>()
    }

    pub fn offset(&self, sample: usize, channel: usize) -> usize {
        self.first + sample * self.batch_stride + channel * self.channel_stride
    }

    pub fn batch_stride(&self) -> usize {
        self.batch_stride
    }

    pub fn channel_stride(&self) -> usize {
        self.channel_stride
    }

    pub fn plane(&self, sample: usize, channel: usize) -> &[f32] {
        &self.storage()[self.offset(sample, channel)..][..self.pixels()]
    }

    /// Calls `f` with one run after the other of the `length` values from place `first` on, all channels of a sample
    /// coming after each other.
    pub fn runs<'a>(&'a self, first: usize, length: usize, mut f: impl FnMut(&'a [f32])) {
        for (plane, pixel, length) in parts(first, length, self.pixels()) {
            f(&self.plane(plane / self.channels, plane % self.channels)[pixel..][..length]);
        }
    }
}

/// Strides of batch and channel, where the planes are contiguous. The stride of an axis of extent 1 says nothing.
fn strides(tensor: &FlexTensor, [d, h, w]: [usize; 3]) -> Option<[usize; 2]> {
    let strides = tensor.layout().strides();
    let contiguous = [(d, h * w), (h, w), (w, 1)];
    let fits = contiguous.iter().zip(&strides[2..]).all(|(&(n, expected), &s)| n == 1 || s == expected as isize);
    let positive = |i: usize| usize::try_from(strides[i]).ok();
    if fits { Some([positive(0)?, positive(1)?]) } else { None }
}

/// A tensor whose values may be overwritten: its own where nobody shares them, else a copy.
pub struct Owned<const D: usize> {
    tensor: FlexTensor,
}

impl<const D: usize> Owned<D> {
    /// # Errors
    /// The tensor itself, where it is not one of f32 on the flex device, or tracked by autodiff.
    pub fn of(x: Tensor<D>) -> Result<Self, Tensor<D>> {
        Self::unshared(x).or_else(|x| match flex(&x) {
            Some(tensor) => Ok(Self { tensor: copy(&tensor) }),
            None => Err(x),
        })
    }

    /// Never a copy.
    ///
    /// # Errors
    /// The tensor itself, where others share it, or it is none of these.
    pub fn unshared(x: Tensor<D>) -> Result<Self, Tensor<D>> {
        let DispatchTensor { kind, autodiff } = x.into_dispatch();
        match kind {
            DispatchTensorKind::Flex(BackendTensor::Float(tensor)) if is_unshared(&tensor) => Ok(Self { tensor }),
            kind => Err(Tensor::from_dispatch(DispatchTensor { kind, autodiff })),
        }
    }

    pub fn get(&mut self) -> &mut [f32] {
        self.tensor.storage_mut::<f32>()
    }

    pub fn into_tensor(self) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.tensor)
    }
}

/// Whether a tensor of f32 is all of its storage, and nobody else's.
fn is_unshared(tensor: &FlexTensor) -> bool {
    let layout = tensor.layout();
    tensor.dtype() == DType::F32
        && layout.is_contiguous()
        && layout.start_offset() == 0
        && layout.num_elements() == tensor.storage::<f32>().len()
        && tensor.is_unique()
}

fn copy(tensor: &FlexTensor) -> FlexTensor {
    let layout = tensor.layout();
    match layout.contiguous_offsets() {
        Some((first, end)) => {
            let values = tensor.storage::<f32>()[first..end].to_vec();
            FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(layout.shape().clone()), DType::F32)
        }
        None => tensor.to_contiguous(),
    }
}

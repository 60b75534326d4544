//! The file that `ssgan trace-step` writes: named f32 tensors and text metadata.

use std::{error::Error, fs, path::Path};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{SafeTensors, tensor::Metadata};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Trace {
    bytes: Vec<u8>,
    header: usize,
    index: Metadata,
}

impl Trace {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        // The length of the header does not count the eight bytes that hold it.
        let (header, index) = SafeTensors::read_metadata(&bytes)?;
        let trace = Self { bytes, header: header + 8, index };
        match trace.text("format") {
            Ok("ssgan-trace-1") => Ok(trace),
            _ => Err(format!("{}: not a trace of `ssgan trace-step`", path.display()).into()),
        }
    }

    pub fn text(&self, key: &str) -> Result<&str> {
        let text = self.index.metadata().as_ref().and_then(|m| m.get(key));
        Ok(text.ok_or_else(|| format!("the trace has no metadata `{key}`"))?)
    }

    pub fn number(&self, key: &str) -> Result<f64> {
        Ok(self.text(key)?.parse()?)
    }

    pub fn has(&self, name: &str) -> bool {
        self.index.info(name).is_some()
    }

    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(self.index.info(name).ok_or_else(|| format!("the trace has no tensor `{name}`"))?.shape.clone())
    }

    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.shape(name)?;
        let (start, end) = self.index.info(name).unwrap().data_offsets;
        let bytes = &self.bytes[self.header + start..self.header + end];
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
    }

    /// Panics where the tensor has not D axes.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Result<Tensor<D>> {
        Ok(Tensor::from_data(TensorData::new(self.values(name)?, self.shape(name)?), device))
    }
}

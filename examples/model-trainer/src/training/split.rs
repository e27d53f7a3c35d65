//! One split of the data as tensors, and what can be measured on it.

use candle_core::{Device, Tensor};
use candle_nn::{Module as _, loss};

use super::TrainingError;
use crate::dataset::{FEATURE_COUNT, Samples, share};
use crate::model::Mlp;

/// A split of the data as tensors.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) features: Tensor,
    pub(super) labels: Tensor,
}

impl Split {
    pub(super) fn of(samples: &Samples, split: &'static str) -> Result<Self, TrainingError> {
        if samples.is_empty() {
            return Err(TrainingError::NoSamples { split });
        }
        let shape = (samples.len(), FEATURE_COUNT);
        Ok(Self {
            features: Tensor::from_slice(samples.features.as_flattened(), shape, &Device::Cpu)?,
            labels: Tensor::new(samples.labels.as_slice(), &Device::Cpu)?,
        })
    }

    /// The samples at these positions.
    pub(super) fn select(&self, positions: &[u32]) -> candle_core::Result<Self> {
        let positions = Tensor::new(positions, &Device::Cpu)?;
        Ok(Self {
            features: self.features.index_select(&positions, 0)?,
            labels: self.labels.index_select(&positions, 0)?,
        })
    }

    pub(super) fn loss(&self, model: &Mlp) -> candle_core::Result<Tensor> {
        loss::cross_entropy(&model.forward(&self.features)?, &self.labels)
    }

    pub(super) fn loss_value(&self, model: &Mlp) -> candle_core::Result<f64> {
        Ok(f64::from(self.loss(model)?.to_scalar::<f32>()?))
    }

    pub(super) fn predictions(&self, model: &Mlp) -> candle_core::Result<Vec<u32>> {
        model.forward(&self.features)?.argmax(1)?.to_vec1()
    }

    pub(super) fn accuracy(&self, model: &Mlp) -> candle_core::Result<f64> {
        let (labels, predictions) = (self.labels.to_vec1::<u32>()?, self.predictions(model)?);
        let correct = labels.iter().zip(&predictions).filter(|(left, right)| left == right);
        Ok(share(correct.count(), labels.len()))
    }
}

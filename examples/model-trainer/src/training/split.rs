//! One split of the data as arrays, and what can be measured on it.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::TrainingError;
use crate::dataset::{FEATURE_COUNT, Samples, share};
use crate::loss;
use crate::model::Mlp;

/// How many samples a thread measures at once. It must not depend on the number of threads: sums in another order
/// differ in their last digits, and a resumed training must equal one without interruption on every machine.
const CHUNK: usize = 256;

/// A split of the data, a row of features for each label.
#[derive(Debug)]
pub(super) struct Split {
    features: Array2<f32>,
    pub(super) labels: Vec<u32>,
}

impl Split {
    pub(super) fn of(samples: &Samples, split: &'static str) -> Result<Self, TrainingError> {
        if samples.is_empty() {
            return Err(TrainingError::NoSamples { split });
        }
        let value = |(row, column): (usize, usize)| samples.features[row][column];
        let features = Array2::from_shape_fn((samples.len(), FEATURE_COUNT), value);
        Ok(Self { features, labels: samples.labels.clone() })
    }

    /// The gradient of the mean loss of the samples at these positions.
    pub(super) fn gradient(&self, model: &Mlp, positions: &[usize]) -> Mlp {
        let features = self.features.select(Axis(0), positions);
        let labels: Vec<u32> = positions.iter().map(|position| self.labels[*position]).collect();
        model.gradient(features.view(), &labels)
    }

    /// The mean loss of all samples.
    pub(super) fn loss(&self, model: &Mlp) -> f64 {
        let losses =
            self.in_chunks(|features, labels| loss::cross_entropy(model.scores(features), labels));
        losses.iter().sum::<f64>() * share(1, self.labels.len())
    }

    /// The class with the highest score of each sample.
    pub(super) fn predictions(&self, model: &Mlp) -> Vec<u32> {
        let best = |features: ArrayView2<'_, f32>, _: &[u32]| {
            let scores = model.scores(features);
            let best = |row: ArrayView1<'_, f32>| {
                let scores = (0..).zip(row).max_by(|(_, left), (_, right)| left.total_cmp(right));
                scores.map_or(0, |(class, _)| class)
            };
            scores.rows().into_iter().map(best).collect::<Vec<u32>>()
        };
        self.in_chunks(best).concat()
    }

    /// The share of the predictions that are right.
    pub(super) fn accuracy(&self, predictions: &[u32]) -> f64 {
        let correct = self.labels.iter().zip(predictions).filter(|(left, right)| left == right);
        share(correct.count(), self.labels.len())
    }

    /// Measures on all threads; the results are in the order of the samples.
    fn in_chunks<T: Send>(
        &self,
        measure: impl Fn(ArrayView2<'_, f32>, &[u32]) -> T + Sync,
    ) -> Vec<T> {
        let features = self.features.axis_chunks_iter(Axis(0), CHUNK);
        let chunks: Vec<_> = features.zip(self.labels.chunks(CHUNK)).collect();
        chunks.into_par_iter().map(|(features, labels)| measure(features, labels)).collect()
    }
}

//! Saving a training as a checkpoint and continuing from one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{aview0, aview1, aview2};

use super::{Trainer, TrainingError};
use crate::checkpoint::{Checkpoint, CheckpointError, write_tensors};
use crate::dataset::Dataset;
use crate::metrics::EpochMetrics;
use crate::settings::TrainingSettings;
use crate::tensor::Tensor;

/// Names of the checkpoint's tensors that are not weights or moments.
const STEPS_TENSOR: &str = "adamw.steps";
const HISTORY_TENSOR: &str = "history";
/// Numbers per epoch in the history tensor.
const HISTORY_COLUMNS: usize = 3;

impl Trainer {
    /// Training that continues after the last epoch of a checkpoint, exactly as
    /// if it had never been interrupted.
    ///
    /// # Errors
    ///
    /// Fails if the checkpoint is broken or was written by a training with other
    /// settings; only the number of epochs may differ.
    pub fn resume(
        settings: TrainingSettings,
        dataset: &Dataset,
        path: &Path,
    ) -> Result<Self, TrainingError> {
        let mut trainer = Self::new(settings, dataset)?;
        let checkpoint = Checkpoint::load(path)?;
        let mismatch = |reason| CheckpointError::Mismatch { path: path.to_owned(), reason };
        if let Some(reason) = checkpoint.difference(&trainer.facts()) {
            return Err(mismatch(reason).into());
        }
        trainer.read_values(&checkpoint).map_err(mismatch)?;
        Ok(trainer)
    }

    fn read_values(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let names: Vec<String> = self.values().map(|(name, _)| name).collect();
        for (name, mut values) in names.iter().zip(self.values_mut()) {
            let saved: Vec<f32> = checkpoint.numbers(name, values.shape())?;
            values.iter_mut().zip(saved).for_each(|(value, saved)| *value = saved);
        }
        let steps: Vec<u32> = checkpoint.numbers(STEPS_TENSOR, &[])?;
        self.optimizer.set_steps(steps.into_iter().sum());
        let shape = [checkpoint.epoch as usize, HISTORY_COLUMNS];
        self.history = read_history(&checkpoint.numbers::<f64>(HISTORY_TENSOR, &shape)?);
        Ok(())
    }

    /// Writes a checkpoint of the last finished epoch into the directory.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn save_checkpoint(&self, dir: &Path) -> Result<PathBuf, TrainingError> {
        let values = self.values().map(|(name, values)| (name, Tensor::new(&values)));
        let mut tensors: BTreeMap<String, Tensor> = values.collect();
        tensors.insert(STEPS_TENSOR.to_owned(), Tensor::new(&aview0(&self.optimizer.steps())));
        tensors.insert(HISTORY_TENSOR.to_owned(), history_tensor(&self.history));
        let checkpoint = Checkpoint { epoch: self.finished_epochs(), facts: self.facts(), tensors };
        Ok(checkpoint.save(dir)?)
    }

    /// Writes the network as a file from which it can be used: its weights, and the mean and the
    /// deviation by which its inputs must be standardised.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn save_model(&self, path: &Path) -> Result<(), TrainingError> {
        #[expect(clippy::cast_possible_truncation, reason = "the network computes with f32")]
        let column =
            |values: &[f64]| Tensor::new(&aview1(values).mapv(|value| value as f32).view());
        let weights = self.model.parameters().map(|(name, values)| (name, Tensor::new(&values)));
        let mut tensors: BTreeMap<String, Tensor> = weights.collect();
        tensors.insert("input.mean".to_owned(), column(&self.scaling.mean));
        tensors.insert("input.deviation".to_owned(), column(&self.scaling.deviation));
        Ok(write_tensors(&tensors, None, path)?)
    }

    /// What must be equal for a checkpoint to be continued. The split belongs to
    /// it: with another one, wines of the test split would have been learned.
    fn facts(&self) -> BTreeMap<String, String> {
        let TrainingSettings { epochs: _, learning_rate, batch_size, hidden, seed } =
            &self.settings;
        BTreeMap::from([
            ("learning_rate".to_owned(), learning_rate.to_string()),
            ("batch_size".to_owned(), batch_size.to_string()),
            ("hidden".to_owned(), hidden.to_string()),
            ("seed".to_owned(), seed.to_string()),
            ("split_seed".to_owned(), self.split_seed.to_string()),
        ])
    }
}

fn history_tensor(history: &[EpochMetrics]) -> Tensor {
    let rows: Vec<[f64; HISTORY_COLUMNS]> =
        history.iter().map(|m| [m.train_loss, m.test_loss, m.test_accuracy]).collect();
    Tensor::new(&aview2(&rows))
}

fn read_history(numbers: &[f64]) -> Vec<EpochMetrics> {
    let (rows, _) = numbers.as_chunks::<HISTORY_COLUMNS>();
    let metrics =
        |(epoch, [train_loss, test_loss, test_accuracy]): (u32, &[f64; HISTORY_COLUMNS])| {
            EpochMetrics {
                epoch,
                train_loss: *train_loss,
                test_loss: *test_loss,
                test_accuracy: *test_accuracy,
            }
        };
    (1..).zip(rows).map(metrics).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;
    use crate::training::tests::{run, settings};

    #[test]
    fn a_resumed_training_equals_an_uninterrupted_one() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = Dataset::load(42).unwrap();
        let mut whole = Trainer::new(settings(4), &dataset).unwrap();
        run(&mut whole, 2);
        let path = whole.save_checkpoint(dir.path()).unwrap();
        run(&mut whole, 4);
        let mut resumed = Trainer::resume(settings(4), &dataset, &path).unwrap();
        assert_eq!(resumed.finished_epochs(), 2);
        run(&mut resumed, 4);
        assert_eq!(resumed.report(), whole.report());
        assert!(resumed.values().eq(whole.values()));
    }

    #[test]
    fn a_checkpoint_of_another_training_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = Dataset::load(42).unwrap();
        let trainer = Trainer::new(settings(1), &dataset).unwrap();
        let path = trainer.save_checkpoint(dir.path()).unwrap();
        assert_eq!(Trainer::resume(settings(9), &dataset, &path).unwrap().finished_epochs(), 0);
        let other = TrainingSettings { hidden: 8, ..settings(1) };
        let error = Trainer::resume(other, &dataset, &path).unwrap_err();
        let TrainingError::Checkpoint(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().ends_with("hidden is 16, expected 8"), "{error}");
        let other = Dataset::load(43).unwrap();
        assert!(Trainer::resume(settings(1), &other, &path).is_err());
    }

    #[test]
    fn a_saved_model_has_all_that_is_needed_to_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = Dataset::load(42).unwrap();
        let trainer = Trainer::new(settings(1), &dataset).unwrap();
        let path = dir.path().join("model.safetensors");
        trainer.save_model(&path).unwrap();
        let saved = tensor::read(&std::fs::read(&path).unwrap()).unwrap();
        let saved: BTreeMap<String, Tensor> = saved.into_iter().collect();
        assert_eq!(saved.len(), 8);
        assert_eq!(saved["layer1.weight"].shape(), [16, 11]);
        assert_eq!(saved["layer3.bias"].shape(), [2]);
        for name in ["input.mean", "input.deviation"] {
            assert_eq!(saved[name].shape(), [11], "{name}");
        }
    }

    #[test]
    fn a_checkpoint_without_all_tensors_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = Dataset::load(42).unwrap();
        let trainer = Trainer::new(settings(1), &dataset).unwrap();
        let path = trainer.save_checkpoint(dir.path()).unwrap();
        let mut checkpoint = Checkpoint::load(&path).unwrap();
        checkpoint.tensors.remove("layer2.bias");
        checkpoint.save(dir.path()).unwrap();
        let error = Trainer::resume(settings(1), &dataset, &path).unwrap_err();
        let TrainingError::Checkpoint(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().ends_with("tensor layer2.bias is missing"), "{error}");
    }
}

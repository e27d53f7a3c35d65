//! The training itself: epochs of mini-batches that can be stopped at any batch.

mod saving;
mod split;

use ndarray::{ArrayViewD, ArrayViewMutD};
use split::Split;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::dataset::{CLASS_NAMES, Dataset, FEATURE_COUNT, Scaling};
use crate::metrics::{EpochMetrics, TrainingReport, confusion_matrix};
use crate::model::Mlp;
use crate::optimizer::AdamW;
use crate::random::SeededRandom;
use crate::settings::{SettingsError, TrainingSettings};

/// Pulls the weights towards zero, against learning the training split by heart.
const WEIGHT_DECAY: f64 = 0.1;
/// Streams of the seed from here on are used for the batches, one per epoch.
const BATCH_STREAM: u64 = 1000;

/// Why a training could not start or go on.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// The settings are not usable.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A checkpoint could not be written or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A split of the data has no sample.
    #[error("the {split} split has no samples")]
    NoSamples {
        /// Which of the splits.
        split: &'static str,
    },
    /// A loss or a weight is not a finite number any more.
    #[error(
        "the loss or a weight is not finite after epoch {epoch}, the learning rate may be too high"
    )]
    Diverged {
        /// The epoch in which it happened.
        epoch: u32,
    },
}

/// How a call of [`Trainer::run_epoch`] ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EpochOutcome {
    /// The epoch is done and measured.
    Finished(EpochMetrics),
    /// The caller asked to stop; the trainer is as it was before the epoch.
    Stopped,
}

/// Trains one network on one data set.
#[derive(Debug)]
pub struct Trainer {
    settings: TrainingSettings,
    split_seed: u64,
    scaling: Scaling,
    majority_accuracy: f64,
    train: Split,
    test: Split,
    model: Mlp,
    optimizer: AdamW,
    history: Vec<EpochMetrics>,
}

/// What an epoch changes, to be put back if it does not finish.
struct Snapshot {
    model: Mlp,
    optimizer: AdamW,
}

impl Trainer {
    /// Training from the beginning.
    ///
    /// # Errors
    ///
    /// Fails if the settings are invalid or a split of the data is empty.
    pub fn new(settings: TrainingSettings, dataset: &Dataset) -> Result<Self, TrainingError> {
        settings.validate()?;
        let model = Mlp::new(FEATURE_COUNT, settings.hidden, CLASS_NAMES.len(), settings.seed);
        Ok(Self {
            split_seed: dataset.split_seed,
            scaling: dataset.scaling.clone(),
            majority_accuracy: dataset.majority_accuracy(),
            train: Split::of(&dataset.train, "training")?,
            test: Split::of(&dataset.test, "test")?,
            optimizer: AdamW::new(&model, settings.learning_rate, WEIGHT_DECAY),
            history: Vec::new(),
            settings,
            model,
        })
    }

    /// Number of epochs that are done, including those before an interruption.
    #[must_use]
    pub fn finished_epochs(&self) -> u32 {
        self.history.last().map_or(0, |metrics| metrics.epoch)
    }

    /// Whether all epochs of the settings are done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished_epochs() >= self.settings.epochs
    }

    /// The settings of this training.
    #[must_use]
    pub fn settings(&self) -> &TrainingSettings {
        &self.settings
    }

    /// The measurements of all finished epochs.
    #[must_use]
    pub fn history(&self) -> &[EpochMetrics] {
        &self.history
    }

    /// Runs the next epoch, asking before every batch whether to stop. If it is
    /// stopped or fails, the trainer is put back to the end of the last finished
    /// epoch, so that it may be saved or run again.
    ///
    /// # Errors
    ///
    /// Fails if the loss is not finite any more.
    pub fn run_epoch(
        &mut self,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<EpochOutcome, TrainingError> {
        let before = Snapshot { model: self.model.clone(), optimizer: self.optimizer.clone() };
        match self.train_and_measure(self.finished_epochs() + 1, should_stop) {
            Ok(Some(metrics)) => {
                self.history.push(metrics);
                Ok(EpochOutcome::Finished(metrics))
            }
            unfinished => {
                (self.model, self.optimizer) = (before.model, before.optimizer);
                unfinished.map(|_| EpochOutcome::Stopped)
            }
        }
    }

    /// The result of the epochs that are done.
    #[must_use]
    pub fn report(&self) -> TrainingReport {
        let labels = &self.test.labels;
        let predictions = self.test.predictions(&self.model);
        TrainingReport {
            epochs: self.history.clone(),
            test_accuracy: self.test.accuracy(&predictions),
            majority_accuracy: self.majority_accuracy,
            classes: CLASS_NAMES.map(str::to_owned).to_vec(),
            confusion_matrix: confusion_matrix(labels, &predictions, CLASS_NAMES.len()),
            train_samples: self.train.labels.len(),
            test_samples: labels.len(),
        }
    }

    fn train_and_measure(
        &mut self,
        epoch: u32,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<Option<EpochMetrics>, TrainingError> {
        for batch in self.batches(epoch) {
            if should_stop() {
                return Ok(None);
            }
            let gradient = self.train.gradient(&self.model, &batch);
            self.optimizer.step(&mut self.model, &gradient);
        }
        let train_loss = self.train.loss(&self.model);
        let test_loss = self.test.loss(&self.model);
        // The losses alone do not show it: a ReLU turns a NaN of a hidden layer into zero.
        let finite = train_loss.is_finite() && test_loss.is_finite() && self.model.is_finite();
        if !finite {
            return Err(TrainingError::Diverged { epoch });
        }
        let test_accuracy = self.test.accuracy(&self.test.predictions(&self.model));
        Ok(Some(EpochMetrics { epoch, train_loss, test_loss, test_accuracy }))
    }

    /// The batches of an epoch. They depend on nothing but the seed and the
    /// number of the epoch, so that a resumed training gets the same ones.
    fn batches(&self, epoch: u32) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.train.labels.len()).collect();
        let stream = BATCH_STREAM + u64::from(epoch);
        SeededRandom::new(self.settings.seed, stream).shuffle(&mut order);
        order.chunks(self.settings.batch_size).map(<[usize]>::to_vec).collect()
    }

    /// Everything that a step of the optimizer changes, with its name in a checkpoint.
    fn values(&self) -> impl Iterator<Item = (String, ArrayViewD<'_, f32>)> {
        self.model.parameters().chain(self.optimizer.moments())
    }

    /// The same values in the same order, to be changed.
    fn values_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, f32>> {
        self.model.parameters_mut().chain(self.optimizer.moments_mut())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    pub(super) fn settings(epochs: u32) -> TrainingSettings {
        TrainingSettings { epochs, ..TrainingSettings::default() }
    }

    pub(super) fn run(trainer: &mut Trainer, until: u32) {
        while trainer.finished_epochs() < until {
            let outcome = trainer.run_epoch(&|| false).unwrap();
            assert!(matches!(outcome, EpochOutcome::Finished(_)));
        }
    }

    #[test]
    fn training_clearly_beats_the_majority_class() {
        let dataset = Dataset::load(42).unwrap();
        let mut trainer = Trainer::new(settings(10), &dataset).unwrap();
        run(&mut trainer, 10);
        let report = trainer.report();
        assert!(trainer.is_finished());
        assert!(report.majority_accuracy < 0.6, "{report:?}");
        assert!(report.test_accuracy > report.majority_accuracy + 0.1, "{report:?}");
        assert!(report.epochs[9].train_loss < report.epochs[0].train_loss);
        assert_eq!(report.confusion_matrix.iter().flatten().sum::<u32>(), 271);
    }

    #[test]
    fn a_stopped_epoch_leaves_no_trace() {
        let dataset = Dataset::load(42).unwrap();
        let mut straight = Trainer::new(settings(2), &dataset).unwrap();
        run(&mut straight, 2);
        let mut stopped = Trainer::new(settings(2), &dataset).unwrap();
        run(&mut stopped, 1);
        let asked = Cell::new(0);
        let after_ten_batches = || asked.replace(asked.get() + 1) == 10;
        let outcome = stopped.run_epoch(&after_ten_batches).unwrap();
        assert_eq!((outcome, asked.get()), (EpochOutcome::Stopped, 11));
        assert_eq!(stopped.finished_epochs(), 1);
        run(&mut stopped, 2);
        assert_eq!(stopped.report(), straight.report());
    }

    #[test]
    fn a_diverging_training_is_an_error() {
        let dataset = Dataset::load(42).unwrap();
        let mut trainer = Trainer::new(settings(1), &dataset).unwrap();
        trainer.model.parameters_mut().next().unwrap().fill(f32::NAN);
        let error = trainer.run_epoch(&|| false).unwrap_err();
        assert!(matches!(error, TrainingError::Diverged { epoch: 1 }), "{error:?}");
        assert_eq!(trainer.finished_epochs(), 0);
    }

    #[test]
    fn a_trainer_can_be_moved_to_another_thread() {
        fn assert_send<T: Send>(_: &T) {}
        assert_send(&Trainer::new(settings(1), &Dataset::load(42).unwrap()).unwrap());
    }
}

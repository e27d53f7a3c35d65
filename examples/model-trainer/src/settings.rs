//! The settings of a training and the limits they are held to.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest number of epochs: the epoch number has four digits in a file name.
pub const MAX_EPOCHS: u32 = 9999;
/// Largest number of neurons in a hidden layer, so that a mistyped setting
/// cannot ask for more memory than the machine has.
pub const MAX_HIDDEN: usize = 1024;

/// What a caller may choose about a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSettings {
    /// How many times the training goes over the training split; 30 by default.
    pub epochs: u32,
    /// Step width of the optimizer; 0.003 by default.
    pub learning_rate: f64,
    /// How many samples are looked at per optimizer step; 32 by default.
    pub batch_size: usize,
    /// Neurons in each of the two hidden layers; 16 by default.
    pub hidden: usize,
    /// Seed of the initial weights and of the order of the batches; 42 by default.
    pub seed: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self { epochs: 30, learning_rate: 0.003, batch_size: 32, hidden: 16, seed: 42 }
    }
}

impl TrainingSettings {
    /// Checks that a training with these settings is possible.
    ///
    /// # Errors
    ///
    /// Names the first setting that is outside its limits.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=MAX_EPOCHS).contains(&self.epochs) {
            return Err(SettingsError::Epochs { found: self.epochs });
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return Err(SettingsError::LearningRate { found: self.learning_rate });
        }
        if self.batch_size == 0 {
            return Err(SettingsError::BatchSize);
        }
        if !(1..=MAX_HIDDEN).contains(&self.hidden) {
            return Err(SettingsError::Hidden { found: self.hidden });
        }
        Ok(())
    }
}

/// A setting that no training can run with.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SettingsError {
    /// The number of epochs is zero or too large.
    #[error("epochs must be between 1 and {MAX_EPOCHS}, not {found}")]
    Epochs {
        /// The refused value.
        found: u32,
    },
    /// The learning rate is not a number above zero and at most one.
    #[error("learning rate must be above 0 and at most 1, not {found}")]
    LearningRate {
        /// The refused value.
        found: f64,
    },
    /// The batch size is zero.
    #[error("batch size must be at least 1, not 0")]
    BatchSize,
    /// The number of hidden neurons is zero or too large.
    #[error("hidden must be between 1 and {MAX_HIDDEN}, not {found}")]
    Hidden {
        /// The refused value.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(TrainingSettings::default().validate(), Ok(()));
    }

    #[test]
    fn settings_outside_the_limits_are_refused() {
        let good = TrainingSettings::default();
        let bad = [
            TrainingSettings { epochs: 0, ..good.clone() },
            TrainingSettings { epochs: MAX_EPOCHS + 1, ..good.clone() },
            TrainingSettings { learning_rate: 0.0, ..good.clone() },
            TrainingSettings { learning_rate: f64::NAN, ..good.clone() },
            TrainingSettings { batch_size: 0, ..good.clone() },
            TrainingSettings { hidden: 0, ..good.clone() },
            TrainingSettings { hidden: MAX_HIDDEN + 1, ..good },
        ];
        for settings in bad {
            assert!(settings.validate().is_err(), "{settings:?} was accepted");
        }
    }
}

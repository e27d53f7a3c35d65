//! Trains a small neural network on the red-wine quality data, on the CPU.
//!
//! The library knows nothing about jobs: it offers a [`Trainer`] which runs one
//! epoch at a time, asks between two mini-batches whether it should stop, and
//! writes and reads checkpoints from which an interrupted training continues
//! exactly as if it had never been interrupted.
//!
//! The test split is small (271 wines): another seed moves the test accuracy by
//! several points, so one figure must not be read as the quality of the method.
//!
//! ```
//! use model_trainer::{Dataset, EpochOutcome, Trainer, TrainingSettings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = TrainingSettings { epochs: 2, ..TrainingSettings::default() };
//! let dataset = Dataset::load(settings.seed)?;
//! let mut trainer = Trainer::new(settings, &dataset)?;
//! while !trainer.is_finished() {
//!     match trainer.run_epoch(&|| false)? {
//!         EpochOutcome::Finished(metrics) => assert!(metrics.train_loss.is_finite()),
//!         EpochOutcome::Stopped => break,
//!     }
//! }
//! let report = trainer.report();
//! assert_eq!(report.epochs.len(), 2);
//! # Ok(())
//! # }
//! ```

pub mod checkpoint;
pub mod dataset;
mod loss;
pub mod metrics;
pub mod model;
pub mod optimizer;
pub mod plot;
mod random;
pub mod settings;
pub mod tensor;
pub mod training;

pub use checkpoint::{Checkpoint, CheckpointError, list_checkpoints, newest_checkpoint};
pub use dataset::{Dataset, DatasetError, Samples};
pub use metrics::{EpochMetrics, TrainingReport};
pub use plot::{PlotError, loss_plot_svg};
pub use settings::{SettingsError, TrainingSettings};
pub use training::{EpochOutcome, Trainer, TrainingError};

//! One training within one run: where it begins, what it saves, what it leaves at its end.

use std::fs;
use std::path::{Path, PathBuf};

use chutes::prelude::*;
use model_trainer::{
    CheckpointError, Dataset, EpochOutcome, Trainer, TrainingError, TrainingReport,
    TrainingSettings, list_checkpoints, loss_plot_svg,
};
use tracing::info;

/// The directory of the checkpoints, in the outputs of a run and in the inputs of the next.
const CHECKPOINTS: &str = "checkpoints";

/// A training in its run.
pub(crate) struct Session {
    trainer: Trainer,
    /// The epoch of the checkpoint that it continues from.
    pub(crate) resumed_from: Option<u32>,
    checkpoints: PathBuf,
    checkpoint_every: u32,
    /// The epoch of the last checkpoint that this run has written.
    saved: Option<u32>,
}

impl Session {
    /// A training that continues from the newest checkpoint in the inputs, or else from nothing.
    pub(crate) fn begin(
        ctx: &JobContext,
        settings: TrainingSettings,
        checkpoint_every: u32,
    ) -> Result<Self, JobError> {
        settings.validate()?;
        let dataset = Dataset::load(settings.seed)?;
        let newest = newest_input(ctx.input_dir())?;
        let trainer = match &newest {
            Some(path) => Trainer::resume(settings, &dataset, path)?,
            None => Trainer::new(settings, &dataset)?,
        };
        let resumed_from = newest.map(|path| {
            info!("continuing after epoch {} of {}", trainer.finished_epochs(), path.display());
            trainer.finished_epochs()
        });
        let checkpoints = ctx.output_dir().join(CHECKPOINTS);
        Ok(Self { trainer, resumed_from, checkpoints, checkpoint_every, saved: None })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.trainer.is_finished()
    }

    pub(crate) fn finished_epochs(&self) -> u32 {
        self.trainer.finished_epochs()
    }

    /// Runs one epoch, unless it is cancelled, and writes a checkpoint when it is time for one.
    pub(crate) fn epoch(&mut self, ctx: &JobContext) -> Result<EpochOutcome, TrainingError> {
        let outcome = self.trainer.run_epoch(&|| ctx.is_cancelled())?;
        if self.finished_epochs().is_multiple_of(self.checkpoint_every) {
            self.save_checkpoint()?;
        }
        Ok(outcome)
    }

    /// Writes everything that is known by now, however the training came to its end.
    pub(crate) fn finish(&mut self, outputs: &Path) -> Result<TrainingReport, JobError> {
        self.save_checkpoint()?;
        let report = self.trainer.report();
        if !report.epochs.is_empty() {
            fs::write(outputs.join("metrics.json"), serde_json::to_vec_pretty(&report)?)?;
            fs::write(outputs.join("loss.svg"), loss_plot_svg(&report.epochs)?)?;
        }
        if self.is_finished() {
            self.trainer.save_model(&outputs.join("model.safetensors"))?;
        }
        Ok(report)
    }

    /// Writes a checkpoint of the last finished epoch, unless this run has one or there is none.
    fn save_checkpoint(&mut self) -> Result<(), TrainingError> {
        let epoch = self.finished_epochs();
        if epoch > 0 && self.saved != Some(epoch) {
            let path = self.trainer.save_checkpoint(&self.checkpoints)?;
            self.saved = Some(epoch);
            info!("wrote {}", path.display());
        }
        Ok(())
    }
}

/// The checkpoint of the highest epoch, in the inputs themselves or in their `checkpoints/`.
fn newest_input(inputs: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    let mut found = list_checkpoints(inputs)?;
    found.extend(list_checkpoints(&inputs.join(CHECKPOINTS))?);
    // All have names of one length, so that the order of the names is that of the epochs.
    Ok(found.into_iter().max_by(|a, b| a.file_name().cmp(&b.file_name())))
}

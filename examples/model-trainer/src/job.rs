//! The job: its data, its result, and its way from the one to the other.

use std::sync::Arc;

use chutes::prelude::*;
use model_trainer::{EpochMetrics, EpochOutcome, TrainingReport, TrainingSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compute::Compute;
use crate::session::Session;

/// What may be chosen about a training.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
struct TrainData {
    /// How many times the training goes over its wines.
    #[schemars(range(min = 1, max = 9999))]
    epochs: u32,
    /// Step width of the optimizer, above 0 and at most 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    learning_rate: f64,
    /// How many wines are looked at in one step of the optimizer.
    #[schemars(range(min = 1))]
    batch_size: usize,
    /// Neurons in each of the two hidden layers.
    #[schemars(range(min = 1, max = 1024))]
    hidden: usize,
    /// Decides the split of the data, the first weights and the order of the batches.
    seed: u64,
    /// How many epochs there are from one checkpoint to the next; 0 for one at the end only.
    checkpoint_every: u32,
}

impl Default for TrainData {
    fn default() -> Self {
        let TrainingSettings { epochs, learning_rate, batch_size, hidden, seed } =
            TrainingSettings::default();
        Self { epochs, learning_rate, batch_size, hidden, seed, checkpoint_every: 5 }
    }
}

impl From<&TrainData> for TrainingSettings {
    fn from(data: &TrainData) -> Self {
        Self {
            epochs: data.epochs,
            learning_rate: data.learning_rate,
            batch_size: data.batch_size,
            hidden: data.hidden,
            seed: data.seed,
        }
    }
}

/// How a training went.
#[derive(Debug, Serialize, JsonSchema)]
struct TrainReport {
    /// Whether all epochs are done; not so when the run was stopped before.
    finished: bool,
    /// How many epochs are done, including those before an interruption.
    epochs: u32,
    /// The epoch of the checkpoint from which this run continued.
    resumed_from: Option<u32>,
    /// Share of the held-out wines that are classified correctly, from 0 to 1.
    test_accuracy: f64,
    /// The same share for always answering with the most frequent class.
    majority_accuracy: f64,
    /// How many wines were held out.
    test_samples: usize,
    /// What the training computed with.
    device: String,
}

/// Trains a small network to distinguish good red wines from bad ones.
///
/// Writes `checkpoints/`, `metrics.json`, `loss.svg` and, when all epochs are done,
/// `model.safetensors`. Continues from the newest checkpoint in its inputs, or in `checkpoints/`
/// there, exactly as if it had never been interrupted.
#[job(timeout = "2h", ssh = true)]
async fn train_model(ctx: JobContext, data: TrainData) -> Result<TrainReport, JobError> {
    let compute = ctx.state::<Compute>()?;
    let (settings, checkpoint_every) = ((&data).into(), data.checkpoint_every);
    let begin = move |ctx: &mut JobContext| Session::begin(ctx, settings, checkpoint_every);
    let (_, session) = compute.step(ctx.clone(), begin).await?;
    let (session, trained) = run_epochs(&ctx, &compute, session?, data.epochs).await?;
    // Before the error, if there is one: what was learned until then is worth keeping.
    let outputs = ctx.output_dir().to_owned();
    let (session, results) = compute.step(session, move |it| it.finish(&outputs)).await?;
    trained?;
    Ok(report(&session, &results?, &compute))
}

/// Trains until all epochs are done, the run is cancelled, or something fails.
async fn run_epochs(
    ctx: &JobContext,
    compute: &Arc<Compute>,
    mut session: Session,
    epochs: u32,
) -> Result<(Session, Result<(), JobError>), JobError> {
    while !session.is_finished() {
        let step_ctx = ctx.clone();
        let outcome;
        (session, outcome) = compute.step(session, move |it| it.epoch(&step_ctx)).await?;
        match outcome {
            Ok(EpochOutcome::Finished(metrics)) => report_epoch(ctx, &metrics, epochs),
            Ok(EpochOutcome::Stopped) => break,
            Err(error) => return Ok((session, Err(error.into()))),
        }
    }
    Ok((session, Ok(())))
}

fn report_epoch(ctx: &JobContext, metrics: &EpochMetrics, epochs: u32) {
    let EpochMetrics { epoch, train_loss, test_accuracy, .. } = metrics;
    let percent = test_accuracy * 100.0;
    let message = format!("epoch {epoch}/{epochs}, loss {train_loss:.2}, accuracy {percent:.1} %");
    tracing::info!("{message}");
    ctx.progress(f64::from(*epoch) / f64::from(epochs), message);
}

fn report(session: &Session, results: &TrainingReport, compute: &Compute) -> TrainReport {
    TrainReport {
        finished: session.is_finished(),
        epochs: session.finished_epochs(),
        resumed_from: session.resumed_from,
        test_accuracy: results.test_accuracy,
        majority_accuracy: results.majority_accuracy,
        test_samples: results.test_samples,
        device: compute.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chutes::EndStatus;
    use chutes::outcome::FailureKind;
    use chutes::testing::{ContextBuilder, TestRun, TestSink};
    use serde_json::{Value, json};

    use super::*;

    fn data(epochs: u32, checkpoint_every: u32) -> TrainData {
        TrainData { epochs, checkpoint_every, ..TrainData::default() }
    }

    fn context(directory: &Path) -> JobContext {
        let compute = Compute::with_threads(1).unwrap();
        ContextBuilder::new(directory).state(compute).build().unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_training_writes_its_results() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = context(folder.path());
        let report = train_model(ctx.clone(), data(3, 2)).await.unwrap();
        assert!(report.finished && report.test_accuracy > report.majority_accuracy, "{report:?}");
        assert_eq!((report.epochs, report.resumed_from), (3, None));
        let expected = ["checkpoints", "loss.svg", "metrics.json", "model.safetensors"];
        assert_eq!(names(ctx.output_dir()), expected);
        let expected = ["checkpoint-epoch-0002.safetensors", "checkpoint-epoch-0003.safetensors"];
        assert_eq!(names(&ctx.output_dir().join("checkpoints")), expected);
    }

    #[tokio::test]
    async fn without_an_interval_there_is_one_checkpoint_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = context(folder.path());
        train_model(ctx.clone(), data(2, 0)).await.unwrap();
        let expected = ["checkpoint-epoch-0002.safetensors"];
        assert_eq!(names(&ctx.output_dir().join("checkpoints")), expected);
    }

    #[tokio::test]
    async fn a_cancelled_training_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let first = context(&folder.path().join("first"));
        train_model(first.clone(), data(2, 1)).await.unwrap();

        let second = context(&folder.path().join("second"));
        std::fs::rename(first.output_dir(), second.input_dir()).unwrap();
        second.cancellation().cancel();
        let report = train_model(second.clone(), data(9, 5)).await.unwrap();
        assert_eq!((report.finished, report.epochs, report.resumed_from), (false, 2, Some(2)));
        assert_eq!(names(second.output_dir()), ["checkpoints", "loss.svg", "metrics.json"]);
        let expected = ["checkpoint-epoch-0002.safetensors"];
        assert_eq!(names(&second.output_dir().join("checkpoints")), expected);
    }

    #[tokio::test]
    async fn a_training_that_is_cancelled_at_once_has_nothing_to_keep() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = context(folder.path());
        ctx.cancellation().cancel();
        let report = train_model(ctx.clone(), data(3, 1)).await.unwrap();
        assert_eq!((report.finished, report.epochs), (false, 0));
        assert_eq!(names(ctx.output_dir()), Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_newest_checkpoint_counts_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = context(&folder.path().join("first"));
        train_model(first.clone(), data(2, 1)).await.unwrap();

        let second = context(&folder.path().join("second"));
        let (from, to) = (first.output_dir().join("checkpoints"), second.input_dir());
        std::fs::create_dir(to.join("checkpoints")).unwrap();
        let [old, new] = [1, 2].map(|epoch| format!("checkpoint-epoch-{epoch:04}.safetensors"));
        std::fs::rename(from.join(&old), to.join("checkpoints").join(&old)).unwrap();
        std::fs::rename(from.join(&new), to.join(&new)).unwrap();
        assert_eq!(train_model(second.clone(), data(3, 1)).await.unwrap().resumed_from, Some(2));
    }

    #[tokio::test]
    async fn settings_outside_of_their_limits_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = context(folder.path());
        let error = train_model(ctx.clone(), data(0, 1)).await.unwrap_err();
        assert_eq!(error.to_string(), "epochs must be between 1 and 9999, not 0");
    }
    #[test]
    fn a_run_that_is_cancelled_in_the_middle_keeps_and_delivers_its_checkpoint() {
        let sink = TestSink::new().failing_times(2, "503 Service Unavailable");
        let finished = TestRun::of("train_model")
            .data(json!({ "epochs": 9999, "checkpoint_every": 2 }))
            .cancel_at_progress(5.0 / 9999.0)
            .sink(&sink)
            .run();
        assert_eq!(finished.status(), EndStatus::Cancelled);
        assert_eq!(finished.failure().kind, FailureKind::Cancelled);
        let result: Value = finished.result();
        assert_eq!(result["finished"], false);
        // The request comes while the next epoch is under way, perhaps at its very end.
        let reached = result["epochs"].as_u64().unwrap();
        assert!(reached >= 5, "{result}");
        let checkpoint = |epoch| format!("checkpoints/checkpoint-epoch-{epoch:04}.safetensors");
        for expected in [checkpoint(4), checkpoint(reached), "metrics.json".to_owned()] {
            let content = finished.output(&expected).unwrap();
            assert_eq!(sink.file(&expected), Some(content), "{expected}");
            assert_eq!(sink.attempts(&expected), 3, "{expected}");
        }
        assert!(!finished.outputs().contains(&"model.safetensors".to_owned()));

        // It is what another run continues from.
        let newest = checkpoint(reached);
        let goal = reached + 1;
        let continued = TestRun::of("train_model")
            .data(json!({ "epochs": goal }))
            .input(&newest, sink.file(&newest).unwrap())
            .run();
        let result: Value = continued.assert_completed().result();
        assert_eq!((&result["resumed_from"], &result["epochs"]), (&json!(reached), &json!(goal)));
    }
}

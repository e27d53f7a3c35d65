//! The job `batch_processing`: many items, some at the same time, of which some may fail.

use std::collections::HashSet;
use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use chutes::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::task::{JoinSet, spawn_blocking};

use crate::item::{Item, ItemError, Summary};
use crate::journal::Journal;

/// The items to work on, and how.
#[derive(Debug, Deserialize, JsonSchema)]
struct Batch {
    /// The items.
    items: Vec<Item>,
    /// How many items are worked on at the same time; by default one for each core.
    #[serde(default)]
    concurrency: Option<NonZero<usize>>,
}

/// The number of items by their result.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
struct Counts {
    /// Items that were summarised.
    processed: usize,
    /// Items with something wrong.
    failed: usize,
    /// Items that were left alone because the run was stopped.
    cancelled: usize,
    /// All items.
    total: usize,
}

/// What is wrong with a batch as a whole.
#[derive(Debug, Error)]
enum BatchError {
    #[error("invalid input: there is no item in the batch")]
    NoItems,
    #[error("invalid input: two items are called `{id}`")]
    DuplicateId { id: String },
    #[error("cannot write the results")]
    Write(#[from] io::Error),
    #[error(transparent)]
    State(#[from] chutes::context::MissingState),
}

/// An entry of `results.json`.
#[derive(Debug, Serialize)]
struct ItemResult {
    id: String,
    #[serde(flatten)]
    end: ItemEnd,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum ItemEnd {
    Ok { summary: Summary },
    Failed { error: String },
}

/// Summarises texts and lists of numbers.
///
/// An item that cannot be summarised is marked as failed in `results.json`; the others go on. When
/// the run is stopped, the items that were begun are finished, and what is done is kept.
#[job(timeout = "30m")]
async fn batch_processing(ctx: JobContext, batch: Batch) -> Result<Counts, BatchError> {
    let journal = ctx.state::<Journal>()?;
    process(&ctx, &journal, batch, |item| item.kind.summarise(&item.content)).await
}

/// The job without its state and without what is done with an item, which unit tests choose.
async fn process(
    ctx: &JobContext,
    journal: &Journal,
    batch: Batch,
    work: fn(&Item) -> Result<Summary, ItemError>,
) -> Result<Counts, BatchError> {
    check(&batch.items)?;
    let total = batch.items.len();
    let concurrency = batch.concurrency.or_else(|| available_parallelism().ok());
    let concurrency = concurrency.map_or(1, NonZero::get);
    let results = process_items(ctx, journal, batch.items, concurrency, work).await?;
    std::fs::write(ctx.output_dir().join("results.json"), to_json(&results)?)?;
    let processed =
        results.iter().filter(|result| matches!(result.end, ItemEnd::Ok { .. })).count();
    let failed = results.len() - processed;
    Ok(Counts { processed, failed, cancelled: total - results.len(), total })
}

/// Refuses a batch whose results could not be distinguished.
fn check(items: &[Item]) -> Result<(), BatchError> {
    if items.is_empty() {
        return Err(BatchError::NoItems);
    }
    let mut ids = HashSet::new();
    match items.iter().find(|item| !ids.insert(&item.id)) {
        Some(item) => Err(BatchError::DuplicateId { id: item.id.clone() }),
        None => Ok(()),
    }
}

/// Works on the items until all are done or the run is cancelled. The results are in the order of
/// the items, whichever was done first.
async fn process_items(
    ctx: &JobContext,
    journal: &Journal,
    items: Vec<Item>,
    concurrency: usize,
    work: fn(&Item) -> Result<Summary, ItemError>,
) -> io::Result<Vec<ItemResult>> {
    let total = items.len();
    let mut waiting = items.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut done = Vec::with_capacity(total);
    loop {
        while running.len() < concurrency && !ctx.is_cancelled() {
            let Some((index, item)) = waiting.next() else { break };
            running.spawn(async move { (index, process_item(item, work).await) });
        }
        let Some(finished) = running.join_next().await else { break };
        let (index, result) = finished.map_err(io::Error::other)?;
        journal.note(&result.line())?;
        done.push((index, result));
        let message = format!("{}/{total} items", done.len());
        ctx.progress(fraction(done.len(), total), message);
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Works on one item, away from the threads of the async runtime. Whatever happens to it, also a
/// panic, is its own result.
async fn process_item(item: Item, work: fn(&Item) -> Result<Summary, ItemError>) -> ItemResult {
    let id = item.id.clone();
    let end = match spawn_blocking(move || work(&item)).await {
        Ok(Ok(summary)) => ItemEnd::Ok { summary },
        Ok(Err(error)) => ItemEnd::Failed { error: error.to_string() },
        Err(panic) => ItemEnd::Failed { error: panic.to_string() },
    };
    if let ItemEnd::Failed { error } = &end {
        tracing::warn!("item `{id}` failed: {error}");
    }
    ItemResult { id, end }
}

impl ItemResult {
    fn line(&self) -> String {
        match &self.end {
            ItemEnd::Ok { .. } => format!("ok {:?}", self.id),
            ItemEnd::Failed { error } => format!("failed {:?}: {error}", self.id),
        }
    }
}

fn to_json(results: &[ItemResult]) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(results)?)
}

#[expect(clippy::cast_precision_loss, reason = "only shown to people")]
fn fraction(done: usize, total: usize) -> f64 {
    done as f64 / total as f64
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, OnceLock};

    use chutes::outcome::{FailureKind, Phase};
    use chutes::testing::{TestRun, TestSink};
    use serde_json::{Value, json};

    use super::*;
    use crate::item::Kind;

    fn batch(contents: &[&str], concurrency: usize) -> Batch {
        let item = |(index, content): (usize, &&str)| Item {
            id: format!("item-{index}"),
            kind: Kind::Numbers,
            content: (*content).to_owned(),
        };
        let items = contents.iter().enumerate().map(item).collect();
        Batch { items, concurrency: NonZero::new(concurrency) }
    }

    fn results(ctx: &JobContext) -> Vec<Value> {
        let text = std::fs::read(ctx.output_dir().join("results.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn summarise(item: &Item) -> Result<Summary, ItemError> {
        assert_ne!(item.content, "panic", "this item is made of cheese");
        item.kind.summarise(&item.content)
    }

    #[tokio::test]
    async fn items_fail_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = chutes::testing::context(folder.path()).unwrap();
        let journal = Journal::create(&ctx).unwrap();
        let batch = batch(&["1 3", "x", "panic", "4"], 3);
        let counts = process(&ctx, &journal, batch, summarise).await.unwrap();
        assert_eq!(counts, Counts { processed: 2, failed: 2, cancelled: 0, total: 4 });
        let results = results(&ctx);
        let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
        assert_eq!(statuses, ["ok", "failed", "failed", "ok"]);
        assert_eq!(results[0]["summary"]["mean"], 2.0);
        let expected = "`x` (number 1) is not a finite number";
        let expected = json!({ "id": "item-1", "status": "failed", "error": expected });
        assert_eq!(results[1], expected);
        assert!(results[2]["error"].as_str().unwrap().contains("made of cheese"));
        journal.complete().unwrap();
        let journal = std::fs::read_to_string(ctx.output_dir().join("journal.log")).unwrap();
        assert_eq!(journal.lines().count(), 4);
    }

    #[tokio::test]
    async fn a_cancelled_batch_keeps_what_is_done() {
        static CONTEXT: OnceLock<JobContext> = OnceLock::new();
        let folder = tempfile::tempdir().unwrap();
        let ctx = CONTEXT.get_or_init(|| chutes::testing::context(folder.path()).unwrap());
        let journal = Journal::create(ctx).unwrap();
        let cancels_at_2 = |item: &Item| {
            if item.content == "2" {
                CONTEXT.get().unwrap().cancellation().cancel();
            }
            summarise(item)
        };
        let batch = batch(&["1", "2", "3", "4"], 1);
        let counts = process(ctx, &journal, batch, cancels_at_2).await.unwrap();
        assert_eq!(counts, Counts { processed: 2, failed: 0, cancelled: 2, total: 4 });
        assert_eq!(results(ctx).len(), 2);
    }

    #[tokio::test]
    async fn items_are_worked_on_at_the_same_time() {
        // No item passes the barrier alone: with less concurrency this would never end.
        static BOTH: Barrier = Barrier::new(2);
        let folder = tempfile::tempdir().unwrap();
        let ctx = chutes::testing::context(folder.path()).unwrap();
        let journal = Journal::create(&ctx).unwrap();
        let meets = |item: &Item| {
            BOTH.wait();
            summarise(item)
        };
        let counts = process(&ctx, &journal, batch(&["1", "2", "3", "4"], 2), meets).await.unwrap();
        assert_eq!(counts.processed, 4);
    }

    #[tokio::test]
    async fn batches_that_make_no_sense() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = chutes::testing::context(folder.path()).unwrap();
        let journal = Journal::create(&ctx).unwrap();
        let mut twice = batch(&["1", "2"], 1);
        twice.items[1].id = "item-0".to_owned();
        for (batch, expected) in [
            (twice, "invalid input: two items are called `item-0`"),
            (batch(&[], 1), "invalid input: there is no item in the batch"),
        ] {
            let error = process(&ctx, &journal, batch, summarise).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        assert!(!ctx.output_dir().join("results.json").exists());
    }
    #[test]
    fn a_run_whose_results_cannot_be_delivered_has_not_completed_and_keeps_them() {
        let items = json!([
            { "id": "good", "kind": "numbers", "content": "1 3" },
            { "id": "bad", "kind": "numbers", "content": "x" },
        ]);
        let run = TestRun::of("batch_processing").data(json!({ "items": items }));
        let sink = TestSink::failing("503 Service Unavailable");
        let finished = run.clone().sink(&sink).run();
        assert_eq!(finished.exit_code().get(), 3);
        assert_eq!(finished.failure().kind, FailureKind::OutputsIncomplete);
        assert_eq!(finished.failure().phase, Some(Phase::Upload));
        // The hook has completed the journal before it was collected.
        assert_eq!(finished.outputs(), ["journal.log", "results.json"]);
        let journal = finished.output_text("journal.log").unwrap();
        assert_eq!(journal.lines().count(), 2, "{journal}");
        let results: Value =
            serde_json::from_slice(&finished.output("results.json").unwrap()).unwrap();
        assert_eq!(results[0]["summary"]["mean"], 2.0);
        assert!(sink.files().is_empty() && sink.attempts("results.json") > 1);
        assert_eq!(finished.result::<Value>()["total"], 2, "the job itself has finished");

        // The same batch, when the storage is there.
        let sink = TestSink::new();
        let finished = run.sink(&sink).run();
        finished.assert_completed();
        assert_eq!(sink.file("outputs/results.json"), finished.output("results.json"));
    }
}

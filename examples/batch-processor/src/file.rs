//! The job `summarise_file`: errors of its own, which distinguish invalid input from failures of the machine.

use std::io;
use std::path::{Component, Path, PathBuf};

use chutes::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;
use tokio::fs::{self, File};
use tokio::io::AsyncReadExt as _;

use crate::item::{ItemError, Kind, Summary};
use crate::journal::Journal;

/// The most that is read of a file, in bytes: it is read into memory.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The file to summarise.
#[derive(Debug, Deserialize, JsonSchema)]
struct FileToSummarise {
    /// Its name in the inputs of the run.
    file: String,
    /// What is in it.
    kind: Kind,
}

/// Why a file was not summarised. The message shows whether the data of the job or the machine has to be
/// corrected.
#[derive(Debug, Error)]
enum FileError {
    #[error("invalid input")]
    InvalidInput(#[from] InvalidInput),
    #[error("cannot {action} `{name}`")]
    Storage { action: &'static str, name: String, source: io::Error },
    #[error("stopped before it was read")]
    Stopped,
    #[error(transparent)]
    State(#[from] chutes::context::MissingState),
}

/// What is wrong with the request.
#[derive(Debug, Error)]
enum InvalidInput {
    #[error("`{name}` is not the name of a file: it must have neither `/` nor `..`")]
    Name { name: String },
    #[error("there is no file `{name}` in the inputs")]
    Missing { name: String },
    #[error("`{name}` is larger than {MAX_BYTES} bytes")]
    TooLarge { name: String },
    #[error("`{name}` is not UTF-8 text")]
    NotText { name: String },
    #[error("`{name}` cannot be summarised")]
    Content { name: String, source: ItemError },
}

/// Summarises one file of the inputs.
///
/// The summary is in `summary.json`, whole or not at all.
#[job(timeout = "5m")]
async fn summarise_file(ctx: JobContext, data: FileToSummarise) -> Result<Summary, FileError> {
    let journal = ctx.state::<Journal>()?;
    let ended = summarise(&ctx, &data).await;
    let line = match &ended {
        Ok(_) => format!("ok {:?}", data.file),
        Err(error) => format!("failed {:?}: {error}", data.file),
    };
    journal.note(&line).map_err(storage("write", "journal.log"))?;
    ended
}

async fn summarise(ctx: &JobContext, data: &FileToSummarise) -> Result<Summary, FileError> {
    let path = path_of(ctx.input_dir(), &data.file)?;
    // Storage may hang; a cancelled run must not wait for it.
    let reading = ctx.cancellation().run_until_cancelled(read(path, data.file.clone()));
    let content = reading.await.ok_or(FileError::Stopped)??;
    let summary = data.kind.summarise(&content).map_err(|source| {
        FileError::from(InvalidInput::Content { name: data.file.clone(), source })
    })?;
    write(ctx, &summary).await.map_err(storage("write", "summary.json"))?;
    Ok(summary)
}

/// The path of an input, which the name must not lead away from.
fn path_of(inputs: &Path, name: &str) -> Result<PathBuf, InvalidInput> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => Ok(inputs.join(only)),
        _ => Err(InvalidInput::Name { name: name.to_owned() }),
    }
}

async fn read(path: PathBuf, name: String) -> Result<String, FileError> {
    let file = match File::open(&path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InvalidInput::Missing { name }.into());
        }
        Err(error) => return Err(storage("open", &name)(error)),
    };
    let mut content = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut content).await.map_err(storage("read", &name))?;
    if content.len() as u64 > MAX_BYTES {
        return Err(InvalidInput::TooLarge { name }.into());
    }
    String::from_utf8(content).map_err(|_| InvalidInput::NotText { name }.into())
}

/// Only a whole file is moved to the outputs: they are collected however the run ends.
async fn write(ctx: &JobContext, summary: &Summary) -> io::Result<()> {
    let unfinished = ctx.scratch_dir().join("summary.json");
    fs::write(&unfinished, serde_json::to_vec_pretty(summary)?).await?;
    fs::rename(&unfinished, ctx.output_dir().join("summary.json")).await
}

fn storage(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> FileError {
    let name = name.to_owned();
    move |source| FileError::Storage { action, name, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(file: &str) -> FileToSummarise {
        FileToSummarise { file: file.to_owned(), kind: Kind::Numbers }
    }

    /// What the outcome of a run shows: the message, then its causes.
    fn chain(error: FileError) -> String {
        let error = JobError::from(error);
        [vec![error.to_string()], error.causes()].concat().join(": ")
    }

    #[tokio::test]
    async fn a_file_is_summarised() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = chutes::testing::context(folder.path()).unwrap();
        std::fs::write(ctx.input_dir().join("good.txt"), "1 2 3").unwrap();
        let summary = summarise(&ctx, &data("good.txt")).await.unwrap();
        let written = std::fs::read(ctx.output_dir().join("summary.json")).unwrap();
        assert_eq!(written, serde_json::to_vec_pretty(&summary).unwrap());
        assert_eq!(std::fs::read_dir(ctx.scratch_dir()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn invalid_input_is_told_from_other_failures() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = chutes::testing::context(folder.path()).unwrap();
        let inputs = ctx.input_dir();
        std::fs::write(inputs.join("bad.txt"), "1 x").unwrap();
        std::fs::write(inputs.join("binary"), [0xff]).unwrap();
        std::fs::create_dir(inputs.join("folder")).unwrap();
        let large = std::fs::File::create(inputs.join("large")).unwrap();
        large.set_len(MAX_BYTES + 1).unwrap();
        for (name, expected) in [
            ("..", "invalid input: `..` is not the name of a file"),
            ("../run.jsonl", "invalid input: `../run.jsonl` is not the name of a file"),
            ("/etc/passwd", "invalid input: `/etc/passwd` is not the name of a file"),
            ("bad.txt/", "invalid input: `bad.txt/` is not the name of a file"),
            ("", "invalid input: `` is not the name of a file"),
            ("none", "invalid input: there is no file `none` in the inputs"),
            ("binary", "invalid input: `binary` is not UTF-8 text"),
            ("large", "invalid input: `large` is larger than 16777216 bytes"),
            ("bad.txt", "invalid input: `bad.txt` cannot be summarised: `x` (number 2)"),
            ("folder", "cannot read `folder`: Is a directory"),
        ] {
            let found = chain(summarise(&ctx, &data(name)).await.unwrap_err());
            assert!(found.starts_with(expected), "{found}");
        }
        assert_eq!(std::fs::read_dir(ctx.output_dir()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_run_that_is_stopped_does_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = chutes::testing::context(folder.path()).unwrap();
        ctx.cancellation().cancel();
        let error = summarise(&ctx, &data("good.txt")).await.unwrap_err();
        assert!(matches!(error, FileError::Stopped), "{error}");
    }
}

//! The returned data of a run, read from its directory: its output, its artifacts, the answers to its uploads.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use chutes_core::{
    ContainerPath, FileKind, FileState, JobResult, LogStream, Outcome, OutputFile, RelativePath,
    rule,
};
use chutes_outputs::{log_part, open_below};

use super::RunDirectory;
use super::directory::RunRoot;

/// How many bytes of the beginning and of the end of a stream are returned, if it is longer than both together. The
/// number is that of the ComputeHorde executor.
const SHOWN: u64 = 500_000;

/// The most bytes that all artifacts may have together: the returned data is held in memory.
const MOST_ARTIFACTS: u64 = 64 * 1024 * 1024;

/// The returned data of a run, as JSON.
pub fn to_json(
    outcome: &Outcome,
    directory: &RunDirectory,
    artifacts_dir: Option<&ContainerPath>,
) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&read(outcome, directory, artifacts_dir)?)?)
}

/// Reads the returned data of a run.
fn read(
    outcome: &Outcome,
    directory: &RunDirectory,
    artifacts_dir: Option<&ContainerPath>,
) -> io::Result<JobResult> {
    let root = RunRoot::open(directory).map_err(io::Error::other)?;
    let mut result = JobResult {
        stdout: printed(&root, &outcome.logs, LogStream::Stdout)?,
        stderr: printed(&root, &outcome.logs, LogStream::Stderr)?,
        ..JobResult::default()
    };
    if let Some(artifacts_dir) = artifacts_dir {
        add_artifacts(&mut result, &root, &outcome.artifacts, artifacts_dir)?;
    }
    let responses = outcome.sinks.iter().flat_map(|sink| &sink.responses);
    result.upload_results =
        responses.map(|response| (response.file.clone(), response.into())).collect();
    Ok(result)
}

fn add_artifacts(
    returned: &mut JobResult,
    root: &RunRoot,
    files: &[OutputFile],
    artifacts_dir: &ContainerPath,
) -> io::Result<()> {
    let mut left = MOST_ARTIFACTS;
    for file in files {
        let text = file.path.to_string();
        let Ok(path) = RelativePath::new(&text) else { continue };
        let (size, refused) = match &file.state {
            FileState::Collected { bytes, .. } if !rule::is_artifact_size(*bytes) => {
                (*bytes, Some("it has 1,000,000 bytes or more".to_owned()))
            }
            FileState::Collected { bytes, .. } if *bytes > left => {
                (*bytes, Some("all artifacts together are larger than 64 MiB".to_owned()))
            }
            FileState::Collected { bytes, .. } => (*bytes, None),
            FileState::Failed { reason } | FileState::Skipped { reason } => {
                (0, Some(reason.clone()))
            }
        };
        if let Some(reason) = refused {
            returned.leave_out(artifacts_dir, &path, size, reason);
            continue;
        }
        let opened = open_below(&root.folder(FileKind::Artifact)?, &file.path)?;
        let mut content = Vec::new();
        opened.take(size).read_to_end(&mut content)?;
        left -= size;
        returned.add_artifact(artifacts_dir, &path, content);
    }
    Ok(())
}

/// The text of one stream from its files, in order: `stdout.log`, then the numbered ones.
fn printed(root: &RunRoot, logs: &[OutputFile], stream: LogStream) -> io::Result<String> {
    let number = |file: &OutputFile| log_part(&file.path).filter(|(of, _)| *of == stream);
    let numbered = logs.iter().filter_map(|file| Some((number(file)?.1, file)));
    let mut files: Vec<_> = numbered.collect();
    files.sort_by_key(|(number, _)| *number);
    let folder = root.folder(FileKind::Log)?;
    let opened = files.iter().map(|(_, file)| {
        let file = open_below(&folder, &file.path)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    });
    shortened(&opened.collect::<io::Result<Vec<_>>>()?)
}

/// The files as one text; of a long text only the beginning and the end.
fn shortened(files: &[(File, u64)]) -> io::Result<String> {
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if total <= 2 * SHOWN {
        return section(files, 0, total).map(text);
    }
    let (first, last) = (section(files, 0, SHOWN)?, section(files, total - SHOWN, SHOWN)?);
    Ok(format!("{} ... {}", text(first), text(last)))
}

/// `count` bytes after the first `skip` bytes.
fn section(files: &[(File, u64)], mut skip: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    for (mut file, bytes) in files.iter().map(|(file, bytes)| (file, *bytes)) {
        if skip >= bytes {
            skip -= bytes;
            continue;
        }
        file.seek(SeekFrom::Start(skip))?;
        skip = 0;
        let left = count - found.len() as u64;
        file.take(left).read_to_end(&mut found)?;
        if found.len() as u64 >= count {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &str) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        (file, content.len() as u64)
    }

    #[test]
    fn long_texts_are_shortened_over_the_bounds_of_files() {
        let half = usize::try_from(SHOWN).unwrap();
        let whole = [file("one\n"), file(""), file("two\n")];
        assert_eq!(shortened(&whole).unwrap(), "one\ntwo\n");
        let exact = [file(&"a".repeat(half)), file(&"b".repeat(half))];
        assert_eq!(shortened(&exact).unwrap().len(), 2 * half);
        let long = [file(&"a".repeat(half - 1)), file("xyz"), file(&"b".repeat(half - 1))];
        let expected = format!("{}x ... z{}", "a".repeat(half - 1), "b".repeat(half - 1));
        assert_eq!(shortened(&long).unwrap(), expected);
    }
}

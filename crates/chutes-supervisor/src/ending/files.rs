//! The ending of a run whose files were not all collected and delivered.

use chutes_core::{
    DeliveryState, Ending, Escaped, Failure, FailureKind, FileKind, Manifest, OutputFile, Phase,
    SinkReport,
};

use chutes_outputs::delivery::{NO_TIME_LEFT, TIME_IS_OVER};

use crate::user_code::StopReason;

/// How many files a message names at most.
const NAMED: usize = 5;

/// The ending of a run with regard to its files: a run that completed fails if files are missing. Declared output
/// volumes are part of the spec, so a failure to deliver to them has a kind of its own.
pub(crate) fn with_files(ending: Ending, manifest: &Manifest, sinks: &[SinkReport]) -> Ending {
    if ending != Ending::Completed {
        return ending;
    }
    let (declared, others): (Vec<_>, Vec<_>) = sinks.iter().partition(|sink| sink.declared);
    let not_uploaded: Vec<String> =
        declared.iter().filter_map(|sink| not_uploaded(sink, manifest)).collect();
    let counts = [
        count(manifest.uncollected(), "collected"),
        count(undelivered(manifest, &declared), "delivered"),
    ];
    let silent = others.iter().filter_map(|sink| Some((&sink.sink, sink.error.as_ref()?)));
    let silent = silent.map(|(sink, error)| format!("{sink} did not take it all: {error}"));
    let kind = if not_uploaded.is_empty() {
        FailureKind::OutputsIncomplete
    } else {
        FailureKind::UploadFailed
    };
    let parts: Vec<String> =
        not_uploaded.into_iter().chain(counts.into_iter().flatten()).chain(silent).collect();
    if parts.is_empty() {
        return ending;
    }
    let message = format!("the job finished, but {}", parts.join(" and "));
    Ending::from_failure(Failure::new(kind, message).in_phase(Phase::Upload))
}

fn count(number: usize, what: &str) -> Option<String> {
    let files = if number == 1 { "output file was" } else { "output files were" };
    (number > 0).then(|| format!("{number} {files} not {what}"))
}

/// How many files were not delivered to all sinks that the spec does not declare.
fn undelivered(manifest: &Manifest, declared: &[&SinkReport]) -> usize {
    let is_declared = |name: &str| declared.iter().any(|sink| sink.sink == name);
    let is_undelivered = |file: &OutputFile| {
        let mut failed = file.deliveries.iter().filter(|delivery| delivery.state.is_failed());
        failed.any(|delivery| !is_declared(&delivery.sink))
    };
    manifest.all().filter(|(_, file)| is_undelivered(file)).count()
}

/// The message about the files that a declared output volume lacks.
fn not_uploaded(sink: &SinkReport, manifest: &Manifest) -> Option<String> {
    if sink.is_complete() {
        return None;
    }
    let failed: Vec<_> = failed_at(sink, manifest).collect();
    let is_shared = |reason: &str| sink.error.as_deref() == Some(reason);
    // Files of one archive, and files that were all too late, have one reason, which is given once.
    let (shared, own): (Vec<_>, Vec<_>) = failed.iter().partition(|(.., reason)| is_shared(reason));
    let names = shared.iter().take(NAMED).map(|(kind, file, _)| shown(*kind, file));
    let names: Vec<String> = names.collect();
    let list = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    let mut problems: Vec<String> =
        sink.error.iter().map(|error| format!("{error}{list}")).collect();
    let own = own.iter().take(NAMED - names.len());
    problems.extend(
        own.map(|(kind, file, reason)| format!("{} did not arrive: {reason}", shown(*kind, file))),
    );
    let more = failed.len().saturating_sub(NAMED);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    let is_late = |reason: &str| [TIME_IS_OVER, NO_TIME_LEFT].iter().any(|it| reason.contains(it));
    let mut reasons = sink.error.as_deref().into_iter().chain(failed.iter().map(|it| it.2));
    let late = reasons.any(is_late);
    let limit_reached = || format!("{}; ", StopReason::TimeLimit.in_words(Phase::Upload, None));
    let why = if late { limit_reached() } else { String::new() };
    let what = match sink.error {
        // The message names the files and their addresses.
        Some(_) if sink.failed == 0 => "not everything was uploaded".to_owned(),
        _ => format!("not everything was uploaded to {}", sink.sink),
    };
    Some(format!("{what}: {why}{}", problems.join("; ")))
}

/// The files whose delivery to a sink failed, with the reason.
fn failed_at<'a>(
    sink: &'a SinkReport,
    manifest: &'a Manifest,
) -> impl Iterator<Item = (FileKind, &'a OutputFile, &'a str)> {
    manifest.all().filter_map(move |(kind, file)| {
        let mut here = file.deliveries.iter().filter(|delivery| delivery.sink == sink.sink);
        let reason = here.find_map(|delivery| match &delivery.state {
            DeliveryState::Failed { reason } => Some(reason.as_str()),
            _ => None,
        })?;
        Some((kind, file, reason))
    })
}

/// The path of a file as the job knows it.
fn shown(kind: FileKind, file: &OutputFile) -> String {
    let path = file.path.to_string();
    match kind {
        FileKind::Output => format!("`/output/{}`", Escaped(&path)),
        FileKind::Log | FileKind::Artifact => format!("`{}/{}`", kind.folder(), Escaped(&path)),
    }
}

#[cfg(test)]
mod tests {
    use chutes_core::{Delivery, FileState, OutputPath, RunId, Sha256Digest};

    use super::*;

    const FILES: &str = "the output volumes";
    const ZIP: &str = "system_output=https://h/z";

    fn failed(reason: &str) -> DeliveryState {
        DeliveryState::Failed { reason: reason.into() }
    }

    /// Collected outputs with what became of them.
    fn manifest(files: &[(&str, &[(&str, DeliveryState)])]) -> Manifest {
        let file = |(path, deliveries): &(&str, &[(&str, DeliveryState)])| {
            let sha256 = Sha256Digest::from_bytes([7; 32]);
            let mut file = OutputFile::new(
                OutputPath::new(*path).unwrap(),
                FileState::Collected { bytes: 1, sha256 },
            );
            let deliveries = deliveries.iter();
            file.deliveries = deliveries
                .map(|(sink, state)| Delivery { sink: (*sink).to_owned(), state: state.clone() })
                .collect();
            file
        };
        Manifest {
            run_id: RunId::from_bytes([7; 16]),
            files: files.iter().map(file).collect(),
            logs: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    fn report(sink: &str, failed: u64, error: Option<&str>) -> SinkReport {
        SinkReport {
            sink: sink.into(),
            delivered: 1,
            failed,
            skipped: 0,
            bytes: 1,
            error: error.map(str::to_owned),
            declared: [FILES, ZIP].contains(&sink),
            responses: Vec::new(),
        }
    }

    #[track_caller]
    fn check(manifest: &Manifest, sinks: &[SinkReport], kind: FailureKind, expected: &str) {
        let ending = with_files(Ending::Completed, manifest, sinks);
        let Ending::Failed(failure) = ending else { panic!("{ending:?}") };
        assert_eq!((failure.kind, failure.message.as_str()), (kind, expected));
        assert_eq!(failure.phase, Some(Phase::Upload));
    }

    #[test]
    fn what_is_not_uploaded_is_named() {
        let missing = "the job did not write `/output/x`, which goes to https://h/x";
        check(
            &manifest(&[]),
            &[report(FILES, 0, Some(missing))],
            FailureKind::UploadFailed,
            &format!("the job finished, but not everything was uploaded: {missing}"),
        );
        let refused = [(FILES, failed("403"))];
        check(
            &manifest(&[("a", &refused), ("b\n", &refused)]),
            &[report(FILES, 2, Some(missing))],
            FailureKind::UploadFailed,
            &format!(
                "the job finished, but not everything was uploaded to {FILES}: {missing}; \
                 `/output/a` did not arrive: 403; `/output/b\\n` did not arrive: 403",
            ),
        );
        let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), &refused[..])).collect();
        let messages: Vec<_> =
            (0..5).map(|name| format!("`/output/{name}` did not arrive: 403")).collect();
        check(
            &manifest(&files),
            &[report(FILES, 7, None)],
            FailureKind::UploadFailed,
            &format!(
                "the job finished, but not everything was uploaded to {FILES}: {}; and 2 more",
                messages.join("; ")
            ),
        );
    }

    #[test]
    fn what_goes_in_one_piece_has_one_reason() {
        let refused = [(ZIP, failed("403"))];
        check(
            &manifest(&[("a", &refused), ("b", &refused)]),
            &[report(ZIP, 2, Some("403"))],
            FailureKind::UploadFailed,
            &format!(
                "the job finished, but not everything was uploaded to {ZIP}: 403 (`/output/a`, \
                 `/output/b`)",
            ),
        );
    }

    #[test]
    fn a_limit_that_was_reached_is_named() {
        let late = [(FILES, failed(TIME_IS_OVER))];
        let slow = [(FILES, failed("503"))];
        check(
            &manifest(&[("a", &late), ("b", &slow), ("c", &late)]),
            &[report(FILES, 3, Some(TIME_IS_OVER))],
            FailureKind::UploadFailed,
            &format!(
                "the job finished, but not everything was uploaded to {FILES}: the upload phase \
                 reached its limit; {TIME_IS_OVER} (`/output/a`, `/output/c`); `/output/b` did not \
                 arrive: 503",
            ),
        );
        check(
            &manifest(&[("a", &[(FILES, failed(TIME_IS_OVER))])]),
            &[report(FILES, 1, None)],
            FailureKind::UploadFailed,
            &format!(
                "the job finished, but not everything was uploaded to {FILES}: the upload phase \
                 reached its limit; `/output/a` did not arrive: {TIME_IS_OVER}",
            ),
        );
    }

    #[test]
    fn other_losses_have_another_name() {
        let mut lost =
            manifest(&[("a", &[("out", failed("full")), (FILES, DeliveryState::Delivered)])]);
        check(
            &lost,
            &[report(FILES, 0, None), report("out", 1, Some("full"))],
            FailureKind::OutputsIncomplete,
            "the job finished, but 1 output file was not delivered and out did not take it all: full",
        );
        let reason = "it was changed while it was read".to_owned();
        lost.files[0].state = FileState::Failed { reason };
        check(
            &lost,
            &[report(FILES, 0, None)],
            FailureKind::OutputsIncomplete,
            "the job finished, but 1 output file was not collected and 1 output file was not delivered",
        );
        check(
            &lost,
            &[report(FILES, 0, Some("x"))],
            FailureKind::UploadFailed,
            "the job finished, but not everything was uploaded: x and 1 output file was not \
             collected and 1 output file was not delivered",
        );
    }

    #[test]
    fn other_ends_stay_and_a_run_without_losses_is_completed() {
        let whole = manifest(&[("a", &[(FILES, DeliveryState::Delivered)])]);
        let sinks = [report(FILES, 0, None), report(ZIP, 0, None)];
        assert_eq!(with_files(Ending::Completed, &whole, &sinks), Ending::Completed);
        let ending = Ending::Failed(Failure::new(FailureKind::JobError, "no"));
        let sinks = [report(FILES, 1, Some("x"))];
        assert_eq!(with_files(ending.clone(), &whole, &sinks), ending);
    }
}

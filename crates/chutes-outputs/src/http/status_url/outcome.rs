//! The outcome of a run in the form of the platform.

use chutes_core::{Ending, Failure, Json};

use chutes_transfer::TransferError;
use chutes_transfer::http::Secrets;

use crate::RunSummary;

/// How the run ended, as it is posted to the status URL.
#[derive(serde::Serialize)]
pub(super) struct OutcomeMessage<'a> {
    status: &'static str,
    /// Always there: where it is missing, the platform puts in the text `error`, and then fails to
    /// answer, since its own answers have no place for a result that is not an object.
    result: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    output_filenames: &'a [String],
}

impl<'a> OutcomeMessage<'a> {
    pub(super) fn new(run: &RunSummary, names: &'a [String], secrets: &Secrets) -> Self {
        let status = match run.ending {
            Ending::Completed => "complete",
            Ending::Cancelled(_) => "cancelled",
            Ending::Rejected(_)
            | Ending::Failed(_)
            | Ending::TimedOut(_)
            | Ending::PlatformFailed(_) => "error",
        };
        let detail = run.ending.failure().map(|failure| secrets.hide_in_lines(&detail(failure)));
        Self { status, result: result(run.result.as_ref()), detail, output_filenames: names }
    }

    pub(super) fn to_json(&self) -> Result<String, TransferError> {
        serde_json::to_string(self).map_err(|error| {
            TransferError::permanent(format!("the outcome cannot be written as JSON: {error}"))
        })
    }
}

/// The result as an object, the only kind that the platform stores (see [`OutcomeMessage::result`]).
/// Another value goes into the field `result` of one; a reader who knows the job can distinguish the two.
fn result(result: Option<&Json>) -> Json {
    let Some(result) = result else { return Json::null() };
    if result.is_null() || result.as_str().starts_with('{') {
        return result.clone();
    }
    let wrapped = Json::parse(&format!(r#"{{"result":{result}}}"#));
    wrapped.unwrap_or_else(|_| Json::null())
}

fn detail(failure: &Failure) -> String {
    let causes = failure.causes.iter().map(|cause| format!("\ncaused by: {cause}"));
    std::iter::once(failure.message.clone()).chain(causes).collect()
}

#[cfg(test)]
mod tests {
    use chutes_core::{FailureKind, Manifest, RunId};

    use super::*;

    #[track_caller]
    fn check(ending: Ending, result: Option<&str>, expected: &str) {
        let run_id = RunId::from_bytes([7; 16]);
        let run = RunSummary {
            run_id,
            ending,
            result: result.map(|text| Json::parse(text).unwrap()),
            manifest: Manifest {
                run_id,
                files: Vec::new(),
                logs: Vec::new(),
                artifacts: Vec::new(),
            },
        };
        let url = url::Url::parse("https://host/jobs/1?token=very-secret").unwrap();
        let names = ["a".to_owned()];
        let message = OutcomeMessage::new(&run, &names, &Secrets::of(&url));
        let expected = format!("{{{expected},\"output_filenames\":[\"a\"]}}");
        assert_eq!(message.to_json().unwrap(), expected);
    }

    #[test]
    fn json_form() {
        check(
            Ending::Completed,
            Some(r#"{"loss":1.10}"#),
            r#""status":"complete","result":{"loss":1.10}"#,
        );
        check(Ending::Completed, Some("null"), r#""status":"complete","result":null"#);
        check(Ending::Completed, Some("[1]"), r#""status":"complete","result":{"result":[1]}"#);
        check(Ending::Completed, Some(r#""{""#), r#""status":"complete","result":{"result":"{"}"#);
        check(Ending::Completed, None, r#""status":"complete","result":null"#);
        let mut failure = Failure::new(FailureKind::JobError, "no very-secret");
        failure.causes = vec!["the disk".into(), "is full".into()];
        let detail = r#""result":null,"detail":"no ***\ncaused by: the disk\ncaused by: is full""#;
        for ending in [Ending::Failed, Ending::TimedOut, Ending::Rejected, Ending::PlatformFailed] {
            check(ending(failure.clone()), None, &format!(r#""status":"error",{detail}"#));
        }
        check(Ending::Cancelled(failure), None, &format!(r#""status":"cancelled",{detail}"#));
        let stopped = Failure::new(FailureKind::Cancelled, "stopped");
        check(
            Ending::Cancelled(stopped),
            Some(r#"{"epochs":3}"#),
            r#""status":"cancelled","result":{"epochs":3},"detail":"stopped""#,
        );
    }
}

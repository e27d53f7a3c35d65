//! Serialises the result of a job as JSON.

mod finite;

use chutes_core::Json;
use serde::Serialize;

use self::finite::FiniteCheck;
use crate::field_path::{at, shown};

/// Why a value cannot be the result of a run.
///
/// The run is then `failed` with the message.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes::outcome::FailureKind;
/// use chutes::{JobContext, JobError, Registry, Run};
///
/// #[chutes::job]
/// async fn divides_by_zero(_ctx: JobContext) -> Result<Vec<f64>, JobError> {
///     Ok(vec![0.5, 0.0 / 0.0])
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("divides_by_zero")?.clone();
/// let outcome = Run::new(job, directory).execute().await?;
/// let failure = outcome.ending.failure().ok_or("a failure")?;
/// assert_eq!(failure.kind, FailureKind::InvalidResult);
/// assert_eq!(failure.message, "the result holds NaN at `[1]`, which JSON cannot hold");
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// A floating-point number is infinite or not a number. JSON has neither, and `null` in its place would lose it
    /// silently.
    #[error("the result holds {value}{}, which JSON cannot hold", at(path))]
    NotFinite {
        /// The path of the number, for instance `metrics.loss`; empty for the result as a whole.
        path: String,
        /// `NaN`, `inf` or `-inf`.
        value: f64,
    },
    /// The value's own `Serialize` failed, or a map has keys that are not strings.
    #[error("the result{} cannot be written as JSON", at(path))]
    Unwritable {
        /// The path at which it failed; empty for the result as a whole.
        path: String,
        /// The cause.
        source: serde_json::Error,
    },
}

/// Writes the value of a job as JSON on one line.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Json, ResultError> {
    let mut track = serde_path_to_error::Track::new();
    let checked = value.serialize(serde_path_to_error::Serializer::new(FiniteCheck, &mut track));
    if let Err(finite::Problem::NotFinite(value)) = checked {
        return Err(ResultError::NotFinite { path: shown(&track.path()), value });
    }
    Json::from_value(value).map_err(|source| {
        let mut track = serde_path_to_error::Track::new();
        let writer = &mut serde_json::Serializer::new(std::io::sink());
        let again = value.serialize(serde_path_to_error::Serializer::new(writer, &mut track));
        let path = again.err().map(|_| shown(&track.path())).unwrap_or_default();
        ResultError::Unwritable { path, source }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::ser::Error as _;

    use super::*;

    #[derive(Serialize)]
    struct Report {
        epochs: u32,
        metrics: Metrics,
    }

    #[derive(Serialize)]
    struct Metrics {
        losses: Vec<f32>,
        best: Option<f64>,
    }

    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no"))
        }
    }

    fn report(losses: &[f32], best: Option<f64>) -> Report {
        Report { epochs: 2, metrics: Metrics { losses: losses.to_vec(), best } }
    }

    #[track_caller]
    fn check(value: &impl Serialize, expected: Result<&str, &str>) {
        let found = to_json(value).map(|json| json.to_string()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(String::from).map_err(String::from));
    }

    #[test]
    fn numbers() {
        let good = r#"{"epochs":2,"metrics":{"losses":[0.5,0.25],"best":null}}"#;
        check(&report(&[0.5, 0.25], None), Ok(good));
        check(
            &report(&[0.5, f32::NAN], None),
            Err("the result holds NaN at `metrics.losses[1]`, which JSON cannot hold"),
        );
        check(
            &report(&[], Some(f64::NEG_INFINITY)),
            Err("the result holds -inf at `metrics.best`, which JSON cannot hold"),
        );
        check(&f64::INFINITY, Err("the result holds inf, which JSON cannot hold"));
        check(&(), Ok("null"));
    }

    #[test]
    fn unwritable() {
        let map: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        check(&map, Err("the result cannot be written as JSON"));
        check(&[Broken], Err("the result at `[0]` cannot be written as JSON"));
    }
}

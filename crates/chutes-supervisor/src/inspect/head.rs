//! The beginning of files that may be large: what a list shows is there, and nothing after it is read.

use std::fmt;
use std::io::{BufReader, Read};
use std::time::Duration;

use chutes_core::{EndStatus, ImageName, JobName, PhaseReport, RunId, Target};
use serde::Deserializer as _;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

/// What is at the beginning of `outcome.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutcomeHead {
    pub(super) run_id: RunId,
    pub(super) target: Target,
    pub(super) status: EndStatus,
    /// The time of all phases.
    pub(super) elapsed: Duration,
}

impl OutcomeHead {
    /// Reads it. `None` when the file is not an outcome.
    pub(super) fn read(file: impl Read) -> Option<Self> {
        let mut found = Found::default();
        let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(2048, file));
        // It ends with an error on purpose, where enough is known.
        let _ = json.deserialize_map(Fields(&mut found));
        found.whole()
    }
}

#[derive(Default)]
struct Found {
    run_id: Option<RunId>,
    target: Option<Target>,
    status: Option<EndStatus>,
    elapsed: Option<Duration>,
}

impl Found {
    fn whole(&self) -> Option<OutcomeHead> {
        let (run_id, target) = (self.run_id?, self.target.clone()?);
        Some(OutcomeHead { run_id, target, status: self.status?, elapsed: self.elapsed? })
    }
}

struct Fields<'a>(&'a mut Found);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an outcome")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "run_id" => self.0.run_id = fields.next_value()?,
                "job" => self.0.target = Some(Target::Job(fields.next_value::<JobName>()?)),
                "image" => self.0.target = Some(Target::Image(fields.next_value::<ImageName>()?)),
                "status" => self.0.status = fields.next_value()?,
                "phases" => {
                    let phases: Vec<PhaseReport> = fields.next_value()?;
                    let elapsed = phases.iter().map(|report| report.elapsed);
                    self.0.elapsed = Some(elapsed.fold(Duration::ZERO, Duration::saturating_add));
                }
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
            if self.0.whole().is_some() {
                return Err(A::Error::custom("the rest is of no interest"));
            }
        }
        Ok(())
    }
}

/// The time of the first record of a log.
pub(super) fn first_time(mut log: impl Read) -> Option<String> {
    let mut begin = [0; 96];
    let mut length = 0;
    while length < begin.len() {
        match log.read(&mut begin[length..]).ok()? {
            0 => break,
            count => length += count,
        }
    }
    let text = std::str::from_utf8(&begin[..length]).ok()?;
    Some(text.strip_prefix("{\"seq\":1,\"at\":\"")?.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that must not be read to its end.
    struct Endless;

    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            to.fill(b' ');
            Ok(to.len())
        }
    }

    const ID: &str = "0198c0de-89ab-7def-8001-0203040506ff";

    #[test]
    fn of_an_outcome() {
        let text = format!(
            r#"{{"run_id": "{ID}", "job": "train", "status": "timed_out", "result": [{{"a": "}}"}}],
            "failure": {{"kind": "time_limit"}}, "phases": [
            {{"name": "start", "seconds": 1.5, "limit_seconds": 60}},
            {{"name": "execute", "seconds": 2, "limit_seconds": null}}], "#
        );
        let head = OutcomeHead::read(text.as_bytes().chain(Endless)).unwrap();
        let expected = OutcomeHead {
            run_id: ID.parse().unwrap(),
            target: Target::Job(JobName::new("train").unwrap()),
            status: EndStatus::TimedOut,
            elapsed: Duration::from_millis(3_500),
        };
        assert_eq!(head, expected);
    }

    #[test]
    fn of_something_else() {
        let without = format!(r#"{{"run_id": "{ID}", "job": "train", "phases": []}}"#);
        for text in ["", "{", "[]", "{}", "7", r#"{"run_id": 7}"#, &without] {
            assert_eq!(OutcomeHead::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times() {
        let text = br#"{"seq":1,"at":"2026-11-30T07:01:07.797286835Z","run":{"id":"01a2"#;
        assert_eq!(first_time(text.chain(Endless)).unwrap(), "2026-11-30T07:01:07.797286835Z");
        for text in ["", "{\"seq\":1,\"at\":\"2026", "{\"seq\":2,\"at\":\"2026\"", "x"] {
            assert_eq!(first_time(text.as_bytes()), None, "{text}");
        }
    }
}

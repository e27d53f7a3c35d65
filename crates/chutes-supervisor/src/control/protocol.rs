//! What is said on a control socket: one JSON object per line, each with the version of the protocol.
//!
//! A client sends a [`Request`] and gets one [`Answer`] for it. Only [`Request::Follow`] and [`Request::Logs`] are answered
//! more often: with events, or with output, until there are no more, or until the client closes the connection. What is
//! refused ends the connection.
//!
//! ```
//! use chutes::supervisor::control::protocol::{Message, Request};
//!
//! let line = Message::new(Request::Follow { from: 1 }).to_line();
//! assert_eq!(line, "{\"version\":1,\"follow\":{\"from\":1}}\n");
//! assert_eq!(Message::<Request>::from_line(line.as_bytes()), Ok(Request::Follow { from: 1 }));
//! ```

use std::time::Duration;

use chutes_core::{Event, LogStream, Progress, Urgency, Usage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// The longest request, in bytes.
pub const MAX_REQUEST: usize = 64 * 1024;

/// The longest text that a request may have in a field that is written down, in bytes.
pub(super) const MAX_TEXT: usize = 4 * 1024;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message<T> {
    /// The version of the protocol.
    pub version: u32,
    /// What is said.
    #[serde(flatten)]
    pub body: T,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// To follow the run: its facts from this number on, 1 is the first, and what else happens from now on.
    Follow {
        /// The number of the first fact.
        #[serde(default = "first")]
        from: u64,
    },
    /// What the job prints to a stream, from an offset on: what is kept of it, and what comes, to the end of the run.
    Logs {
        /// The stream.
        stream: LogStream,
        /// How many bytes of the output are not wanted.
        #[serde(default)]
        from: u64,
    },
    /// To stop. A request that is less urgent than one before changes nothing.
    Cancel {
        /// How urgently.
        #[serde(default = "graceful")]
        urgency: Urgency,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// On whose behalf, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// To give user code more time: a new limit of the execute phase, counted from its beginning.
    Extend {
        /// The limit.
        #[serde(rename = "limit_seconds", with = "seconds")]
        limit: Duration,
    },
    /// To let clients with these keys log in by SSH, too.
    AddKeys {
        /// Public keys, each text with lines as in `authorized_keys`.
        keys: Vec<String>,
    },
    /// To let clients with these keys log in no more. Those that are logged in stay.
    RemoveKeys {
        /// Public keys, each text with lines as in `authorized_keys`.
        keys: Vec<String>,
    },
    /// How things stand: progress, and what the run uses.
    State {},
}

const fn first() -> u64 {
    1
}

const fn graceful() -> Urgency {
    Urgency::Graceful
}

/// What a supervisor answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Something has happened.
    Event(Box<Event>),
    /// The job has printed something.
    Log(LogBytes),
    /// The request is taken.
    Done {},
    /// How things stand.
    State(State),
    /// The request is not taken, and the connection is closed.
    Refused {
        /// Why: a lowercase fragment.
        reason: String,
    },
}

/// Bytes that a job has printed, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBytes {
    /// How many bytes the job had printed to this stream before. It is greater than the end of the bytes before where
    /// output is missing: of a stream that was longer than its limit, the beginning and the end are kept.
    pub offset: u64,
    /// The bytes.
    #[serde(rename = "base64", with = "base64_text")]
    pub bytes: Vec<u8>,
}

/// How things stand in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The newest report of the job.
    pub progress: Option<Progress>,
    /// What the run uses; `None` when that cannot be measured, for instance because its worker is not there.
    pub usage: Option<Usage>,
}

mod answer {
    //! Reading an answer. An event may hold JSON as text, which is lost when fields are flattened.

    use chutes_core::Event;
    use serde::{Deserialize, Deserializer, de::Error};

    use super::{Answer, LogBytes, Message, State};

    #[derive(Deserialize)]
    struct Line {
        version: u32,
        event: Option<Box<Event>>,
        log: Option<LogBytes>,
        done: Option<Empty>,
        refused: Option<Refused>,
        state: Option<State>,
    }

    #[derive(Deserialize)]
    struct Empty {}

    #[derive(Deserialize)]
    struct Refused {
        reason: String,
    }

    impl<'de> Deserialize<'de> for Message<Answer> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let line = Line::deserialize(from)?;
            let refused = line.refused.map(|it| Answer::Refused { reason: it.reason });
            let body = line.event.map(Answer::Event);
            let body = body.or(line.log.map(Answer::Log));
            let body = body.or(line.done.map(|Empty {}| Answer::Done {})).or(refused);
            let body = body.or(line.state.map(Answer::State));
            let body = body.ok_or_else(|| D::Error::custom("an answer that is not known"))?;
            Ok(Self { version: line.version, body })
        }
    }
}

impl<T> Message<T> {
    /// A message of this version.
    #[must_use]
    pub const fn new(body: T) -> Self {
        Self { version: VERSION, body }
    }
}

impl<T: Serialize> Message<T> {
    /// The line, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Nothing in a message fails to be written; a line that is no message ends the connection.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl<T> Message<T>
where
    Self: DeserializeOwned,
{
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// Why it is not understood: a lowercase fragment.
    pub fn from_line(line: &[u8]) -> Result<T, String> {
        let version: Version = serde_json::from_slice(line)
            .map_err(|error| format!("this is not a line of the control protocol: {error}"))?;
        if version.version != VERSION {
            let theirs = version.version;
            return Err(format!(
                "version {theirs} of the control protocol is not known here, only {VERSION} is"
            ));
        }
        let message: Self = serde_json::from_slice(line)
            .map_err(|error| format!("this is not understood: {error}"))?;
        Ok(message.body)
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

mod seconds {
    //! A time as a number of seconds.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
    }
}

mod base64_text {
    //! Bytes as text: what a job prints need not be UTF-8.

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

//! The protocol between supervisor and worker: JSON frames, each after its length (32 bits, most significant byte
//! first), on a socket pair.
//!
//! Both ends are the same binary, so the version only detects a binary that was replaced while it ran.

use std::collections::BTreeSet;
use std::io;

use chutes_core::{JobName, Json, PortAddress, Progress, RunId};
use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::step::{Hooks, Step, StepResult};
use crate::json_size::MAX_BYTES;

/// The version of the protocol. It is raised with every change.
pub const VERSION: u32 = 4;

/// The longest frame in bytes: the largest data or result, and 1 MiB for the rest.
const MAX_FRAME: usize = MAX_BYTES + 1024 * 1024;

/// A message from the supervisor to the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The first frame.
    Setup(SetupFrame),
    /// Begin a step. The report of its end has the same number.
    Begin {
        /// The number of the step, from 1.
        number: u64,
        /// The step.
        step: Step,
    },
    /// Ask user code to stop.
    Cancel,
    /// End the step at its next `.await`.
    Abort {
        /// The number of the step.
        number: u64,
    },
    /// There are no more steps.
    Finish,
}

/// Everything that user code needs to know about its run.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetupFrame {
    /// The version of the protocol that the supervisor speaks.
    pub version: u32,
    /// The process id of the supervisor.
    pub supervisor: i32,
    /// The id of the run.
    pub run_id: RunId,
    /// The job.
    pub job: JobName,
    /// Its data.
    pub data: Json,
    /// The directory of the run. A path is bytes, not text.
    pub directory: Vec<u8>,
    /// Where its ports are.
    pub ports: Vec<PortAddress>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// A message from the worker to the supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The answer to the first frame, with the hooks of this binary.
    Ready {
        /// The version of the protocol that the worker speaks.
        version: u32,
        /// The hooks of its binary.
        hooks: Hooks,
    },
    /// How far the job has come.
    Progress(Progress),
    /// The indices of all ports that user code has opened so far by its context.
    Opened(BTreeSet<usize>),
    /// A step has ended.
    Ended {
        /// The number of the step.
        number: u64,
        /// What it returned.
        result: StepResult,
    },
    /// A step was ended at an `.await`.
    Aborted {
        /// The number of the step.
        number: u64,
    },
}

/// One end of the socket pair.
#[derive(Debug)]
pub struct Connection {
    frames: Framed<UnixStream, LengthDelimitedCodec>,
}

impl Connection {
    /// Must be called within a runtime.
    pub fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
        Ok(Self { frames: Framed::new(UnixStream::from_std(socket)?, codec) })
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let frame = bytes::Bytes::from(serde_json::to_vec(message)?);
        self.frames.send(frame).await
    }

    /// The next message; `None` when the other end has closed the connection. The future may be dropped and the
    /// method called again.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.frames.next().await {
            Some(frame) => Ok(Some(serde_json::from_slice(&frame?)?)),
            None => Ok(None),
        }
    }
}

/// Reads all frames in these bytes, for a fuzz target: each as a message of either side.
#[cfg(feature = "fuzzing")]
pub fn fuzz(bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // The socket buffers no more than this, and nothing reads while it is filled.
    let bytes = &bytes[..bytes.len().min(64 * 1024)];
    let receive = |is_report: bool| {
        let (mut left, right) = std::os::unix::net::UnixStream::pair()?;
        left.write_all(bytes)?;
        drop(left);
        runtime.block_on(async {
            let mut connection = Connection::new(right)?;
            loop {
                let some = if is_report {
                    connection.receive::<Report>().await?.map(drop)
                } else {
                    connection.receive::<Order>().await?.map(drop)
                };
                if some.is_none() {
                    return Ok(());
                }
            }
        })
    };
    receive(true).and_then(|()| receive(false))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream as Socket;

    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn messages_arrive_as_they_were_sent() {
        let (left, right) = Socket::pair().unwrap();
        let (mut left, mut right) =
            (Connection::new(left).unwrap(), Connection::new(right).unwrap());
        let result = Ok(Json::parse(r#"{"loss": 1.10}"#).unwrap());
        left.send(&Report::Ended { number: 3, result: result.clone() }).await.unwrap();
        drop(left);
        let received: Option<Report> = right.receive().await.unwrap();
        let Some(Report::Ended { number: 3, result: found }) = received else { panic!() };
        assert_eq!(found, result);
        assert!(right.receive::<Report>().await.unwrap().is_none());
    }

    fn receive(bytes: &[u8]) -> io::Result<Option<Report>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut left, right) = Socket::pair().unwrap();
            left.write_all(bytes).unwrap();
            drop(left);
            Connection::new(right).unwrap().receive().await
        })
    }

    #[test]
    fn frames_that_are_too_long_or_cut_off_are_refused() {
        for bytes in [&b"\xff\xff\xff\xff{}"[..], b"\0\0\0\x05{}", b"\0\0", b"\0\0\0\x02{}"] {
            assert!(receive(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let framed = [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
            let _ = receive(&bytes);
            let _ = receive(&framed);
        }
    }
}

//! One client of a control socket.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;

use super::Controls;
use super::protocol::{Answer, LogBytes, MAX_REQUEST, MAX_TEXT, Message, Request};
use crate::logs::index::{Chunk, OutputReader};
use crate::run_log::Follower;

/// Answers the requests of a client until it is gone or the run has ended. `sent` counts the events that clients have
/// taken.
pub(super) async fn serve(
    stream: UnixStream,
    controls: Controls,
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let line = tokio::select! {
            biased;
            line = request_line(&mut read) => line?,
            () = stop.cancelled() => return Ok(()),
        };
        if line.is_empty() {
            return Ok(());
        }
        match answer(&line, &controls) {
            Ok(Reply::Once(reply)) => send(&mut write, reply).await?,
            Ok(Reply::Events(follower)) => {
                return until_closed(read, follow(follower, &mut write, &sent)).await;
            }
            Ok(Reply::Output(reader)) => {
                return until_closed(read, print(reader, &mut write, &sent)).await;
            }
            Err(reason) => return send(&mut write, Answer::Refused { reason }).await,
        }
    }
}

/// Refuses a client that has said nothing yet. It may be gone, which does not matter.
pub(super) fn refuse(stream: &UnixStream, reason: &str) {
    let line = Message::new(Answer::Refused { reason: reason.to_owned() }).to_line();
    let _ = stream.try_write(line.as_bytes());
}

/// The next line, at most one byte longer than a request may be; empty at the end.
async fn request_line(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    read.take(MAX_REQUEST as u64 + 1).read_until(b'\n', &mut line).await?;
    Ok(line)
}

enum Reply {
    Once(Answer),
    Events(Box<Follower>),
    Output(Box<OutputReader>),
}

fn answer(line: &[u8], controls: &Controls) -> Result<Reply, String> {
    if line.len() > MAX_REQUEST {
        return Err(format!("a request has at most {MAX_REQUEST} bytes"));
    }
    Ok(match Message::<Request>::from_line(line)? {
        Request::Follow { from } => Reply::Events(Box::new(controls.log.follow(from))),
        Request::Logs { stream, from } => Reply::Output(Box::new(controls.read(stream, from)?)),
        Request::Cancel { urgency, reason, by } => {
            if reason.iter().chain(&by).any(|text| text.len() > MAX_TEXT) {
                return Err(format!("a text of a request has at most {MAX_TEXT} bytes"));
            }
            controls.cancel(urgency, reason, by);
            Reply::Once(Answer::Done {})
        }
        Request::Extend { limit } => {
            controls.extension.extend(limit).map_err(|error| error.to_string())?;
            Reply::Once(Answer::Done {})
        }
        Request::AddKeys { keys } => {
            controls.change_keys(&keys, true)?;
            Reply::Once(Answer::Done {})
        }
        Request::RemoveKeys { keys } => {
            controls.change_keys(&keys, false)?;
            Reply::Once(Answer::Done {})
        }
        Request::State {} => Reply::Once(Answer::State(controls.state())),
    })
}

/// Sends events until the outcome.
async fn follow(
    mut follower: Box<Follower>,
    write: &mut OwnedWriteHalf,
    sent: &AtomicU64,
) -> io::Result<()> {
    while let Some(event) = follower.next().await {
        send(write, Answer::Event(Box::new(event))).await?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Sends output until there will be no more, which it says.
async fn print(
    mut reader: Box<OutputReader>,
    write: &mut OwnedWriteHalf,
    sent: &AtomicU64,
) -> io::Result<()> {
    while let Some(Chunk { offset, bytes }) = reader.next().await {
        send(write, Answer::Log(LogBytes { offset, bytes })).await?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    send(write, Answer::Done {}).await
}

/// Sends answers, or stops when the client closes the connection. It has nothing more to ask; what it sends is read and
/// dropped.
async fn until_closed(
    mut read: BufReader<OwnedReadHalf>,
    answers: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let closed = async {
        let mut rest = [0; 1024];
        while read.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        biased;
        sent = answers => sent,
        () = closed => Ok(()),
    }
}

async fn send(write: &mut OwnedWriteHalf, answer: Answer) -> io::Result<()> {
    write.write_all(Message::new(answer).to_line().as_bytes()).await
}

//! A connection over HTTP/1.1: copies bytes between the client and the job in both directions.
//!
//! Nothing is parsed or changed, so `WebSockets`, server-sent events, uploads of any size, trailers and
//! `100 Continue` pass as they are, and a request that two parsers would read differently does no harm:
//! each connection of a client has a connection to the job of its own.
//!
//! A connection needs memory only while data waits for a receiver: bytes are written from a buffer of the
//! thread to the other side at once, and only those that it does not accept are kept, at most 64 KiB for
//! each direction, besides 64 KiB that rustls may keep encrypted.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use super::connection::ClientConnection;
use super::direction::{Direction, Fault, poll_read, with_scratch};
use super::limits::PendingHandshake;

/// How long a client may take to read the last bytes and to close, once the job has closed.
const LINGER_TIME: Duration = Duration::from_secs(5);

/// The body of the answer when the job cannot be reached.
pub(super) const BAD_GATEWAY: &str = "the job does not answer at the moment\n";

/// Serves a connection until both sides have ended it.
pub(super) async fn serve(
    mut client: TlsStream<TcpStream>,
    connection: &mut ClientConnection,
) -> io::Result<()> {
    let deadline = Instant::now() + connection.front.limits.first_request_time;
    let first = tokio::select! {
        first = first_bytes(&mut client) => first?,
        () = sleep_until(deadline) => return Ok(()),
        () = connection.stop.requested() => Vec::new(),
    };
    if first.is_empty() {
        return timeout(LINGER_TIME, client.shutdown()).await?;
    }
    let Some(job) = connection.front.connect().await else {
        connection.handshake.confirmed();
        return timeout(LINGER_TIME, refuse(client)).await?;
    };
    let mut pipe = Pipe {
        client,
        job,
        up: Direction::starting_with(first),
        down: Direction::default(),
        head: Head::default(),
        job_closed: false,
        confirmed: false,
        stopping: false,
        deadline: None,
        half_closed_time: connection.front.limits.half_closed_time,
    };
    pipe.begin(deadline);
    match pipe.run(connection).await {
        PipeExit::Done if !pipe.stopping => linger(pipe.client.get_mut().0).await,
        PipeExit::Done | PipeExit::ClientGone | PipeExit::JobLost => Ok(()),
    }
}

/// Waits for the first bytes, without a buffer of its own. An empty result means that the client has
/// closed.
async fn first_bytes(client: &mut TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    poll_fn(|context| {
        with_scratch(|scratch| {
            let read = poll_read(Pin::new(&mut *client), context, scratch);
            read.map_ok(<[u8]>::to_vec)
        })
    })
    .await
}

async fn refuse(mut client: TlsStream<TcpStream>) -> io::Result<()> {
    let length = BAD_GATEWAY.len();
    let answer = format!(
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{BAD_GATEWAY}"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    linger(client.get_mut().0).await
}

/// Reads and discards data that the client still sends, so that the system does not reset the connection
/// before the client has read the end of its answer.
pub(super) async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    let mut discarded = [0; 1_024];
    let drain = async {
        while stream.read(&mut discarded).await? > 0 {}
        Ok(())
    };
    timeout(LINGER_TIME, drain).await?
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PipeExit {
    /// The job has closed its side in order, and all of its data was sent.
    Done,
    /// The client has closed or lost its connection, or has taken too long.
    ClientGone,
    /// The connection to the job is lost. The connection to the client is not shut down in order, so that
    /// the client does not take this for the end of the data.
    JobLost,
}

struct Pipe {
    client: TlsStream<TcpStream>,
    job: TcpStream,
    /// From the client to the job.
    up: Direction,
    /// From the job to the client.
    down: Direction,
    head: Head,
    /// The job accepts no more bytes, but may still send an answer.
    job_closed: bool,
    /// The client has sent a request.
    confirmed: bool,
    stopping: bool,
    /// When the connection is closed unless the client sends something.
    deadline: Option<Pin<Box<Sleep>>>,
    half_closed_time: Duration,
}

impl Pipe {
    /// Inspects the bytes that the pipe starts with, and sets the first deadline.
    fn begin(&mut self, deadline: Instant) {
        self.head.inspect(self.up.waiting());
        self.deadline = Some(Box::pin(sleep_until(deadline)));
    }

    async fn run(&mut self, connection: &mut ClientConnection) -> PipeExit {
        loop {
            tokio::select! {
                end = poll_fn(|context| self.poll(context, &connection.handshake)) => return end,
                () = connection.stop.requested(), if !self.stopping => self.stopping = true,
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, handshake: &PendingHandshake) -> Poll<PipeExit> {
        let before = self.up.progress();
        if let Some(end) = self.poll_up(context).or_else(|| self.poll_down(context)) {
            return Poll::Ready(end);
        }
        if self.down.has_ended() && (self.up.has_ended() || self.job_closed || self.stopping) {
            return Poll::Ready(PipeExit::Done);
        }
        if self.head.is_complete() && !self.confirmed {
            self.confirmed = true;
            handshake.confirmed();
            self.deadline = None;
        }
        let has_moved = self.up.progress() > before;
        if self.down.has_ended() && (has_moved || self.deadline.is_none()) {
            let deadline = Instant::now() + self.half_closed_time;
            self.deadline = Some(Box::pin(sleep_until(deadline)));
        }
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(context).map(|()| PipeExit::ClientGone),
            None => Poll::Pending,
        }
    }

    fn poll_up(&mut self, context: &mut Context<'_>) -> Option<PipeExit> {
        if self.job_closed {
            return None;
        }
        let head = &mut self.head;
        let inspect = &mut |bytes: &[u8]| head.inspect(bytes);
        match self.up.poll(context, &mut self.client, &mut self.job, inspect) {
            Poll::Ready(Err(Fault::Read)) => Some(PipeExit::ClientGone),
            Poll::Ready(Err(Fault::Write)) => {
                // The job may still send an answer that explains why.
                self.job_closed = true;
                None
            }
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    fn poll_down(&mut self, context: &mut Context<'_>) -> Option<PipeExit> {
        loop {
            match self.down.poll(context, &mut self.job, &mut self.client, &mut |_| ()) {
                Poll::Ready(Err(Fault::Read)) => return Some(PipeExit::JobLost),
                Poll::Ready(Err(Fault::Write)) => return Some(PipeExit::ClientGone),
                // All data of the job was sent.
                Poll::Pending if self.stopping && self.down.is_idle() && is_silent(&self.job) => {
                    self.down.end();
                }
                Poll::Ready(Ok(())) | Poll::Pending => return None,
            }
        }
    }
}

/// Whether there is nothing to read, not even the end. The runtime learns of arrived bytes only after a
/// while.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [0];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(recv(stream, &mut byte, flags), Err(Errno::AGAIN))
}

/// Finds the empty line that ends the head of the first request.
#[derive(Debug, Default)]
struct Head {
    has_text: bool,
    line_is_empty: bool,
    complete: bool,
}

impl Head {
    fn inspect(&mut self, bytes: &[u8]) {
        if self.complete {
            return;
        }
        for byte in bytes {
            match byte {
                b'\r' => {}
                b'\n' if self.line_is_empty && self.has_text => {
                    self.complete = true;
                    return;
                }
                b'\n' => self.line_is_empty = true,
                _ => (self.line_is_empty, self.has_text) = (false, true),
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_first_head_is_found() {
        let check = |text: &str, expected: bool| {
            let (mut whole, mut split) = (Head::default(), Head::default());
            whole.inspect(text.as_bytes());
            text.as_bytes().chunks(1).for_each(|byte| split.inspect(byte));
            assert_eq!((whole.complete, split.complete), (expected, expected), "{text:?}");
        };
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
        check("GET / HTTP/1.1\n\nbody", true);
        check("\r\n\r\n\r\n", false);
        check("\r\nGET / HTTP/1.1\r\n\r\n", true);
        check("GET / HTTP/1.1\r\nHost: a\r\n", false);
        check("", false);
    }
}

//! A connection that speaks HTTP/1.1: bytes to the job, bytes from the job, and nothing in between.
//!
//! Nothing is parsed or changed, so `WebSockets`, server-sent events, uploads of any size, trailers and
//! `100 Continue` pass as they are, and a request that two parsers would read differently cannot confuse
//! this one: each connection of a client is one connection to the job, which nobody else shares.
//!
//! Memory is taken only while data waits for a receiver: what was read goes from a buffer of the thread to
//! the other side at once, and only what the other side does not take is kept, at most 64 KiB for each
//! direction, besides 64 KiB that rustls may keep encrypted.

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
use super::limits::Ticket;

/// How long a client may take to read the last bytes and to close, once its connection is at its end.
const LINGER_TIME: Duration = Duration::from_secs(5);

/// What a client is told when the job cannot be reached.
pub(super) const BAD_GATEWAY: &str = "the job does not answer at the moment\n";

/// Serves a connection until both sides have ended it.
pub(super) async fn serve(
    mut client: TlsStream<TcpStream>,
    admission: &mut ClientConnection,
) -> io::Result<()> {
    let until = Instant::now() + admission.front.limits.first_request_time;
    let first = tokio::select! {
        first = first_bytes(&mut client) => first?,
        () = sleep_until(until) => return Ok(()),
        () = admission.stop.requested() => Vec::new(),
    };
    if first.is_empty() {
        return timeout(LINGER_TIME, client.shutdown()).await?;
    }
    let Some(job) = admission.front.connect().await else {
        admission.ticket.proven();
        return timeout(LINGER_TIME, refuse(client)).await?;
    };
    let mut pipe = Pipe {
        client,
        job,
        up: Direction::starting_with(first),
        down: Direction::default(),
        head: Head::default(),
        deaf: false,
        proven: false,
        stopping: false,
        deadline: None,
        half_closed_time: admission.front.limits.half_closed_time,
    };
    pipe.greet(until);
    match pipe.run(admission).await {
        End::Done if !pipe.stopping => linger(pipe.client.get_mut().0).await,
        End::Done | End::Gone | End::Broken => Ok(()),
    }
}

/// Waits for the first bytes, without a buffer of its own. None means that the client has closed.
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

/// Reads what the client still sends, so that the system does not reset the connection before the client
/// has read the end of its answer.
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
enum End {
    /// The job has ended its side in order, and all of it was sent.
    Done,
    /// The client has gone, or has taken too long.
    Gone,
    /// The connection to the job is lost. The client is not told that this was the end of the data.
    Broken,
}

struct Pipe {
    client: TlsStream<TcpStream>,
    job: TcpStream,
    /// From the client to the job.
    up: Direction,
    /// From the job to the client.
    down: Direction,
    head: Head,
    /// The job takes nothing more, but may have something to say yet.
    deaf: bool,
    /// The client has sent a request.
    proven: bool,
    stopping: bool,
    /// When the client has to have sent something.
    deadline: Option<Pin<Box<Sleep>>>,
    half_closed_time: Duration,
}

impl Pipe {
    /// Looks at the bytes that the pipe starts with.
    fn greet(&mut self, until: Instant) {
        self.head.look(self.up.waiting());
        self.deadline = Some(Box::pin(sleep_until(until)));
    }

    async fn run(&mut self, admission: &mut ClientConnection) -> End {
        loop {
            tokio::select! {
                end = poll_fn(|context| self.poll(context, &admission.ticket)) => return end,
                () = admission.stop.requested(), if !self.stopping => self.stopping = true,
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, ticket: &Ticket) -> Poll<End> {
        let before = self.up.progress();
        if let Some(end) = self.poll_up(context).or_else(|| self.poll_down(context)) {
            return Poll::Ready(end);
        }
        if self.down.has_ended() && (self.up.has_ended() || self.deaf || self.stopping) {
            return Poll::Ready(End::Done);
        }
        if self.head.is_complete() && !self.proven {
            self.proven = true;
            ticket.proven();
            self.deadline = None;
        }
        let has_moved = self.up.progress() > before;
        if self.down.has_ended() && (has_moved || self.deadline.is_none()) {
            let until = Instant::now() + self.half_closed_time;
            self.deadline = Some(Box::pin(sleep_until(until)));
        }
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(context).map(|()| End::Gone),
            None => Poll::Pending,
        }
    }

    fn poll_up(&mut self, context: &mut Context<'_>) -> Option<End> {
        if self.deaf {
            return None;
        }
        let head = &mut self.head;
        let look = &mut |bytes: &[u8]| head.look(bytes);
        match self.up.poll(context, &mut self.client, &mut self.job, look) {
            Poll::Ready(Err(Fault::Read)) => Some(End::Gone),
            Poll::Ready(Err(Fault::Write)) => {
                // An answer that explains why may be on its way.
                self.deaf = true;
                None
            }
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    fn poll_down(&mut self, context: &mut Context<'_>) -> Option<End> {
        loop {
            match self.down.poll(context, &mut self.job, &mut self.client, &mut |_| ()) {
                Poll::Ready(Err(Fault::Read)) => return Some(End::Broken),
                Poll::Ready(Err(Fault::Write)) => return Some(End::Gone),
                // Everything that the job had to say is sent.
                Poll::Pending if self.stopping && self.down.is_idle() && is_silent(&self.job) => {
                    self.down.end();
                }
                Poll::Ready(Ok(())) | Poll::Pending => return None,
            }
        }
    }
}

/// Whether nothing has arrived, nor the end. The runtime hears of what has only after a while.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [0];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(recv(stream, &mut byte, flags), Err(Errno::AGAIN))
}

/// Waits for the empty line that ends the head of the first request.
#[derive(Debug, Default)]
struct Head {
    has_text: bool,
    line_is_empty: bool,
    complete: bool,
}

impl Head {
    fn look(&mut self, bytes: &[u8]) {
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
    fn the_end_of_the_first_head_is_seen() {
        let check = |text: &str, expected: bool| {
            let (mut whole, mut split) = (Head::default(), Head::default());
            whole.look(text.as_bytes());
            text.as_bytes().chunks(1).for_each(|byte| split.look(byte));
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

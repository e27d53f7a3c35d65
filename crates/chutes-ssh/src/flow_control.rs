//! Flow control: limits how much data of a client is buffered until a process reads it.
//!
//! The SSH library opens the window of a client as soon as data has arrived, not when it was read. If its
//! loop waited for a process that does not read, nothing else on the connection would be served: not
//! Ctrl-C, and not the output of that process, for which the process may itself be waiting. So data is
//! always received from the library at once and buffered, and the client is slowed down at the source of
//! its bytes:
//!
//! - when much is buffered, windows are small, so that little data is in flight;
//! - when more is buffered, the socket is read in portions, with pauses that get longer while no process
//!   reads. Other messages of the client still arrive, if slowly;
//! - at a limit that takes hours to reach in this way, the connection is closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use super::limits::SshLimits;

/// The window while much is buffered: one packet of the usual size.
const SMALL_WINDOW: u32 = 32 * 1024;

/// How much is read between two pauses while even more is buffered, in bytes: a small window and its
/// overhead.
const PORTION: usize = 64 * 1024;

/// The shortest and the longest pause before a portion. A client that does not answer for two minutes is
/// disconnected, so its answers have to be read more often.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(45);

/// The buffered data of all channels of one connection.
pub(super) struct FlowControl {
    buffered: AtomicUsize,
    /// How often data was read from a buffer.
    reads: AtomicU64,
    is_aborted: AtomicBool,
    limits: SshLimits,
    /// The loop of the connection.
    reader: AtomicWaker,
    overflow: Notify,
}

impl FlowControl {
    pub(super) fn new(limits: SshLimits) -> Arc<Self> {
        Arc::new(Self {
            buffered: AtomicUsize::new(0),
            reads: AtomicU64::new(0),
            is_aborted: AtomicBool::new(false),
            limits,
            reader: AtomicWaker::new(),
            overflow: Notify::new(),
        })
    }

    pub(super) fn add(&self, bytes: usize) {
        let before = self.buffered.fetch_add(bytes, Ordering::AcqRel);
        if before + bytes > self.limits.buffered.max {
            self.overflow.notify_one();
        }
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.buffered.fetch_sub(bytes, Ordering::AcqRel);
        self.reads.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
    }

    /// The current size of the window of a channel.
    pub(super) fn window(&self) -> u32 {
        let is_small = self.buffered.load(Ordering::Acquire) > self.limits.buffered.small_window;
        if is_small { SMALL_WINDOW.min(self.limits.window) } else { self.limits.window }
    }

    fn is_full(&self) -> bool {
        self.buffered.load(Ordering::Acquire) > self.limits.buffered.throttle
    }

    /// Waits until the limit of buffered data is exceeded.
    pub(super) async fn overflow(&self) {
        self.overflow.notified().await;
    }

    /// Aborts the connection below the library, whatever its loop waits for.
    pub(super) fn abort(&self) {
        self.is_aborted.store(true, Ordering::Release);
        self.reader.wake();
    }

    fn check_aborted(&self, context: &Context<'_>) -> io::Result<()> {
        self.reader.register(context.waker());
        if self.is_aborted.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// The stream of a connection, which is read no faster than its data is consumed.
pub(super) struct Throttled<S> {
    stream: S,
    flow: Arc<FlowControl>,
    /// The number of bytes that are left of the portion.
    portion: usize,
    pause: Duration,
    pausing: Option<Pin<Box<Sleep>>>,
    seen_reads: u64,
}

impl<S> Throttled<S> {
    pub(super) fn new(stream: S, flow: Arc<FlowControl>) -> Self {
        Self { stream, flow, portion: PORTION, pause: MIN_PAUSE, pausing: None, seen_reads: 0 }
    }

    /// The number of bytes that may be read now; `None` when there is no limit.
    fn poll_allowed(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        if !self.flow.is_full() {
            (self.portion, self.pause, self.pausing) = (PORTION, MIN_PAUSE, None);
            return Poll::Ready(None);
        }
        let reads = self.flow.reads.load(Ordering::Acquire);
        if reads != self.seen_reads {
            self.seen_reads = reads;
            if self.pause > MIN_PAUSE {
                (self.pause, self.pausing) = (MIN_PAUSE, None);
            }
        }
        if self.portion == 0 {
            let pause = self.pause;
            let pausing = self.pausing.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(pausing.as_mut().poll(context));
            self.pausing = None;
            self.portion = PORTION;
            self.pause = (pause * 2).min(MAX_PAUSE);
        }
        Poll::Ready(Some(self.portion))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Throttled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.flow.check_aborted(context)?;
        let Some(most) = ready!(this.poll_allowed(context)) else {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        };
        let most = most.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let count = part.filled().len();
        buffer.advance(count);
        this.portion -= count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Throttled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.flow.check_aborted(context)?;
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.check_aborted(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;
    use crate::limits::BufferLimits;

    const LIMITS: BufferLimits = BufferLimits { small_window: 100, throttle: 200, max: 300 };

    fn flow() -> Arc<FlowControl> {
        FlowControl::new(SshLimits { buffered: LIMITS, ..SshLimits::default() })
    }

    #[test]
    fn windows_are_small_while_much_is_buffered() {
        let flow = flow();
        flow.add(100);
        assert_eq!(flow.window(), SshLimits::default().window);
        flow.add(1);
        assert_eq!(flow.window(), SMALL_WINDOW);
        flow.remove(1);
        assert_eq!(flow.window(), SshLimits::default().window);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_connection_is_read_in_portions() {
        let flow = flow();
        let (mut client, server) = tokio::io::duplex(16 * PORTION);
        let mut server = Throttled::new(server, flow.clone());
        client.write_all(&vec![7; 8 * PORTION]).await.unwrap();
        flow.add(201);

        let begin = Instant::now();
        let mut buffer = vec![0; PORTION];
        let mut times = Vec::new();
        for _ in 0..4 {
            server.read_exact(&mut buffer).await.unwrap();
            times.push(begin.elapsed().as_millis());
        }
        // There is no pause before the first portion, and each pause is twice the one before. (Timers are
        // exact to a millisecond.)
        assert!(times[0] == 0 && times[1] >= 10 && times[2] >= 30 && times[3] >= 70, "{times:?}");

        let begin = Instant::now();
        flow.remove(1);
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO, "it is still throttled");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_end_when_data_is_read() {
        let flow = flow();
        let (mut client, server) = tokio::io::duplex(16 * PORTION);
        let mut server = Throttled::new(server, flow.clone());
        client.write_all(&vec![7; 12 * PORTION]).await.unwrap();
        flow.add(1000);
        let mut buffer = vec![0; 10 * PORTION];
        server.read_exact(&mut buffer).await.unwrap();
        let waiting = tokio::spawn(async move {
            let begin = Instant::now();
            server.read_exact(&mut buffer[..PORTION]).await.unwrap();
            begin.elapsed()
        });
        tokio::task::yield_now().await;
        // The connection is still full, but data was read: the next pause, of seconds, becomes a short one.
        flow.remove(1);
        assert!(waiting.await.unwrap() < Duration::from_millis(50));
    }

    #[tokio::test]
    async fn an_aborted_connection_ends_at_once() {
        let flow = flow();
        let (_client, server) = tokio::io::duplex(16);
        let mut server = Throttled::new(server, flow.clone());
        let reading = tokio::spawn(async move {
            let error = server.read_u8().await.unwrap_err();
            (error.kind(), server.write_u8(1).await.unwrap_err().kind())
        });
        tokio::task::yield_now().await;
        flow.abort();
        let kinds = reading.await.unwrap();
        assert_eq!(kinds, (io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionAborted));
    }

    #[tokio::test]
    async fn too_much_data_is_an_overflow() {
        let flow = flow();
        flow.add(301);
        flow.overflow().await;
    }
}

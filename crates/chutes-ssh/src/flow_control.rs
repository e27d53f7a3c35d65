//! How much a client may send that nobody has taken yet.
//!
//! The SSH library tells a client that it may send more as soon as data has come in, not when somebody
//! has taken it. If its loop waited for a process that does not read, nothing else on the connection would
//! move: not Ctrl-C, not the output of that process, for which the process may be waiting itself. So what
//! comes in is always taken off the library at once and held here, and the client is slowed down where its
//! bytes come from:
//!
//! - when much is held, the windows that are given are small, so that little is on its way;
//! - when more is held, the socket is read by sips, with pauses that get longer while nothing is taken. What
//!   else the client has to say comes through, if slowly;
//! - at a limit that takes hours to reach that way the connection is given up.

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

/// The window while much is held: one packet of the usual size.
const NARROW_WINDOW: u32 = 32 * 1024;

/// How much is read at a time while even more is held: a narrow window and what belongs to it.
const SIP: usize = 64 * 1024;

/// The pause before the first sip, and the longest. A client is given up when it does not answer for two
/// minutes, so its answers have to be read more often.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(45);

/// What the channels of one connection hold.
pub(super) struct FlowControl {
    held: AtomicUsize,
    /// How often something was taken.
    taken: AtomicU64,
    is_cut: AtomicBool,
    limits: SshLimits,
    /// The loop of the connection.
    reader: AtomicWaker,
    overflow: Notify,
}

impl FlowControl {
    pub(super) fn new(limits: SshLimits) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            limits,
            reader: AtomicWaker::new(),
            overflow: Notify::new(),
        })
    }

    pub(super) fn put(&self, bytes: usize) {
        let before = self.held.fetch_add(bytes, Ordering::AcqRel);
        if before + bytes > self.limits.held.most {
            self.overflow.notify_one();
        }
    }

    pub(super) fn take(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
        self.taken.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
    }

    /// How much a client may send on a channel now.
    pub(super) fn window(&self) -> u32 {
        let is_narrow = self.held.load(Ordering::Acquire) > self.limits.held.narrow;
        if is_narrow { NARROW_WINDOW.min(self.limits.window) } else { self.limits.window }
    }

    fn is_full(&self) -> bool {
        self.held.load(Ordering::Acquire) > self.limits.held.sip
    }

    /// Waits until more is held than may be.
    pub(super) async fn overflow(&self) {
        self.overflow.notified().await;
    }

    /// Ends the connection below the library, whatever its loop waits for.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.reader.wake();
    }

    fn check_cut(&self, context: &Context<'_>) -> io::Result<()> {
        self.reader.register(context.waker());
        if self.is_cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// The stream of a connection, read as fast as what comes from it is taken.
pub(super) struct Throttled<S> {
    stream: S,
    flow: Arc<FlowControl>,
    /// What is left of a sip.
    sip: usize,
    pause: Duration,
    pausing: Option<Pin<Box<Sleep>>>,
    seen_taken: u64,
}

impl<S> Throttled<S> {
    pub(super) fn new(stream: S, flow: Arc<FlowControl>) -> Self {
        Self { stream, flow, sip: SIP, pause: FIRST_PAUSE, pausing: None, seen_taken: 0 }
    }

    /// How much may be read now; `None` when there is no limit.
    fn poll_allowed(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        if !self.flow.is_full() {
            (self.sip, self.pause, self.pausing) = (SIP, FIRST_PAUSE, None);
            return Poll::Ready(None);
        }
        let taken = self.flow.taken.load(Ordering::Acquire);
        if taken != self.seen_taken {
            self.seen_taken = taken;
            if self.pause > FIRST_PAUSE {
                (self.pause, self.pausing) = (FIRST_PAUSE, None);
            }
        }
        if self.sip == 0 {
            let pause = self.pause;
            let pausing = self.pausing.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(pausing.as_mut().poll(context));
            self.pausing = None;
            self.sip = SIP;
            self.pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Poll::Ready(Some(self.sip))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Throttled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.flow.check_cut(context)?;
        let Some(most) = ready!(this.poll_allowed(context)) else {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        };
        let most = most.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let count = part.filled().len();
        buffer.advance(count);
        this.sip -= count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Throttled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.flow.check_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.check_cut(context)?;
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
    use crate::limits::HeldLimits;

    const LIMITS: HeldLimits = HeldLimits { narrow: 100, sip: 200, most: 300 };

    fn flow() -> Arc<FlowControl> {
        FlowControl::new(SshLimits { held: LIMITS, ..SshLimits::default() })
    }

    #[test]
    fn windows_are_narrow_while_much_is_held() {
        let flow = flow();
        flow.put(100);
        assert_eq!(flow.window(), SshLimits::default().window);
        flow.put(1);
        assert_eq!(flow.window(), NARROW_WINDOW);
        flow.take(1);
        assert_eq!(flow.window(), SshLimits::default().window);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_connection_is_read_by_sips() {
        let flow = flow();
        let (mut client, server) = tokio::io::duplex(16 * SIP);
        let mut server = Throttled::new(server, flow.clone());
        client.write_all(&vec![7; 8 * SIP]).await.unwrap();
        flow.put(201);

        let begin = Instant::now();
        let mut buffer = vec![0; SIP];
        let mut times = Vec::new();
        for _ in 0..4 {
            server.read_exact(&mut buffer).await.unwrap();
            times.push(begin.elapsed().as_millis());
        }
        // The first sip is free, and each pause is twice the one before. (Timers are exact to a millisecond.)
        assert!(times[0] == 0 && times[1] >= 10 && times[2] >= 30 && times[3] >= 70, "{times:?}");

        let begin = Instant::now();
        flow.take(1);
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO, "nothing holds it back any more");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_end_when_something_is_taken() {
        let flow = flow();
        let (mut client, server) = tokio::io::duplex(16 * SIP);
        let mut server = Throttled::new(server, flow.clone());
        client.write_all(&vec![7; 12 * SIP]).await.unwrap();
        flow.put(1000);
        let mut buffer = vec![0; 10 * SIP];
        server.read_exact(&mut buffer).await.unwrap();
        let waiting = tokio::spawn(async move {
            let begin = Instant::now();
            server.read_exact(&mut buffer[..SIP]).await.unwrap();
            begin.elapsed()
        });
        tokio::task::yield_now().await;
        // Still full, but somebody reads: the next pause of seconds becomes a short one.
        flow.take(1);
        assert!(waiting.await.unwrap() < Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_cut_connection_ends_at_once() {
        let flow = flow();
        let (_client, server) = tokio::io::duplex(16);
        let mut server = Throttled::new(server, flow.clone());
        let reading = tokio::spawn(async move {
            let error = server.read_u8().await.unwrap_err();
            (error.kind(), server.write_u8(1).await.unwrap_err().kind())
        });
        tokio::task::yield_now().await;
        flow.cut();
        let kinds = reading.await.unwrap();
        assert_eq!(kinds, (io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionAborted));
    }

    #[tokio::test]
    async fn too_much_is_told() {
        let flow = flow();
        flow.put(301);
        flow.overflow().await;
    }
}

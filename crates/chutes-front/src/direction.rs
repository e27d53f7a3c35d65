//! One direction of a pipe.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at a time, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

thread_local! {
    /// The buffer for bytes that are passed on at once. Connections that wait need no buffer of their own.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// Lends the buffer of this thread.
pub(super) fn with_scratch<T>(action: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| action(scratch))
}

/// Reads into a buffer. An empty result is the end of the stream.
pub(super) fn poll_read<'a>(
    reader: Pin<&mut (impl AsyncRead + ?Sized)>,
    context: &mut Context<'_>,
    scratch: &'a mut [u8],
) -> Poll<io::Result<&'a [u8]>> {
    let mut buffer = ReadBuf::new(scratch);
    ready!(reader.poll_read(context, &mut buffer))?;
    let count = buffer.filled().len();
    Poll::Ready(Ok(&scratch[..count]))
}

/// Which side of a direction has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Read,
    Write,
}

/// One direction of a pipe: the bytes that it still holds, and its state.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// Bytes that were read; those from `taken` on were not written yet.
    kept: Vec<u8>,
    taken: usize,
    progress: u64,
    unflushed: bool,
    idle: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The sender has closed; the connection to the receiver has to be shut down.
    Ending,
    Ended,
}

impl Direction {
    pub(super) fn starting_with(kept: Vec<u8>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// The bytes that were read and not written yet.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.kept[self.taken..]
    }

    /// A counter that grows with every write.
    pub(super) fn progress(&self) -> u64 {
        self.progress
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether there was nothing more to read at the last poll, and everything was written and flushed.
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    /// Ends this direction as if the sender had closed.
    pub(super) fn end(&mut self) {
        if self.state == State::Open {
            self.state = State::Ending;
        }
    }

    /// Moves bytes until one side is pending. Ready once the connection to the receiver was shut down.
    pub(super) fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        look: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<(), Fault>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.taken < self.kept.len() {
                let count = ready!(write(writer, context, &self.kept[self.taken..]))?;
                self.taken += count;
                self.progress += 1;
                self.unflushed = true;
            }
            (self.kept, self.taken) = (Vec::new(), 0);
            match self.state {
                State::Open => ready!(self.pass(context, reader, writer, look))?,
                State::Ending => {
                    let shut_down = ready!(Pin::new(&mut *writer).poll_shutdown(context));
                    shut_down.map_err(|_| Fault::Write)?;
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once, and keeps the bytes that cannot be written at once.
    fn pass<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        look: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<(), Fault>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.idle = false;
        with_scratch(|scratch| {
            let Poll::Ready(read) = poll_read(Pin::new(reader), context, scratch) else {
                return self.flush(context, writer);
            };
            let mut bytes = read.map_err(|_| Fault::Read)?;
            if bytes.is_empty() {
                self.state = State::Ending;
                return Poll::Ready(Ok(()));
            }
            look(bytes);
            if let Poll::Ready(count) = write(writer, context, bytes) {
                bytes = &bytes[count?..];
                self.progress += 1;
                self.unflushed = true;
            }
            self.kept.extend_from_slice(bytes);
            Poll::Ready(Ok(()))
        })
    }

    /// Flushes written bytes while there is nothing to read. Never ready without an error.
    fn flush<W>(&mut self, context: &mut Context<'_>, writer: &mut W) -> Poll<Result<(), Fault>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.unflushed {
            ready!(Pin::new(writer).poll_flush(context)).map_err(|_| Fault::Write)?;
            self.unflushed = false;
        }
        self.idle = true;
        Poll::Pending
    }
}

fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    context: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<Result<usize, Fault>> {
    match ready!(Pin::new(writer).poll_write(context, bytes)) {
        Ok(count) if count > 0 => Poll::Ready(Ok(count)),
        // A receiver that accepts no bytes will never accept any.
        Ok(_) | Err(_) => Poll::Ready(Err(Fault::Write)),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A reader without an end, which counts the bytes that were read.
    struct Endless(usize);

    impl AsyncRead for Endless {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0 += buffer.remaining();
            buffer.initialize_unfilled().fill(7);
            buffer.advance(buffer.remaining());
            Poll::Ready(Ok(()))
        }
    }

    /// A writer that accepts this many bytes, in small pieces, and is then pending.
    struct Full(usize);

    impl AsyncWrite for Full {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.0).min(1_000);
            self.0 -= count;
            if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_receiver_that_takes_nothing_stops_the_sender() {
        let check = |takes: usize| {
            let (mut direction, mut sender, mut receiver) =
                (Direction::default(), Endless(0), Full(takes));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..10 {
                let polled = direction.poll(&mut context, &mut sender, &mut receiver, &mut |_| ());
                assert!(polled.is_pending());
            }
            assert_eq!(receiver.0, 0, "not everything that fits was written");
            assert_eq!(sender.0, takes + direction.waiting().len(), "bytes are lost");
            assert!(
                direction.kept.capacity() <= CHUNK,
                "{} bytes are kept",
                direction.kept.capacity()
            );
        };
        for takes in [0, 1, 999, 100_000, 10 * CHUNK] {
            check(takes);
        }
    }

    #[tokio::test]
    async fn nothing_is_kept_once_everything_is_taken() {
        let (mut direction, mut sender, mut received) =
            (Direction::default(), &b"all of it"[..], Vec::new());
        let moved = std::future::poll_fn(|context| {
            direction.poll(context, &mut sender, &mut received, &mut |_| ())
        });
        moved.await.unwrap();
        assert_eq!(received, b"all of it");
        assert!(direction.has_ended() && direction.kept.capacity() == 0);
    }
}

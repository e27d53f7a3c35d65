//! Sends small answers of one connection together.
//!
//! HTTP/2 flushes after each frame with data, and each flush would be a TLS record and a call of the system by itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

/// How much is sent together, at most, in bytes: what one TLS record takes.
const MOST: usize = 16 * 1024;

/// A connection that is flushed when everything was written that can be written now.
///
/// The first flush after something was written is put off until the same task is polled again, which it is at once: by
/// then its other answers were written as well. Nothing is put off when it is read from, or closed.
pub(super) struct Together<T> {
    inner: BufWriter<T>,
    /// Whether a flush was put off, and nothing was written since.
    is_put_off: bool,
}

impl<T: AsyncWrite> Together<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner: BufWriter::with_capacity(MOST, inner), is_put_off: false }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Together<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // What was sent must not wait for what the client sends next. If it cannot be sent now, this task is woken when it can.
        if self.is_put_off
            && let Poll::Ready(flushed) = self.as_mut().poll_flush(context)
        {
            flushed?;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Together<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_put_off = false;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_put_off = false;
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_put_off && !self.inner.buffer().is_empty() {
            self.is_put_off = true;
            context.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        self.is_put_off = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Notes what is written by each call, and has nothing to be read.
    #[derive(Default)]
    struct Notes {
        written: Vec<usize>,
        flushed: usize,
    }

    impl AsyncRead for Notes {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Notes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.written.push(bytes.len());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushed += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Clone, Copy)]
    enum Step {
        Write(usize),
        Flush,
        Read,
        Close,
    }

    /// Does the steps, and compares how much was written by each call, and how often it was flushed.
    #[track_caller]
    fn check(steps: &[Step], written: &[usize], flushed: usize) {
        let mut together = Together::new(Notes::default());
        let mut pinned = Pin::new(&mut together);
        let context = &mut Context::from_waker(Waker::noop());
        for step in steps {
            let done = match *step {
                Step::Write(count) => {
                    let done = pinned.as_mut().poll_write(context, &vec![0; count]);
                    assert!(matches!(done, Poll::Ready(Ok(all)) if all == count), "{done:?}");
                    continue;
                }
                Step::Flush => pinned.as_mut().poll_flush(context),
                Step::Close => pinned.as_mut().poll_shutdown(context),
                Step::Read => {
                    let mut buffer = [0; 8];
                    let read = pinned.as_mut().poll_read(context, &mut ReadBuf::new(&mut buffer));
                    assert!(read.is_pending());
                    continue;
                }
            };
            assert!(matches!(done, Poll::Ready(Ok(()))), "{done:?}");
        }
        let notes = together.inner.get_ref();
        assert_eq!((notes.written.as_slice(), notes.flushed), (written, flushed));
    }

    #[test]
    fn what_is_written_before_the_task_is_polled_again_is_sent_together() {
        use Step::{Close, Flush, Read, Write};
        check(&[Write(1), Flush], &[], 0);
        check(&[Write(1), Flush, Flush], &[1], 1);
        check(&[Write(1), Flush, Write(2), Flush, Write(3), Flush], &[], 0);
        check(&[Write(1), Flush, Write(2), Flush, Flush, Flush], &[3], 2);
        check(&[Write(1), Flush, Write(2), Flush, Read], &[3], 1);
        check(&[Write(1), Read], &[], 0);
        check(&[Write(1), Flush, Close], &[1], 0);
        check(&[Flush, Read], &[], 1);
        // What does not fit is sent at once.
        check(&[Write(MOST), Flush], &[MOST], 1);
        check(&[Write(MOST - 1), Flush, Write(2), Flush], &[MOST - 1], 0);
    }
}

//! The outer side of a pseudo-terminal.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use pty_process::{OwnedReadPty, OwnedWritePty, Size};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a terminal turns into the end of the input when it stands at the beginning of a line.
const END_OF_INPUT: u8 = 4;

pub(super) fn size(columns: u16, rows: u16, (width, height): (u16, u16)) -> Size {
    Size::new_with_pixel(rows, columns, width, height)
}

/// The side that is written to, and whose size is changed by somebody else.
pub(super) struct SharedTerminal {
    side: Mutex<OwnedWritePty>,
}

impl SharedTerminal {
    pub(super) fn new(side: OwnedWritePty) -> Self {
        Self { side: Mutex::new(side) }
    }

    fn side(&self) -> MutexGuard<'_, OwnedWritePty> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn resize(&self, columns: u16, rows: u16, pixels: (u16, u16)) {
        // Nothing depends on it, and the process may be gone.
        let _ = self.side().resize(size(columns, rows, pixels));
    }
}

/// What is typed.
pub(super) struct TerminalInput {
    terminal: Arc<SharedTerminal>,
    is_at_line_start: bool,
    /// How much is left of what says that nothing more will come.
    ending: Option<usize>,
}

impl TerminalInput {
    pub(super) fn new(terminal: Arc<SharedTerminal>) -> Self {
        Self { terminal, is_at_line_start: true, ending: None }
    }
}

impl AsyncWrite for TerminalInput {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.terminal.side()).poll_write(context, buffer))?;
        if let Some(last) = buffer[..written].last() {
            self.is_at_line_start = matches!(last, b'\n' | b'\r');
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.terminal.side()).poll_flush(context)
    }

    /// A terminal has no end of its own: it is typed. Within a line it has to be typed twice.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let times = if self.is_at_line_start { 1 } else { 2 };
        let mut left = self.ending.unwrap_or(times);
        while left > 0 {
            self.ending = Some(left);
            ready!(Pin::new(&mut *self.terminal.side()).poll_write(context, &[END_OF_INPUT]))?;
            left -= 1;
        }
        self.ending = Some(0);
        Poll::Ready(Ok(()))
    }
}

/// What is shown.
pub(super) struct TerminalOutput {
    side: OwnedReadPty,
}

impl TerminalOutput {
    pub(super) fn new(side: OwnedReadPty) -> Self {
        Self { side }
    }
}

impl AsyncRead for TerminalOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.side).poll_read(context, buffer)) {
            // Nobody has the other side open any more.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                Poll::Ready(Ok(()))
            }
            result => Poll::Ready(result),
        }
    }
}

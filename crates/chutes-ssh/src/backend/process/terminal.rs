//! The controlling side of a pseudo-terminal.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use pty_process::{OwnedReadPty, OwnedWritePty, Size};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The character (EOF, Ctrl-D) that a terminal turns into the end of the input at the beginning of a line.
const EOF: u8 = 4;

pub(super) fn size(columns: u16, rows: u16, (width, height): (u16, u16)) -> Size {
    Size::new_with_pixel(rows, columns, width, height)
}

/// The controlling side, which is written to by one task and resized by another.
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
        // A failure does no harm, and the process may be gone.
        let _ = self.side().resize(size(columns, rows, pixels));
    }
}

/// The input of a terminal.
pub(super) struct TerminalInput {
    terminal: Arc<SharedTerminal>,
    is_at_line_start: bool,
    /// The number of EOF characters that are left to write.
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

    /// A terminal has no end of input of its own: EOF is written, and within a line it has to be written
    /// twice.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let times = if self.is_at_line_start { 1 } else { 2 };
        let mut left = self.ending.unwrap_or(times);
        while left > 0 {
            self.ending = Some(left);
            ready!(Pin::new(&mut *self.terminal.side()).poll_write(context, &[EOF]))?;
            left -= 1;
        }
        self.ending = Some(0);
        Poll::Ready(Ok(()))
    }
}

/// The output of a terminal.
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
            // No process has the other side open any more.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                Poll::Ready(Ok(()))
            }
            result => Poll::Ready(result),
        }
    }
}

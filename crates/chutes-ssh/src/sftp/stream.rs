//! The input and the output of a client as one blocking stream.
//!
//! Answers are buffered until the server has to wait for the next request, so that many short ones are
//! written at once. The stream ends at a request that is too long: the library would read on in the middle
//! of it, and take the contents of a file for requests.

use std::io::{self, BufReader, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::MAX_PACKET_BYTES;

/// How much is read at a time when requests are short, in bytes: the capacity of a pipe.
const READ_AHEAD: usize = 64 * 1024;

/// The largest size of buffered answers before they are written, in bytes.
const MAX_BUFFERED_ANSWERS: usize = MAX_PACKET_BYTES as usize;

/// The size from which an answer is written without buffering, in bytes.
const MIN_UNBUFFERED_ANSWER: usize = 16 * 1024;

/// The position of the next byte in a request.
enum Position {
    /// In the length: its bytes, and how many of them were read.
    Length([u8; 4], usize),
    /// In the body: how many bytes are left.
    Body(u32),
    /// No further request can be read.
    End,
}

/// The requests of a client and the answers to it.
pub(super) struct Stream<R, W: Write> {
    input: BufReader<R>,
    position: Position,
    output: W,
    answers: Vec<u8>,
}

impl<R: Read, W: Write> Stream<R, W> {
    pub(super) fn new(input: R, output: W) -> Self {
        Self {
            input: BufReader::with_capacity(READ_AHEAD, input),
            position: Position::Length([0; 4], 0),
            output,
            answers: Vec::new(),
        }
    }

    /// Writes the buffered answers. After an error no further request is read.
    fn write_answers(&mut self) -> io::Result<()> {
        let written = self.output.write_all(&self.answers).and_then(|()| self.output.flush());
        self.answers.clear();
        if written.is_err() {
            self.position = Position::End;
        }
        written
    }

    /// Reads no further than to the end of the length or of the body. Zero is the end of the stream.
    fn read_some(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.input.buffer().is_empty() && !self.answers.is_empty() {
            self.write_answers()?;
        }
        let most = match self.position {
            Position::Length(_, known) => 4 - known,
            Position::Body(left) => left as usize,
            Position::End => return Ok(0),
        };
        let most = most.min(space.len());
        let count = loop {
            match self.input.read(&mut space[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.advance(&space[..count]);
        Ok(count)
    }

    fn advance(&mut self, read: &[u8]) {
        match &mut self.position {
            Position::Length(bytes, known) => {
                bytes[*known..*known + read.len()].copy_from_slice(read);
                *known += read.len();
                if *known == bytes.len() {
                    self.position = match u32::from_be_bytes(*bytes) {
                        0 => Position::Length([0; 4], 0),
                        length if length > MAX_PACKET_BYTES => Position::End,
                        length => Position::Body(length),
                    };
                }
            }
            Position::Body(left) => {
                *left = left.saturating_sub(u32::try_from(read.len()).unwrap_or(u32::MAX));
                if *left == 0 {
                    self.position = Position::Length([0; 4], 0);
                }
            }
            Position::End => {}
        }
    }
}

impl<R: Read + Unpin, W: Write + Unpin> AsyncRead for Stream<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The library takes errors for those of a single request, and would retry for ever.
        let count = self.read_some(space.initialize_unfilled()).unwrap_or_else(|_| {
            self.position = Position::End;
            0
        });
        space.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<R: Read + Unpin, W: Write + Unpin> AsyncWrite for Stream<R, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.answers.len() + bytes.len() > MAX_BUFFERED_ANSWERS {
            self.write_answers()?;
        }
        if bytes.len() >= MIN_UNBUFFERED_ANSWER {
            // A copy would cost more than a write.
            self.write_answers()?;
            return Poll::Ready(self.output.write(bytes));
        }
        self.answers.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Answers are written before the server waits for the next request.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.write_answers())
    }
}

impl<R, W: Write> Drop for Stream<R, W> {
    fn drop(&mut self) {
        // The client may have closed its output and still read.
        let _ = self.output.write_all(&self.answers).and_then(|()| self.output.flush());
    }
}

//! Copies bytes between a channel and the process or socket behind it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use super::flow_control::FlowControl;

/// How much is read at a time, in bytes: as much as fits into a packet.
const CHUNK: usize = 32 * 1024;

/// The memory that one message of a client needs besides its bytes.
const OVERHEAD: usize = 128;

/// How long a terminal may be silent after its process has ended. A background process may keep it open for
/// ever.
const TERMINAL_SILENCE: Duration = Duration::from_millis(200);

/// How much output of a terminal is read after its process has ended, in bytes.
const TERMINAL_REST: usize = 1024 * 1024;

/// The input of a channel that was received and not passed on yet.
pub(super) struct Input {
    state: Mutex<InputState>,
    change: Notify,
    delivery: Notify,
    flow: Arc<FlowControl>,
}

/// A piece of input, in the order in which the client has sent it.
enum Piece {
    Data(Bytes),
    /// Later pieces wait until the sender of this is dropped.
    Hold(oneshot::Receiver<Infallible>),
}

impl Piece {
    /// The memory that the piece needs.
    fn size(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len() + OVERHEAD,
            Self::Hold(_) => OVERHEAD,
        }
    }
}

#[derive(Default)]
struct InputState {
    pieces: VecDeque<Piece>,
    /// All input was passed on, and its end.
    is_delivered: bool,
    has_ended: bool,
    /// The receiver is gone.
    is_closed: bool,
}

impl Input {
    pub(super) fn new(flow: Arc<FlowControl>) -> Self {
        Self { state: Mutex::default(), change: Notify::new(), delivery: Notify::new(), flow }
    }

    fn state(&self) -> MutexGuard<'_, InputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.put(Piece::Data(bytes));
        }
    }

    /// Holds back later input until the sender of this is dropped.
    pub(super) fn hold_until(&self, done: oneshot::Receiver<Infallible>) {
        self.put(Piece::Hold(done));
    }

    fn put(&self, piece: Piece) {
        let mut state = self.state();
        if !state.has_ended && !state.is_closed {
            self.flow.add(piece.size());
            state.pieces.push_back(piece);
            self.change.notify_one();
        }
    }

    /// Records the end of the input.
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.change.notify_one();
    }

    fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let held: usize = state.pieces.drain(..).map(|piece| piece.size()).sum();
        self.flow.remove(held);
    }

    /// Waits until all input was passed on, and its end.
    pub(super) async fn delivered(&self) {
        loop {
            let delivered = self.delivery.notified();
            if self.state().is_delivered {
                return;
            }
            delivered.await;
        }
    }

    async fn next(&self) -> Option<Piece> {
        loop {
            let changed = self.change.notified();
            {
                let mut state = self.state();
                if let Some(piece) = state.pieces.pop_front() {
                    return Some(piece);
                }
                if state.has_ended {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Passes all input on, and then its end. Input that cannot be passed on is dropped: a process may end
    /// or close its input before it has read everything.
    pub(super) async fn feed(&self, mut to: impl AsyncWrite + Unpin) -> Infallible {
        while let Some(piece) = self.next().await {
            let size = piece.size();
            let written = match piece {
                Piece::Data(bytes) => to.write_all(&bytes).await,
                Piece::Hold(done) => {
                    // No value is ever sent.
                    let _ = done.await;
                    Ok(())
                }
            };
            self.flow.remove(size);
            if written.is_err() || to.flush().await.is_err() {
                self.close();
                break;
            }
        }
        // The receiver may already be gone.
        let _ = to.shutdown().await;
        drop(to);
        self.state().is_delivered = true;
        self.delivery.notify_one();
        std::future::pending().await
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.close();
    }
}

/// The output side of a channel, which waits for the window of the client.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) write: &'a ChannelWriteHalf<Msg>,
    /// The number of an extended data stream; `None` for the main one.
    pub(super) extended: Option<u32>,
}

impl Output<'_> {
    /// Sends all bytes of the reader. An error of the reader counts as its end; when the client is gone,
    /// this future is dropped.
    pub(super) async fn pump(self, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            if !self.send(&buffer[..count]).await {
                return;
            }
        }
    }

    /// The same for a terminal, which may stay open after its process has ended.
    pub(super) async fn pump_terminal(
        self,
        mut from: impl AsyncRead + Unpin,
        mut has_ended: watch::Receiver<bool>,
    ) {
        let mut buffer = vec![0; CHUNK];
        let mut rest = TERMINAL_REST;
        while rest > 0 {
            let read = tokio::select! {
                biased;
                read = from.read(&mut buffer) => read,
                () = silence(&mut has_ended) => return,
            };
            let Ok(count @ 1..) = read else { return };
            if *has_ended.borrow() {
                rest = rest.saturating_sub(count);
            }
            if !self.send(&buffer[..count]).await {
                return;
            }
        }
    }

    /// Waits until the bytes are sent. Returns `false` when the client is gone.
    pub(super) async fn send(self, bytes: &[u8]) -> bool {
        let bytes = Bytes::copy_from_slice(bytes);
        let sent = match self.extended {
            None => self.write.data_bytes(bytes).await,
            Some(number) => self.write.extended_data_bytes(number, bytes).await,
        };
        sent.is_ok()
    }
}

async fn silence(has_ended: &mut watch::Receiver<bool>) {
    // If the sender is gone, the process has ended.
    let _ = has_ended.wait_for(|has_ended| *has_ended).await;
    sleep(TERMINAL_SILENCE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SshLimits;

    #[tokio::test]
    async fn input_that_is_held_back_waits() {
        let input = Input::new(FlowControl::new(SshLimits::default()));
        let (done, is_done) = oneshot::channel();
        input.push(Bytes::from_static(b"before "));
        input.hold_until(is_done);
        input.push(Bytes::from_static(b"after"));
        input.end();
        let (mut out, to) = tokio::io::duplex(64);
        let mut feeding = Box::pin(input.feed(to));
        let mut read = [0; 7];
        tokio::select! {
            never = &mut feeding => match never {},
            read = out.read_exact(&mut read) => drop(read.unwrap()),
        }
        assert_eq!(&read, b"before ");
        let mut rest = String::new();
        {
            let reading = out.read_to_string(&mut rest);
            tokio::pin!(reading);
            for _ in 0..10 {
                tokio::select! {
                    biased;
                    never = &mut feeding => match never {},
                    read = &mut reading => panic!("{read:?}"),
                    () = tokio::task::yield_now() => {}
                }
            }
            drop(done);
            tokio::select! {
                never = &mut feeding => match never {},
                read = &mut reading => drop(read.unwrap()),
            }
        }
        assert_eq!(rest, "after");
    }
}

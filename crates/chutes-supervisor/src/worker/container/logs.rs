//! Forwards the output of a container from the engine to the pipes that the log is read from.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::time::Duration;

use chutes_core::LogStream;
use chutes_engine::ContainerOutput;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The writing ends of the pipes of the output. Dropping them ends the output.
pub(super) struct Pipes {
    stdout: Sender,
    stderr: Sender,
}

impl Pipes {
    /// Returns the writing ends, and the reading ends of standard output and of standard error.
    pub(super) fn new() -> io::Result<(Self, PipeReader, PipeReader)> {
        let ((out, stdout), (err, stderr)) = (io::pipe()?, io::pipe()?);
        let sender = |writer: PipeWriter| Sender::from_owned_fd(OwnedFd::from(writer));
        Ok((Self { stdout: sender(stdout)?, stderr: sender(stderr)? }, out, err))
    }

    /// Forwards everything until the stream of the engine ends. The error says why it ended early.
    async fn pass(&mut self, mut attached: ContainerOutput) -> Result<(), String> {
        while let Some(output) = attached.next().await {
            let (stream, bytes) = output.map_err(|error| error.reason())?;
            let written = match stream {
                LogStream::Stdout => self.stdout.write_all(&bytes).await,
                LogStream::Stderr => self.stderr.write_all(&bytes).await,
            };
            written.map_err(|error| format!("it cannot be passed on: {error}"))?;
        }
        Ok(())
    }
}

/// Forwards output in a task of its own, so that no half-written chunk is lost when a future of the caller is
/// dropped. Dropping the forwarder ends the task.
pub(super) struct OutputForwarder {
    task: JoinSet<(Pipes, Result<(), String>)>,
    ended: Option<(Pipes, Result<(), String>)>,
}

impl OutputForwarder {
    pub(super) fn begin(attached: ContainerOutput, mut pipes: Pipes) -> Self {
        let mut task = JoinSet::new();
        task.spawn(async move {
            let result = pipes.pass(attached).await;
            (pipes, result)
        });
        Self { task, ended: None }
    }

    /// Waits for the end of the output, which is reported once. The future may be dropped and the method called
    /// again.
    pub(super) async fn ended(&mut self) {
        if self.ended.is_some() {
            return std::future::pending().await;
        }
        match self.task.join_next().await {
            Some(Ok(ended)) => self.ended = Some(ended),
            // A task that has panicked reports no end.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// The pipes, if the output has ended.
    pub(super) fn take_pipes(&mut self) -> Option<Pipes> {
        self.ended.take().map(|(pipes, _)| pipes)
    }

    /// Waits for the end of the output, but not for longer than `time`. The error says why some of it is
    /// missing.
    pub(super) async fn finish(mut self, time: Duration) -> Result<(), String> {
        if self.ended.is_none() && timeout(time, self.ended()).await.is_err() {
            return Err("its end does not come".to_owned());
        }
        self.ended.map_or(Ok(()), |(_, result)| result)
    }
}

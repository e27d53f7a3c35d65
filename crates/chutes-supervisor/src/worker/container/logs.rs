//! What a container prints, on its way from the engine to where all output goes.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::task::JoinSet;
use tokio::time::timeout;

use chutes_engine::{Engine, words};

/// The output of a container, as the engine passes it on.
pub(super) type Attached = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// Where the output goes. It ends when this is dropped.
pub(super) struct Pipes {
    stdout: Sender,
    stderr: Sender,
}

impl Pipes {
    /// The ends to write to, and those from which standard output and standard error are read.
    pub(super) fn new() -> io::Result<(Self, PipeReader, PipeReader)> {
        let ((out, stdout), (err, stderr)) = (io::pipe()?, io::pipe()?);
        let sender = |writer: PipeWriter| Sender::from_owned_fd(OwnedFd::from(writer));
        Ok((Self { stdout: sender(stdout)?, stderr: sender(stderr)? }, out, err))
    }

    /// Passes everything on until the engine says that this is all. An error says what happened instead.
    async fn pass(&mut self, mut attached: Attached) -> Result<(), String> {
        while let Some(output) = attached.next().await {
            let output = output.map_err(|error| words(&error))?;
            let written = match output {
                LogOutput::StdErr { message } => self.stderr.write_all(&message).await,
                LogOutput::StdOut { message }
                | LogOutput::Console { message }
                | LogOutput::StdIn { message } => self.stdout.write_all(&message).await,
            };
            written.map_err(|error| format!("nobody takes it: {error}"))?;
        }
        Ok(())
    }
}

/// Output that is being passed on, by a task of its own: nothing that is half written gets lost because
/// somebody looks elsewhere. It ends when this is dropped.
pub(super) struct Passing {
    task: JoinSet<(Pipes, Result<(), String>)>,
    ended: Option<(Pipes, Result<(), String>)>,
}

impl Passing {
    pub(super) fn begin(attached: Attached, mut pipes: Pipes) -> Self {
        let mut task = JoinSet::new();
        task.spawn(async move {
            let result = pipes.pass(attached).await;
            (pipes, result)
        });
        Self { task, ended: None }
    }

    /// Waits for the end of the output, which comes once. May be dropped and called again.
    pub(super) async fn ended(&mut self) {
        if self.ended.is_some() {
            return std::future::pending().await;
        }
        match self.task.join_next().await {
            Some(Ok(ended)) => self.ended = Some(ended),
            // A task that has failed has told nothing, and will not.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// The pipes, if the output has ended.
    pub(super) fn take_pipes(&mut self) -> Option<Pipes> {
        self.ended.take().map(|(pipes, _)| pipes)
    }

    /// Waits for the end of the output, but not for longer than this. An error says why some of it is
    /// missing.
    pub(super) async fn finish(mut self, time: Duration) -> Result<(), String> {
        if self.ended.is_none() && timeout(time, self.ended()).await.is_err() {
            return Err("its end does not come".to_owned());
        }
        self.ended.map_or(Ok(()), |(_, result)| result)
    }
}

/// Listens to what a container prints from now on. Before it is started, that is everything.
pub(super) async fn attach(engine: &Engine, name: &str) -> Result<Attached, Error> {
    let options = AttachContainerOptionsBuilder::new().stdout(true).stderr(true).stream(true);
    // What we could say to it is nothing, and its end is closed at once.
    Ok(engine.docker().attach_container(name, Some(options.build())).await?.output)
}

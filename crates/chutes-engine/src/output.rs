//! The output of a container, as it comes.

use bollard::container::LogOutput;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use bytes::Bytes;
use chutes_core::LogStream;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::{Engine, EngineError};

/// The output of a container from the engine: each piece with the stream that it was written to.
pub type ContainerOutput = BoxStream<'static, Result<(LogStream, Bytes), EngineError>>;

impl Engine {
    /// Attaches to the output of a container from now on; before its start, that is all of its output.
    #[must_use = "nothing happens before it is awaited"]
    pub fn attach<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ContainerOutput, EngineError>> {
        Box::pin(async move {
            let options =
                AttachContainerOptionsBuilder::new().stdout(true).stderr(true).stream(true);
            let attached = self.docker.attach_container(name, Some(options.build())).await;
            // Standard input is not attached, so the writing end of the answer is dropped at once.
            let output = attached.map_err(|error| self.failed("read the output", &error))?.output;
            let engine = self.clone();
            Ok(output
                .map(move |piece| {
                    piece.map(piece_of).map_err(|error| engine.failed("read the output", &error))
                })
                .boxed())
        })
    }
}

fn piece_of(output: LogOutput) -> (LogStream, Bytes) {
    match output {
        LogOutput::StdErr { message } => (LogStream::Stderr, message),
        LogOutput::StdOut { message }
        | LogOutput::Console { message }
        | LogOutput::StdIn { message } => (LogStream::Stdout, message),
    }
}

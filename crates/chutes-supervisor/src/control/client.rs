//! Asks the supervisor of a run something.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use chutes_core::{Event, LogStream};

use super::protocol::{Answer, LogBytes, Message, Request, State};
use super::socket::connect;

/// Why a run cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Nothing serves its socket: it has ended, its supervisor was ended, or it has no socket.
    #[error("the run has no supervisor that could be asked")]
    NoSupervisor(#[source] io::Error),
    /// The connection broke.
    #[error("the connection to the supervisor of the run broke")]
    Broken(#[source] io::Error),
    /// The supervisor did not take the request.
    #[error("the supervisor of the run refuses: {0}")]
    Refused(String),
    /// Something else than a supervisor answers, or one of another version.
    #[error("the supervisor of the run cannot be understood: {0}")]
    Unknown(String),
}

/// A connection to the supervisor of a run.
///
/// Its calls wait for the answer, without a limit unless there is one for reading.
#[derive(Debug)]
pub struct ControlClient {
    stream: BufReader<UnixStream>,
}

impl ControlClient {
    /// Connects to the supervisor of the run in this directory.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoSupervisor`] when there is none.
    pub fn connect(directory: &Path) -> Result<Self, ControlError> {
        let stream = connect(directory).map_err(ControlError::NoSupervisor)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sets how long an answer may take. Default without a limit.
    ///
    /// # Errors
    ///
    /// When the limit is zero.
    pub fn set_timeout(&self, limit: Option<Duration>) -> Result<(), ControlError> {
        self.stream.get_ref().set_read_timeout(limit).map_err(ControlError::Broken)
    }

    /// Asks for something that has one answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or when the supervisor refuses or cannot be understood.
    pub fn ask(&mut self, request: Request) -> Result<Answer, ControlError> {
        self.send(request)?;
        match self.receive()? {
            Some(answer) => Ok(answer),
            None => Err(ControlError::Broken(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// How things stand in the run.
    ///
    /// # Errors
    ///
    /// Those of [`ask`](Self::ask).
    pub fn state(&mut self) -> Result<State, ControlError> {
        match self.ask(Request::State {})? {
            Answer::State(state) => Ok(state),
            other => Err(ControlError::Unknown(format!("{other:?}"))),
        }
    }

    /// Follows the run from the fact of this number on; 1 is the first.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoSupervisor`] when the run has ended meanwhile, or when the connection breaks.
    pub fn follow(mut self, from: u64) -> Result<Events, ControlError> {
        self.send(Request::Follow { from })?;
        Ok(Events { client: self, is_over: false })
    }

    /// Reads what the job prints to a stream, beginning with the byte at this offset.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoSupervisor`] when the run has ended meanwhile, or when the connection breaks.
    pub fn logs(mut self, stream: LogStream, from: u64) -> Result<Output, ControlError> {
        self.send(Request::Logs { stream, from })?;
        Ok(Output { client: self, is_over: false })
    }

    fn send(&mut self, request: Request) -> Result<(), ControlError> {
        let line = Message::new(request).to_line();
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|error| match error.kind() {
            // It ended after it had let this client in, and before it could be asked.
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                ControlError::NoSupervisor(error)
            }
            _ => ControlError::Broken(error),
        })
    }

    /// The next answer; `None` when the connection was closed.
    fn receive(&mut self) -> Result<Option<Answer>, ControlError> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(_) if line.last() == Some(&b'\n') => {}
            // A supervisor that is killed with a request unread resets the connection.
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                return Err(ControlError::Broken(error));
            }
            Ok(_) | Err(_) => return Ok(None),
        }
        match Message::<Answer>::from_line(&line).map_err(ControlError::Unknown)? {
            Answer::Refused { reason } => Err(ControlError::Refused(reason)),
            answer => Ok(Some(answer)),
        }
    }
}

/// The events of a run that is followed: up to its outcome, or to the end of its supervisor.
#[derive(Debug)]
pub struct Events {
    client: ControlClient,
    is_over: bool,
}

impl Events {
    /// The connection, to be shut down from another thread.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor left.
    pub fn connection(&self) -> io::Result<UnixStream> {
        self.client.stream.get_ref().try_clone()
    }
}

impl Iterator for Events {
    type Item = Result<Event, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let item = match self.client.receive() {
            Ok(Some(Answer::Event(event))) => return Some(Ok(*event)),
            Ok(Some(other)) => Some(Err(ControlError::Unknown(format!("{other:?}")))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        self.is_over = true;
        item
    }
}

/// What the job of a run prints to a stream, to its end. When the supervisor ends before, the last item is an error: the
/// rest is in the files of the run.
#[derive(Debug)]
pub struct Output {
    client: ControlClient,
    is_over: bool,
}

impl Iterator for Output {
    type Item = Result<LogBytes, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let item = match self.client.receive() {
            Ok(Some(Answer::Log(bytes))) => return Some(Ok(bytes)),
            Ok(Some(Answer::Done {})) => None,
            Ok(Some(other)) => Some(Err(ControlError::Unknown(format!("{other:?}")))),
            Ok(None) => Some(Err(ControlError::Broken(io::ErrorKind::UnexpectedEof.into()))),
            Err(error) => Some(Err(error)),
        };
        self.is_over = true;
        item
    }
}

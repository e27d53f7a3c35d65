//! `attach`: a run in progress, as if it had been started here.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use chutes_core::{Event, ExitCode, LogStream, Outcome, RunEvent};
use chutes_supervisor::Urgency;
use chutes_supervisor::control::{ControlClient, ControlError, Events};
use chutes_supervisor::inspect::view;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::cancel::cancel;
use super::{RunArgument, interrupted, unreadable};
use crate::problem::Problem;
use crate::program::CommandResult;
use crate::session::finish;
use crate::terminal::{Console, Stream};

/// How many events wait for a slow terminal here. More wait in the supervisor, which does not wait.
const WAITING: usize = 256;

/// The arguments of `attach`.
#[derive(Debug, Args)]
pub struct AttachArguments {
    #[command(flatten)]
    run: RunArgument,
    /// Print the outcome as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What comes to the one that shows the run.
enum Message {
    Event(Box<Event>),
    /// Ctrl-C was pressed.
    Interrupt,
    /// The connection has ended, perhaps with an error.
    End(Option<ControlError>),
}

/// Shows a run until its outcome, whose exit code this returns. Its end, and the loss of its supervisor, are reported as
/// they are by the command that started it.
pub(super) fn attach(arguments: &AttachArguments) -> CommandResult {
    let directory = arguments.run.directory()?;
    let followed = ControlClient::connect(&directory).and_then(|client| client.follow(1));
    let events = match followed {
        Ok(events) => events,
        Err(ControlError::NoSupervisor(_)) => {
            return without_supervisor(&directory, arguments.json);
        }
        Err(error) => return Err(Problem::platform(&error)),
    };
    let platform = |error: io::Error| Problem::platform(&error);
    let console = Arc::new(Console::open().map_err(platform)?);
    console.print(&format!("attached to the run in {}\n", directory.display()));
    let (sender, messages) = sync_channel(WAITING);
    read_events(events, sender.clone()).map_err(platform)?;
    // Without a terminal there is nobody to ask: then a signal ends this process, and the run goes on.
    if io::stdin().is_terminal() && console.is_terminal() {
        watch_interrupts(sender).map_err(platform)?;
    }
    // With `--json` nothing but the outcome may come to standard output.
    let stream = if arguments.json { Stream::Stderr } else { Stream::Stdout };
    let shown = show(&console, stream, &messages, &directory);
    console.close();
    match shown? {
        Shown::Outcome(outcome) => {
            finish(&console, &outcome, arguments.json)?;
            Ok(outcome.exit_code())
        }
        Shown::Lost => without_supervisor(&directory, arguments.json),
        Shown::Left => {
            console.print("left: the run goes on\n");
            Ok(ExitCode::COMPLETED)
        }
    }
}

/// Reports a run that has no supervisor any more, as far as it has an outcome.
fn without_supervisor(directory: &Path, json: bool) -> CommandResult {
    let run = view(directory).map_err(|error| unreadable(&error))?;
    let Some(outcome) = run.outcome else { return Err(interrupted(directory)) };
    let console = Console::open().map_err(|error| Problem::platform(&error))?;
    console.close();
    finish(&console, &outcome, json)?;
    Ok(outcome.exit_code())
}

/// Why the run is not shown any more.
enum Shown {
    Outcome(Box<Outcome>),
    /// Its supervisor is gone without an outcome.
    Lost,
    /// The user has left it.
    Left,
}

fn read_events(events: Events, to: SyncSender<Message>) -> io::Result<()> {
    let read = move || {
        for event in events {
            let (message, is_last) = match event {
                Ok(event) => {
                    let is_last = matches!(event.what, RunEvent::Outcome { .. });
                    (Message::Event(Box::new(event)), is_last)
                }
                Err(error) => (Message::End(Some(error)), true),
            };
            if to.send(message).is_err() || is_last {
                return;
            }
        }
        // The one that shows the run may have ended.
        let _ = to.send(Message::End(None));
    };
    thread::Builder::new().name("events".into()).spawn(read).map(drop)
}

/// From here on Ctrl-C is a message.
fn watch_interrupts(to: SyncSender<Message>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut interrupts = {
        let _within = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    let watch = move || {
        while runtime.block_on(interrupts.recv()).is_some() && to.send(Message::Interrupt).is_ok() {
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}

/// Shows the run until its end, or until the user leaves it.
fn show(
    console: &Arc<Console>,
    stdout: Stream,
    messages: &Receiver<Message>,
    directory: &Path,
) -> Result<Shown, Problem> {
    let platform = |error: io::Error| Problem::platform(&error);
    let mut stdout = console.output(stdout).map_err(platform)?;
    let mut stderr = console.output(Stream::Stderr).map_err(platform)?;
    while let Ok(message) = messages.recv() {
        match message {
            Message::Event(event) => match event.what {
                RunEvent::Log { stream: LogStream::Stdout, line } => {
                    stdout(format!("{line}\n").as_bytes());
                }
                RunEvent::Log { stream: LogStream::Stderr, line } => {
                    stderr(format!("{line}\n").as_bytes());
                }
                RunEvent::Outcome { outcome } => return Ok(Shown::Outcome(outcome)),
                _ => console.show(&event),
            },
            Message::Interrupt => match console.suspended(choose) {
                Choice::Stay => {}
                Choice::Leave => return Ok(Shown::Left),
                Choice::Cancel => cancel(directory, Urgency::Graceful)?,
            },
            Message::End(Some(error)) => return Err(Problem::platform(&error)),
            Message::End(None) => break,
        }
    }
    Ok(Shown::Lost)
}

/// What to do when Ctrl-C was pressed.
enum Choice {
    Stay,
    Leave,
    Cancel,
}

/// Asks the user. Whatever is no answer leaves the run as it is.
fn choose() -> Choice {
    let question = "cancel the run? [y]es, [n]o, [d]etach: leave it and let it go on ";
    // Without an answer nothing happens.
    let _ = io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        // The terminal is gone.
        Ok(0) | Err(_) => Choice::Leave,
        Ok(_) => match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Choice::Cancel,
            "d" | "detach" => Choice::Leave,
            _ => Choice::Stay,
        },
    }
}

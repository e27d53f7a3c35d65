//! The display of a run in progress: a progress bar on a terminal, plain lines elsewhere.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chutes_core::{
    Escaped, Event, HumanDuration, HumanSize, PortAddress, Progress, RunEvent, SshEndpoint,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::paint::{Paint, is_fancy};

/// The minimum time between two lines of progress, where there is no bar.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// The line of a run that has not reported how far it is: a bar at 0 % would say that it has not begun.
const WITHOUT_PROGRESS: &str = "{spinner} {prefix:7} [{elapsed_precise}] {wide_msg}";

/// The line of a run that has.
const WITH_PROGRESS: &str =
    "{spinner} {prefix:7} [{elapsed_precise}] {bar:30} {percent:>3}% {wide_msg}";

/// The same for a terminal of less than [`NARROW`] columns, so that the bar takes one line.
const WITH_PROGRESS_NARROW: &str = "{spinner} {prefix:7} {bar:10} {percent:>3}% {wide_msg}";

const NARROW: u16 = 60;

/// The resolution of the bar.
const BAR_LENGTH: u32 = 1_000;

/// One of the standard streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// A duplicate of the stream's descriptor.
    fn duplicate(self) -> io::Result<File> {
        let copy = match self {
            Self::Stdout => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3),
            Self::Stderr => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3),
        };
        Ok(File::from(copy?))
    }
}

/// Shows messages for the user on standard error.
pub(crate) struct Console {
    stderr: File,
    bar: Option<ProgressBar>,
    paint: Paint,
    /// Whether the bar has a length: the job has reported how far it is.
    shows_progress: AtomicBool,
    last_progress: Mutex<Option<(Instant, Progress)>>,
    /// Whether nothing is printed any more.
    is_silent: AtomicBool,
}

impl Console {
    /// Opens standard error, with a bar if it is a terminal.
    pub(crate) fn open() -> io::Result<Self> {
        let stderr = Stream::Stderr.duplicate()?;
        let fancy = is_fancy(&stderr);
        let bar = if fancy { Some(bar(&stderr)?) } else { None };
        let last_progress = Mutex::new(None);
        let shows_progress = AtomicBool::new(false);
        let (paint, is_silent) = (Paint::when(fancy), AtomicBool::new(false));
        Ok(Self { stderr, bar, paint, shows_progress, last_progress, is_silent })
    }

    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Whether standard error is a terminal, which gets tables rather than lines.
    pub(crate) fn is_terminal(&self) -> bool {
        self.bar.is_some()
    }

    /// The width of the terminal in columns.
    pub(crate) fn width(&self) -> Option<u16> {
        self.bar
            .as_ref()
            .and_then(|_| console::Term::stderr().size_checked())
            .map(|(_, width)| width)
    }

    /// Prints whole lines, above the bar if there is one.
    pub(crate) fn print(&self, text: &str) {
        if self.is_silent.load(Ordering::Relaxed) {
            return;
        }
        let write = || {
            // An error of standard error cannot be reported anywhere.
            let _ = (&self.stderr).write_all(text.as_bytes());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Does something with the terminal while the bar is not there.
    pub(crate) fn suspended<T>(&self, action: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(action),
            None => action(),
        }
    }

    /// The function that shows output of the job on `stream`, above the bar if there is one.
    pub(crate) fn output(
        self: &Arc<Self>,
        stream: Stream,
    ) -> io::Result<impl FnMut(&[u8]) + Send + 'static> {
        let console = Arc::clone(self);
        let mut target = stream.duplicate()?;
        let mut lines = Lines::default();
        // Standard output may carry data, which must stay unchanged.
        let closes_lines = self.bar.is_some() || matches!(stream, Stream::Stderr);
        Ok(move |bytes: &[u8]| {
            let complete = match &console.bar {
                Some(_) => lines.push(bytes),
                None => lines.pass(bytes, closes_lines),
            };
            let mut write = || {
                // A closed pipe must not stop the job.
                let _ = target.write_all(&complete);
            };
            match &console.bar {
                Some(bar) if !complete.is_empty() => bar.suspend(write),
                _ => write(),
            }
        })
    }

    /// Prints nothing from now on: there is no reader any more.
    pub(crate) fn silence(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }

    /// Removes the bar. Later output is plain.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Shows the progress of a large transfer.
    fn transfer(&self, what: &str, bytes: u64, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        let total = total.map(|total| format!(" of {}", HumanSize(total))).unwrap_or_default();
        bar.set_message(format!("{}: {}{total}", Escaped(what), HumanSize(bytes)));
    }

    fn progress(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            if !self.shows_progress.swap(true, Ordering::Relaxed) {
                let is_narrow = self.width().is_some_and(|width| width < NARROW);
                bar.set_style(style(if is_narrow { WITH_PROGRESS_NARROW } else { WITH_PROGRESS }));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 1000"
            )]
            bar.set_position((progress.fraction * f64::from(BAR_LENGTH)) as u64);
            // The bar is one line.
            bar.set_message(Escaped(&progress.message).to_string());
            return;
        }
        let mut last = self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, done) = (Instant::now(), progress.fraction >= 1.0);
        let due = match &*last {
            None => true,
            Some((_, shown)) if shown == progress => false,
            Some((when, _)) => done || now.duration_since(*when) >= PROGRESS_INTERVAL,
        };
        if due {
            let percent = progress.fraction * 100.0;
            self.print(&format!("progress: {percent:.0}% {}\n", progress.message));
            *last = Some((now, progress.clone()));
        }
    }
}

impl Console {
    /// Shows an event.
    pub(crate) fn show(&self, event: &Event) {
        match &event.what {
            RunEvent::Progress(progress) => self.progress(progress),
            RunEvent::Phase { phase, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_prefix(phase.as_str());
                }
            }
            RunEvent::Pull { image, bytes, total } => self.transfer(image, *bytes, *total),
            RunEvent::Volume { place, bytes, done: true, cached, .. } => {
                let from = if *cached { ", from the cache" } else { "" };
                let place = Escaped(place);
                self.print(&format!("fetched {place}: {}{from}\n", HumanSize(*bytes)));
            }
            RunEvent::Volume { place, bytes, total, .. } => self.transfer(place, *bytes, *total),
            RunEvent::Port(port) => self.print(&port_line(port)),
            RunEvent::PortReady { name, address } => {
                self.print(&format!("port `{name}` is ready at {address}\n"));
            }
            RunEvent::Ssh(ssh) => self.print(&ssh_lines(ssh)),
            RunEvent::SshClosed { reason } => {
                self.print(&format!("ssh: the port stays closed: {reason}\n"));
            }
            RunEvent::SshLogin { peer, user, key } => {
                let (user, key) = (Escaped(user), Escaped(key));
                self.print(&format!("ssh: `{user}` logged in from {peer} with {key}\n"));
            }
            RunEvent::SshRefused { peer, reason } => {
                self.print(&format!("ssh: {peer} was refused: {}\n", Escaped(reason)));
            }
            RunEvent::SshLogout { peer } => self.print(&format!("ssh: {peer} is gone\n")),
            RunEvent::Streaming(streaming) => {
                let (host, port) = (&streaming.host, streaming.port);
                self.print(&format!("streaming: ready at https://{}:{port}\n", bracketed(host)));
            }
            RunEvent::Stopping { reason, grace } => {
                let grace = HumanDuration(*grace);
                // Ctrl-C is a key of a terminal.
                let again = if self.is_terminal() { " (Ctrl-C ends it at once)" } else { "" };
                self.print(&format!("stopping: {reason}; the job has {grace} to end{again}\n"));
            }
            RunEvent::Warning { message } => {
                self.print(&format!("{} {message}\n", self.paint.warning("warning:")));
            }
            // A status is not shown: the phases and the outcome contain more than its name.
            _ => {}
        }
    }
}

fn port_line(at: &PortAddress) -> String {
    let (name, protocol, address) = (at.port.name(), at.port.protocol(), at.address);
    let declared = at.port.number().get();
    let declared = if declared == address.port() {
        String::new()
    } else {
        format!(" (declared as {declared})")
    };
    format!("port `{name}`: {protocol} {address}{declared}\n")
}

fn ssh_lines(ssh: &SshEndpoint) -> String {
    format!(
        "ssh: {}\nssh: its host key is {}, for `known_hosts`:\n{}\n",
        ssh.command, ssh.fingerprint, ssh.known_hosts
    )
}

/// A host in the notation of URLs: IPv6 addresses in brackets.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Buffers output for the terminal up to the end of a line, because the bar would otherwise be drawn into an
/// incomplete line.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
    unfinished: bool,
}

/// A line that is longer than this is shown before its end, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

impl Lines {
    /// Takes output and returns the part that can be shown. An empty slice is the end of the output.
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let is_end = bytes.is_empty() && !self.pending.is_empty();
        if is_end || self.pending.len() > LONGEST_LINE {
            self.pending.push(b'\n');
        }
        let end = self.pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.pending.drain(..end).collect()
    }

    /// Returns output unchanged; at its end, with `close`, a line feed for an incomplete last line.
    fn pass(&mut self, bytes: &[u8], close: bool) -> Vec<u8> {
        match bytes.last() {
            Some(last) => {
                self.unfinished = *last != b'\n';
                bytes.to_vec()
            }
            None if self.unfinished && close => vec![b'\n'],
            None => Vec::new(),
        }
    }
}

fn bar(stderr: &File) -> io::Result<ProgressBar> {
    let term = console::Term::read_write_pair(File::open("/dev/null")?, stderr.try_clone()?);
    let target = ProgressDrawTarget::term(term, 10);
    let bar = ProgressBar::with_draw_target(Some(BAR_LENGTH.into()), target);
    bar.set_style(style(WITHOUT_PROGRESS));
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str], expected: &[&str]) {
        let mut lines = Lines::default();
        let shown: Vec<_> = pieces
            .iter()
            .chain([&""])
            .map(|piece| String::from_utf8(lines.push(piece.as_bytes())).unwrap())
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn lines_stay_whole() {
        check(&["a\n", "b\nc", "d\n"], &["a\n", "b\n", "cd\n", ""]);
        check(&["unfinished"], &["", "unfinished\n"]);
        check(&[], &[""]);
    }

    #[test]
    fn a_line_without_end_is_shown() {
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'.'; LONGEST_LINE]).is_empty());
        assert_eq!(lines.push(b".").len(), LONGEST_LINE + 2);
        assert!(lines.pending.is_empty());
    }
}

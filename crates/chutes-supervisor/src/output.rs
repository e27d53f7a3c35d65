//! The output of a worker process: kept in `logs/`, emitted as events, shown live.
//!
//! Each stream has a thread of its own that does nothing but read, so the job waits for nothing but a slow disk
//! or a slow terminal.

use std::fmt;
use std::io::{self, PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use chutes_core::{EventReporter, LogStream, RunEvent};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::logs::lines::Lines;
use crate::logs::{LogWriter, Logs};
use crate::worker::OutputSettings;

/// Receives the output in chunks as they were printed, and an empty chunk at the end.
pub type Show = Box<dyn FnMut(&[u8]) + Send>;

/// How long the end of the output may take to reach the log and a slow terminal.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The size of a read, in bytes.
const CHUNK: usize = 64 * 1024;

/// The output of one worker.
pub struct Output {
    stdout: Pump,
    stderr: Pump,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

impl Output {
    /// Keeps both streams below `logs` until they end.
    pub fn start(
        pipes: (PipeReader, PipeReader),
        spawn: OutputSettings,
        logs: &Logs,
        events: &EventReporter,
    ) -> io::Result<Self> {
        let log = |stream| LogWriter::create(logs, stream, spawn.log_cap);
        let flow = |stream, show| Ok::<_, io::Error>(Flow::new(log(stream)?, stream, show, events));
        let stdout = Pump::start(pipes.0, flow(LogStream::Stdout, spawn.stdout)?)?;
        let stderr = Pump::start(pipes.1, flow(LogStream::Stderr, spawn.stderr)?)?;
        Ok(Self { stdout, stderr })
    }

    /// Waits until both streams have ended, but not for longer than `time`.
    pub async fn drained(&mut self, time: Duration) {
        let both = async {
            for pump in [&mut self.stdout, &mut self.stderr] {
                // A thread that has ended reads no more output.
                let _ = pump.ended.wait_for(|end| *end).await;
            }
        };
        // A process that cannot be killed may hold a pipe open for ever.
        let _ = timeout(time, both).await;
    }

    /// The end of standard error.
    pub fn stderr_tail(&self) -> String {
        self.stderr.kept.lock().unwrap_or_else(PoisonError::into_inner).lines.tail()
    }

    /// Waits for the end of the output. Returns warnings about bytes that are missing in the logs.
    pub async fn finish(&mut self) -> Vec<String> {
        self.drained(DRAIN_TIME).await;
        [&self.stdout, &self.stderr].into_iter().filter_map(Pump::warning).collect()
    }
}

/// One stream and the thread that reads it.
struct Pump {
    stream: LogStream,
    ended: watch::Receiver<bool>,
    kept: Arc<Mutex<Kept>>,
}

/// The part of a stream's state that other threads read.
#[derive(Default)]
struct Kept {
    lines: Lines,
    dropped: u64,
}

impl Pump {
    fn start(pipe: PipeReader, flow: Flow) -> io::Result<Self> {
        let (stream, kept) = (flow.stream, Arc::clone(&flow.kept));
        let (end, ended) = watch::channel(false);
        thread::Builder::new().name(stream.file_name().into()).spawn(move || {
            flow.run(pipe);
            end.send_replace(true);
        })?;
        Ok(Self { stream, ended, kept })
    }

    fn warning(&self) -> Option<String> {
        let dropped = self.kept.lock().unwrap_or_else(PoisonError::into_inner).dropped;
        let name = self.stream.file_name();
        (dropped > 0).then(|| format!("{dropped} bytes of output are not in `{name}`"))
    }
}

/// The work of the thread of one stream.
struct Flow {
    stream: LogStream,
    log: LogWriter,
    show: Show,
    events: EventReporter,
    kept: Arc<Mutex<Kept>>,
}

impl Flow {
    fn new(log: LogWriter, stream: LogStream, show: Show, events: &EventReporter) -> Self {
        Self { stream, log, show, events: events.clone(), kept: Arc::default() }
    }

    fn run(mut self, mut pipe: impl Read) {
        let mut chunk = vec![0; CHUNK];
        loop {
            match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => {
                    let bytes = &chunk[..count];
                    self.log.write(bytes);
                    self.keep(|lines, emit| lines.push(bytes, emit));
                    (self.show)(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        (self.show)(&[]);
        self.keep(|lines, emit| lines.finish(emit));
        let dropped = self.log.finish();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).dropped = dropped;
    }

    /// Emits the lines that are complete now, and updates the count of bytes that the log lacks.
    fn keep(&self, update: impl FnOnce(&mut Lines, &mut dyn FnMut(String))) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        update(&mut kept.lines, &mut |line| {
            self.events.emit(RunEvent::Log { stream: self.stream, line });
        });
        kept.dropped = self.log.dropped();
    }
}

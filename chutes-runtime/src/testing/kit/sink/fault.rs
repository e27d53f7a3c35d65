//! The faults of the sink of a test.

use std::collections::HashMap;
use std::time::Duration;

use super::{TestSink, at_sink};

/// The fault of one attempt.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The attempt fails with a transient error.
    Fails(String),
    /// The attempt fails with a permanent error.
    Refuses(String),
    /// The attempt takes this long, and succeeds.
    Slow(Duration),
    /// The attempt is never answered.
    Stalls,
}

/// The faults of all attempts.
#[derive(Debug, Default)]
pub(super) struct Faults {
    everywhere: Option<Rule>,
    of_file: HashMap<String, Rule>,
}

/// A fault, and how many attempts at each file it affects; `None` is all.
#[derive(Debug)]
struct Rule {
    fault: Fault,
    times: Option<usize>,
}

impl Faults {
    /// The fault of this attempt, counted from 1, at this file.
    pub(super) fn of(&self, path: &str, attempt: usize) -> Option<Fault> {
        let rule = self.of_file.get(path).or(self.everywhere.as_ref())?;
        let happens = rule.times.is_none_or(|times| attempt <= times);
        happens.then(|| rule.fault.clone())
    }
}

impl TestSink {
    fn everywhere(self, fault: Fault, times: Option<usize>) -> Self {
        self.lock().faults.everywhere = Some(Rule { fault, times });
        self
    }

    fn of_file(self, path: &str, fault: Fault, times: Option<usize>) -> Self {
        self.lock().faults.of_file.insert(at_sink(path), Rule { fault, times });
        self
    }

    /// A sink that fails for every file with a transient error, such as `503 Service Unavailable`. Each file is
    /// retried until its attempts or the time are used up.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn sink_fails(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("model.bin"), "model")?)
    /// }
    ///
    /// let sink = TestSink::failing("503 Service Unavailable");
    /// let finished = TestRun::of("sink_fails").sink(&sink).run();
    /// assert_eq!(finished.exit_code().get(), 3);
    /// assert!(!sink.has("model.bin") && sink.attempts("model.bin") > 1);
    /// ```
    #[must_use]
    pub fn failing(message: impl Into<String>) -> Self {
        Self::new().everywhere(Fault::Fails(message.into()), None)
    }

    /// A sink that refuses every file with a permanent error, such as `403 Forbidden`.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn sink_refuses(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("model.bin"), "model")?)
    /// }
    ///
    /// let sink = TestSink::refusing("403 Forbidden");
    /// let finished = TestRun::of("sink_refuses").sink(&sink).run();
    /// assert_eq!(finished.exit_code().get(), 3);
    /// assert_eq!(sink.attempts("model.bin"), 1);
    /// ```
    #[must_use]
    pub fn refusing(message: impl Into<String>) -> Self {
        Self::new().everywhere(Fault::Refuses(message.into()), None)
    }

    /// A sink that takes this long for each file, with regular signs of activity.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use std::time::Duration;
    /// use chutes::outcome::Phase;
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn sink_is_slow(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("model.bin"), "model")?)
    /// }
    ///
    /// const HOUR: Duration = Duration::from_secs(3_600);
    /// let finished = TestRun::of("sink_is_slow").sink(&TestSink::slow(HOUR)).run();
    /// assert_eq!(finished.assert_completed().elapsed(Phase::Upload), Some(HOUR));
    /// ```
    #[must_use]
    pub fn slow(each: Duration) -> Self {
        Self::new().everywhere(Fault::Slow(each), None)
    }

    /// A sink that accepts no byte and never answers. Each attempt is abandoned when it has stalled for too long, and
    /// repeated.
    #[must_use]
    pub fn stalling() -> Self {
        Self::new().everywhere(Fault::Stalls, None)
    }

    /// Lets the first attempts at each file fail with a transient error; later attempts succeed.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn sink_recovers(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("model.bin"), "model")?)
    /// }
    ///
    /// let sink = TestSink::new().failing_times(2, "503 Service Unavailable");
    /// TestRun::of("sink_recovers").sink(&sink).run().assert_completed();
    /// assert_eq!((sink.has("model.bin"), sink.attempts("model.bin")), (true, 3));
    /// ```
    #[must_use]
    pub fn failing_times(self, times: usize, message: impl Into<String>) -> Self {
        self.everywhere(Fault::Fails(message.into()), Some(times))
    }

    /// As [`failing`](Self::failing), for one file. A fault of one file takes precedence over a fault of all files.
    #[must_use]
    pub fn failing_for(self, path: &str, message: impl Into<String>) -> Self {
        self.of_file(path, Fault::Fails(message.into()), None)
    }

    /// As [`failing_times`](Self::failing_times), for one file.
    #[must_use]
    pub fn failing_times_for(self, path: &str, times: usize, message: impl Into<String>) -> Self {
        self.of_file(path, Fault::Fails(message.into()), Some(times))
    }

    /// As [`refusing`](Self::refusing), for one file.
    #[must_use]
    pub fn refusing_for(self, path: &str, message: impl Into<String>) -> Self {
        self.of_file(path, Fault::Refuses(message.into()), None)
    }

    /// As [`slow`](Self::slow), for one file.
    #[must_use]
    pub fn slow_for(self, path: &str, time: Duration) -> Self {
        self.of_file(path, Fault::Slow(time), None)
    }

    /// As [`stalling`](Self::stalling), for one file.
    #[must_use]
    pub fn stalling_for(self, path: &str) -> Self {
        self.of_file(path, Fault::Stalls, None)
    }
}

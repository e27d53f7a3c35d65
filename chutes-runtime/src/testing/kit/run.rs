//! The builder of a whole run in a test.

use std::net::IpAddr;
use std::time::Duration;

use chutes_core::{Json, Limits, OutputPath};
use serde::Serialize;
use tokio::runtime::Handle;

use super::cancel::CancelPlan;
use super::execution::{self, Problem};
use super::finished::FinishedRun;
use super::sink::TestSink;
use crate::field_path::at;
use crate::registry::{Job, Registry};
use crate::result::{ResultError, to_json};

/// Builds a run of a job within a test, on a virtual clock, and executes it with [`run`](Self::run).
///
/// An error of the test itself, such as a job that does not exist, is a panic at the line of the test. A failure of
/// the run is in its outcome.
///
/// ```
/// use chutes::testing::TestRun;
/// use chutes::{EndStatus, JobContext, JobError};
///
/// #[chutes::job(timeout = "1h")]
/// async fn kit_waits_for_ever(ctx: JobContext) -> Result<(), JobError> {
///     std::fs::write(ctx.output_dir().join("note.txt"), "still here")?;
///     std::future::pending().await
/// }
///
/// let finished = TestRun::of("kit_waits_for_ever").run();
/// assert_eq!(finished.status(), EndStatus::TimedOut);
/// assert_eq!(finished.outputs(), ["note.txt"]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens until `run` is called"]
pub struct TestRun {
    pub(super) job: Job,
    pub(super) data: Json,
    pub(super) inputs: Vec<(OutputPath, Vec<u8>)>,
    pub(super) limits: Limits,
    pub(super) cancel: CancelPlan,
    pub(super) sinks: Vec<TestSink>,
    pub(super) live: bool,
    pub(super) host: Option<IpAddr>,
    pub(super) real_time: bool,
    pub(super) keep: bool,
}

impl TestRun {
    /// A run of the job of this name, with the defaults of [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// When there is no such job in the test program, or its jobs are not valid. A job of a library is
    /// present only if the test uses an item of that library.
    ///
    /// ```should_panic
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_compiles(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(())
    /// }
    ///
    /// // There is no job `kit_complies`; did you mean `kit_compiles`?
    /// let _ = TestRun::of("kit_complies");
    /// ```
    #[track_caller]
    pub fn of(name: &str) -> Self {
        let registry = match Registry::collect() {
            Ok(registry) => registry,
            Err(error) => panic!("{}", execution::chain(&error)),
        };
        match registry.get(name) {
            Ok(job) => Self::new(job),
            Err(unknown) => match unknown.suggestion.as_deref() {
                Some(suggestion) => panic!("{unknown}; did you mean `{suggestion}`?"),
                None => panic!("{unknown}; {}", known(&registry)),
            },
        }
    }

    /// A run of this job without data, inputs and sinks, with the declared time limit of the job and otherwise the
    /// default limits.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use chutes::Registry;
    ///
    /// #[chutes::job]
    /// async fn kit_is_found(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(())
    /// }
    ///
    /// let registry = Registry::collect()?;
    /// TestRun::new(registry.get("kit_is_found")?).run().assert_completed();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(job: &Job) -> Self {
        Self {
            job: job.clone(),
            data: Json::empty_object(),
            inputs: Vec::new(),
            limits: Limits::for_timeout(job.timeout()),
            cancel: CancelPlan::default(),
            sinks: Vec::new(),
            live: false,
            host: None,
            real_time: false,
            keep: false,
        }
    }

    /// Sets the data, any value that can be written as JSON. Default `{}`. Data that does not fit the job leads to a
    /// rejected run.
    ///
    /// # Panics
    ///
    /// When the data cannot be written as JSON: a map has keys that are not text, or a number is not finite.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use chutes::EndStatus;
    ///
    /// #[chutes::job]
    /// async fn kit_doubles(_ctx: JobContext, number: u32) -> Result<u32, JobError> {
    ///     Ok(2 * number)
    /// }
    ///
    /// assert_eq!(TestRun::of("kit_doubles").data(21).run().result::<u32>(), 42);
    /// let refused = TestRun::of("kit_doubles").data("many").run();
    /// assert_eq!(refused.status(), EndStatus::Rejected);
    /// ```
    #[track_caller]
    pub fn data(mut self, data: impl Serialize) -> Self {
        self.data = match to_json(&data) {
            Ok(data) => data,
            Err(ResultError::NotFinite { path, value }) => {
                panic!("the data hold {value}{}, which JSON cannot hold", at(&path))
            }
            Err(ResultError::Unwritable { path, source }) => {
                panic!("the data{} cannot be written as JSON: {source}", at(&path))
            }
        };
        self
    }

    /// Adds a file to the inputs: its path below [`JobContext::input_dir`](crate::JobContext::input_dir),
    /// and its content.
    ///
    /// # Panics
    ///
    /// When the path is absolute, or has empty parts, `.` or `..`.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_reads(ctx: JobContext) -> Result<String, JobError> {
    ///     Ok(std::fs::read_to_string(ctx.input_dir().join("names/first.txt"))?)
    /// }
    ///
    /// let finished = TestRun::of("kit_reads").input("names/first.txt", "Ada").run();
    /// assert_eq!(finished.result::<String>(), "Ada");
    /// ```
    #[track_caller]
    pub fn input(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        match OutputPath::new(path) {
            Ok(path) if !path.is_root() => self.inputs.push((path, content.into())),
            Ok(_) => panic!("`{path}` is not the path of an input file"),
            Err(error) => panic!("not the path of an input file: {error}"),
        }
        self
    }

    /// Sets the time limit of the job. Default: the declared limit, which is also the maximum.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use std::time::Duration;
    ///
    /// #[chutes::job]
    /// async fn kit_sees_its_limit(ctx: JobContext) -> Result<Option<u64>, JobError> {
    ///     Ok(ctx.remaining().map(|left| left.as_secs()))
    /// }
    ///
    /// let finished = TestRun::of("kit_sees_its_limit").time_limit(Duration::from_secs(90)).run();
    /// assert_eq!(finished.result::<Option<u64>>(), Some(90));
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limits.execute = Some(limit);
        self
    }

    /// Sets how long the job may continue after it was asked to stop. Default 30 seconds.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use std::time::Duration;
    /// use chutes::outcome::Phase;
    ///
    /// #[chutes::job(timeout = "1m")]
    /// async fn kit_does_not_listen(_ctx: JobContext) -> Result<(), JobError> {
    ///     std::future::pending().await
    /// }
    ///
    /// let finished = TestRun::of("kit_does_not_listen").grace(Duration::from_secs(5)).run();
    /// assert_eq!(finished.elapsed(Phase::Execute), Some(Duration::from_secs(60 + 5)));
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limits.grace = grace;
        self
    }

    /// Sets all limits.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use std::time::Duration;
    /// use chutes::outcome::Phase;
    /// use chutes::spec::Limits;
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn kit_writes_a_note(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("note.txt"), "hello")?)
    /// }
    ///
    /// let limits = Limits { upload: Duration::from_secs(20), ..Limits::default() };
    /// let stalls = TestSink::stalling();
    /// let finished = TestRun::of("kit_writes_a_note").limits(limits).sink(&stalls).run();
    /// assert_eq!(finished.elapsed(Phase::Upload), Some(Duration::from_secs(20)));
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a sink that the files are delivered to.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn kit_delivers(ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(std::fs::write(ctx.output_dir().join("model.bin"), [1, 2, 3])?)
    /// }
    ///
    /// let (first, second) = (TestSink::new(), TestSink::new());
    /// TestRun::of("kit_delivers").sink(&first).sink(&second).run().assert_completed();
    /// assert!(first.has("outputs/model.bin") && second.has("outputs/model.bin"));
    /// ```
    pub fn sink(mut self, sink: &TestSink) -> Self {
        self.sinks.push(sink.clone());
        self
    }

    /// Delivers files while the job runs, as soon as they are unchanged for a while. See
    /// [`Run::live_delivery`](crate::Run::live_delivery).
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// use std::time::Duration;
    /// use chutes::event::{RunEvent, Status};
    /// use chutes::testing::{TestRun, TestSink};
    ///
    /// #[chutes::job]
    /// async fn kit_goes_on(ctx: JobContext) -> Result<(), JobError> {
    ///     std::fs::write(ctx.output_dir().join("checkpoint.bin"), [1])?;
    ///     Ok(tokio::time::sleep(Duration::from_secs(3_600)).await)
    /// }
    ///
    /// let finished = TestRun::of("kit_goes_on").sink(&TestSink::new()).live_delivery().run();
    /// let ends = RunEvent::Status { status: Status::ExecutionDone };
    /// let before = finished.events().iter().take_while(|event| event.what != ends);
    /// assert_eq!(before.filter(|event| matches!(event.what, RunEvent::File { .. })).count(), 1);
    /// ```
    pub fn live_delivery(mut self) -> Self {
        self.live = true;
        self
    }

    /// Sets the address on which the job opens its ports. By default each run has a loopback address of
    /// its own, so that tests that run at the same time can use the same port.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job(ports = [http("web", 8080)])]
    /// async fn kit_has_a_port(ctx: JobContext) -> Result<String, JobError> {
    ///     Ok(ctx.port("web")?.address().to_string())
    /// }
    ///
    /// let finished = TestRun::of("kit_has_a_port").host([127, 7, 7, 7].into()).run();
    /// assert_eq!(finished.result::<String>(), "127.7.7.7:8080");
    /// ```
    pub fn host(mut self, host: IpAddr) -> Self {
        self.host = Some(host);
        self
    }

    /// Uses the real clock, for a job that waits for external events: sockets, processes, threads. The job then has
    /// threads of its own, so a limit also ends the run of a job that never yields. The delays of a sink that fails
    /// are real as well: minutes in all.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// use std::time::Duration;
    /// use chutes::EndStatus;
    ///
    /// #[chutes::job]
    /// async fn kit_never_yields(_ctx: JobContext) -> Result<(), JobError> {
    ///     loop {
    ///         std::thread::sleep(Duration::from_millis(1));
    ///     }
    /// }
    ///
    /// let soon = Duration::from_millis(10);
    /// let run = TestRun::of("kit_never_yields").real_time().time_limit(soon).grace(soon);
    /// assert_eq!(run.run().status(), EndStatus::TimedOut);
    /// ```
    pub fn real_time(mut self) -> Self {
        self.real_time = true;
        self
    }

    /// Keeps the directory of the run, and prints its path. By default it is removed when the [`FinishedRun`] is
    /// dropped.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_is_kept(_ctx: JobContext) -> Result<(), JobError> {
    ///     Ok(())
    /// }
    ///
    /// let directory = TestRun::of("kit_is_kept").keep().run().directory().to_owned();
    /// assert!(directory.join("run.jsonl").exists());
    /// # std::fs::remove_dir_all(directory.parent().ok_or("a parent")?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Runs the job to its outcome.
    ///
    /// # Panics
    ///
    /// When it is called within a tokio runtime, because it starts its own. When the limits are longer than the job
    /// allows. When the run does not end within 7 days of virtual time after its limit and after the last planned
    /// cancellation.
    ///
    /// ```should_panic
    /// # use chutes::{JobContext, JobError, testing::TestRun};
    /// #[chutes::job]
    /// async fn kit_has_no_end(_ctx: JobContext) -> Result<(), JobError> {
    ///     std::future::pending().await
    /// }
    ///
    /// TestRun::of("kit_has_no_end").run();
    /// ```
    #[track_caller]
    #[must_use]
    pub fn run(self) -> FinishedRun {
        let ended = match Handle::try_current() {
            Ok(_) => Err(Problem::WithinRuntime),
            Err(_) => execution::execute(self),
        };
        match ended {
            Ok(finished) => finished,
            Err(problem) => panic!("{}", execution::chain(&problem)),
        }
    }
}

fn known(registry: &Registry) -> String {
    let names: Vec<_> = registry.jobs().iter().map(|job| format!("`{}`", job.name())).collect();
    match names.as_slice() {
        [] => "there is none at all in this test program".to_owned(),
        names => format!("there are {}", names.join(", ")),
    }
}

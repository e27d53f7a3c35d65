//! The registry: all jobs and hooks of the binary, validated once at start-up.

#[cfg(test)]
mod tests;

use chutes_core::{
    JobContract, JobName, JobNameError, Json, Port, PortError, Ports, PortsError, SourceLocation,
    TimeLimit, TimeLimitError, suggest,
};

use crate::data::{DataError, passed_over};
use crate::data_schema::DataSchema;
use crate::definition::{JobDefinition, PreparedJob, ShutdownHook, StartupHook};
use crate::schema::TypeSchema;

/// A job of this binary.
///
/// ```
/// use chutes::{JobContext, JobError, Registry};
///
/// /// Says hello.
/// #[chutes::job(timeout = "1m", ssh = true)]
/// async fn says_hello(_ctx: JobContext) -> Result<(), JobError> {
///     Ok(())
/// }
///
/// let job = Registry::collect()?.get("says_hello")?.clone();
/// assert_eq!(job.summary(), "Says hello.");
/// assert_eq!(job.timeout().map(|limit| limit.seconds()), Some(60));
/// assert!(job.ports().ssh());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Job {
    definition: &'static JobDefinition,
    name: JobName,
    ports: Ports,
    timeout: Option<TimeLimit>,
}

impl Job {
    fn check(definition: &'static JobDefinition) -> Result<Self, InvalidJobReason> {
        let name = JobName::new(definition.name)?;
        let declared = definition.ports.iter();
        let declared = declared.map(|declared| {
            let port = Port::new(declared.name, declared.number.into(), declared.protocol)?;
            match declared.ready {
                Some(path) => port.with_ready(path),
                None => Ok(port),
            }
        });
        let ports = Ports::new(declared.collect::<Result<_, _>>()?, definition.ssh)?;
        let timeout = definition.timeout_seconds.map(TimeLimit::from_seconds).transpose()?;
        Ok(Self { definition, name, ports, timeout })
    }

    /// The name, unique within the binary.
    #[must_use]
    pub fn name(&self) -> &JobName {
        &self.name
    }

    /// The first paragraph of the doc comment; may be empty.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.definition.summary
    }

    /// The ports, the SSH port last.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The time limit that the job declares; `None` is no limit.
    #[must_use]
    pub fn timeout(&self) -> Option<TimeLimit> {
        self.timeout
    }

    /// Whether the files of its runs may be delivered. If not, they stay in the directory of the run.
    #[must_use]
    pub fn uploads(&self) -> bool {
        self.definition.upload
    }

    /// The location of the job in its source.
    #[must_use]
    pub fn source(&self) -> &'static SourceLocation {
        &self.definition.source
    }

    /// The JSON Schema (draft 2020-12) of the data, when its type implements `schemars::JsonSchema`.
    #[must_use]
    pub fn data_schema(&self) -> Option<Json> {
        self.data_type().json()
    }

    /// What is known of the type of the data.
    pub(crate) fn data_type(&self) -> TypeSchema {
        (self.definition.data_schema)()
    }

    /// What is known of the type of the result.
    pub(crate) fn result_type(&self) -> TypeSchema {
        (self.definition.result_schema)()
    }

    /// Everything that a platform needs to run this job.
    ///
    /// ```
    /// use chutes::data::Json;
    /// use chutes::{JobContext, JobError, Registry};
    ///
    /// #[chutes::job]
    /// async fn adds_one(_ctx: JobContext, number: u8) -> Result<u16, JobError> {
    ///     Ok(u16::from(number) + 1)
    /// }
    ///
    /// let contract = Registry::collect()?.get("adds_one")?.contract();
    /// assert!(contract.upload && contract.data_schema.is_some());
    /// assert!(Json::from_value(&contract)?.as_str().starts_with(r#"{"name":"adds_one""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn contract(&self) -> JobContract {
        let definition = self.definition;
        JobContract {
            name: self.name.clone(),
            summary: definition.summary.into(),
            ports: self.ports.clone(),
            timeout: self.timeout,
            upload: definition.upload,
            data_schema: self.data_schema(),
            result_schema: self.result_type().json(),
            source: definition.source.clone(),
        }
    }

    pub(crate) fn prepare(&self, data: &Json) -> Result<PreparedJob, DataError> {
        let prepare = self.definition.prepare;
        // A schema is made for each call, and nothing in empty data needs one.
        let schema = || self.data_schema().as_ref().and_then(DataSchema::new);
        let prepared = prepare(data).and_then(|prepared| {
            if *data != Json::empty_object()
                && let Some(schema) = schema()
            {
                passed_over(data, &schema, |data| prepare(data).is_ok())?;
            }
            Ok(prepared)
        });
        prepared.map_err(|error| match schema() {
            Some(schema) => error.explained_by(&schema, data),
            None => error,
        })
    }
}

/// All jobs and hooks of this binary.
///
/// ```
/// use chutes::{JobContext, JobError, Registry};
///
/// #[chutes::job]
/// async fn is_registered(_ctx: JobContext) -> Result<(), JobError> {
///     Ok(())
/// }
///
/// let registry = Registry::collect()?;
/// assert_eq!(registry.get("is_registered")?.name().as_str(), "is_registered");
/// assert!(registry.jobs().is_sorted_by(|a, b| a.name() < b.name()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Registry {
    jobs: Vec<Job>,
}

impl Registry {
    /// Collects the jobs that the attributes have registered, in all crates of the binary, sorted by
    /// name.
    ///
    /// # Errors
    ///
    /// When two jobs have the same name (the error has both locations), or when a definition breaks a rule.
    pub fn collect() -> Result<Self, RegistryError> {
        Self::of(inventory::iter::<JobDefinition>())
    }

    fn of(
        definitions: impl IntoIterator<Item = &'static JobDefinition>,
    ) -> Result<Self, RegistryError> {
        let mut definitions: Vec<&'static JobDefinition> = definitions.into_iter().collect();
        // The linker orders the definitions arbitrarily.
        definitions.sort_unstable_by(|a, b| {
            a.name.cmp(b.name).then_with(|| order(&a.source).cmp(&order(&b.source)))
        });
        if let Some([first, second]) =
            definitions.windows(2).find(|pair| pair[0].name == pair[1].name)
        {
            let (name, first, second) = (first.name, &first.source, &second.source);
            return Err(RegistryError::DuplicateJob { name, first, second });
        }
        let jobs = definitions.into_iter().map(|definition| {
            Job::check(definition).map_err(|reason| RegistryError::InvalidJob {
                name: definition.name,
                place: &definition.source,
                reason,
            })
        });
        Ok(Self { jobs: jobs.collect::<Result<_, _>>()? })
    }

    /// All jobs, sorted by name.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The job of this name, which is that of its function.
    pub fn get(&self, name: &str) -> Result<&Job, UnknownJob> {
        self.jobs.iter().find(|job| job.name().as_str() == name).ok_or_else(|| {
            let names = self.jobs.iter().map(|job| job.name().as_str());
            let suggestion = suggest::nearest(name, names).map(String::from);
            UnknownJob { name: name.to_owned(), suggestion }
        })
    }
}

fn order(source: &SourceLocation) -> (&str, u32) {
    (&source.file, source.line)
}

/// All startup hooks in the order of execution: by priority, then by location in the source.
pub(crate) fn startup_hooks() -> Vec<&'static StartupHook> {
    let mut hooks: Vec<_> = inventory::iter::<StartupHook>().collect();
    hooks.sort_by_key(|hook| (hook.priority, order(&hook.source)));
    hooks
}

/// All shutdown hooks in the order of execution, which is the reverse of that of startup hooks.
pub(crate) fn shutdown_hooks() -> Vec<&'static ShutdownHook> {
    let mut hooks: Vec<_> = inventory::iter::<ShutdownHook>().collect();
    hooks.sort_by_key(|hook| std::cmp::Reverse((hook.priority, order(&hook.source))));
    hooks
}

/// Why the jobs of a binary cannot be used.
///
/// ```standalone_crate
/// mod small {
///     # use chutes::{JobContext, JobError};
///     #[chutes::job]
///     async fn train(_ctx: JobContext) -> Result<(), JobError> { Ok(()) }
/// }
/// mod large {
///     # use chutes::{JobContext, JobError};
///     #[chutes::job]
///     async fn train(_ctx: JobContext) -> Result<(), JobError> { Ok(()) }
/// }
///
/// let message = chutes::Registry::collect().unwrap_err().to_string();
/// assert!(message.starts_with("two jobs are named `train`: one in module `"));
/// assert!(message.ends_with("; rename one of them"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two jobs have the same name.
    #[error("two jobs are named `{name}`: one in module `{}` at {first}, one in module `{}` at {second}; rename one of them", first.module, second.module)]
    DuplicateJob {
        /// The name.
        name: &'static str,
        /// The location of the first job.
        first: &'static SourceLocation,
        /// The location of the second job.
        second: &'static SourceLocation,
    },
    /// A definition breaks a rule. `#[job]` refuses such jobs, so the definition has another origin.
    #[error("job `{name}` at {place} is not valid")]
    InvalidJob {
        /// The name.
        name: &'static str,
        /// The location of the job.
        place: &'static SourceLocation,
        /// The rule.
        #[source]
        reason: InvalidJobReason,
    },
}

/// The rule that a definition breaks.
///
/// ```
/// use chutes::contract::TimeLimit;
/// use chutes::registry::InvalidJobReason;
///
/// let reason = InvalidJobReason::from(TimeLimit::from_seconds(1).unwrap_err());
/// assert_eq!(reason.to_string(), "timeout of 1 second is out of range");
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[expect(missing_docs, reason = "each variant is the error that it holds")]
pub enum InvalidJobReason {
    Name(#[from] JobNameError),
    Port(#[from] PortError),
    Ports(#[from] PortsError),
    Timeout(#[from] TimeLimitError),
}

/// There is no job of this name.
///
/// ```
/// use chutes::{JobContext, JobError, Registry};
///
/// #[chutes::job]
/// async fn evaluates(_ctx: JobContext) -> Result<(), JobError> {
///     Ok(())
/// }
///
/// let error = Registry::collect()?.get("evalutes").unwrap_err();
/// assert_eq!(error.to_string(), "there is no job `evalutes`");
/// assert_eq!(error.suggestion.as_deref(), Some("evaluates"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no job `{name}`")]
pub struct UnknownJob {
    /// The requested name.
    pub name: String,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
}

//! What a run may use: the class of its machine, and what a spec asks for beside its class.

use std::fmt;

use super::{JobSpec, SpecErrors, check};
use crate::Escaped;
use crate::reader::Problems;

/// The name of a class of machines, for instance `always_on.cpu.8c.16gb`: letters, digits and `._-`, at
/// most 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutorClass(Box<str>);

impl ExecutorClass {
    /// Checks a name. Whether there is such a class is for the component to say that runs the spec.
    pub fn new(name: &str) -> Result<Self, ExecutorClassError> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.is_empty() && name.len() <= 255 && name.bytes().all(is_known) {
            Ok(Self(name.into()))
        } else {
            Err(ExecutorClassError { name: name.to_owned() })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecutorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ExecutorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A text that is not an [`ExecutorClass`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorClassError {
    /// The text.
    pub name: String,
}

impl fmt::Display for ExecutorClassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the name of an executor class", Escaped(&self.name))
    }
}

impl std::error::Error for ExecutorClassError {}

/// What a run asks for beside its class. `None` is what the class says.
///
/// In JSON `memory` and `shared_memory` are bytes or texts like `8GB`, and `cpus` is a number like `1.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The memory that it may use with everything that it starts, in bytes.
    pub memory_bytes: Option<u64>,
    /// The processors that it may use, in thousandths.
    pub cpu_millis: Option<u32>,
    /// How many processes and threads it may have at a time.
    pub processes: Option<u32>,
    /// The size of `/dev/shm`, in bytes.
    pub shared_memory_bytes: Option<u64>,
    /// Whether it needs the GPUs of the machine.
    pub gpu: Option<bool>,
}

/// What a class of machines offers to one run. Every program that runs specs has the classes of
/// [`ClassProfile::BUILT_IN`], and those that it adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassProfile {
    /// The name of the class.
    pub name: &'static str,
    /// What there is to it, for people.
    pub summary: &'static str,
    /// The memory of a run, in bytes; `None` is as much as there is.
    pub memory_bytes: Option<u64>,
    /// The processors of a run, in thousandths; `None` is as many as there are.
    pub cpu_millis: Option<u32>,
    /// How many processes and threads a run may have at a time.
    pub processes: u32,
    /// The size of `/dev/shm`, in bytes.
    pub shared_memory_bytes: u64,
    /// Whether a run needs the GPUs of the machine.
    pub gpu: bool,
}

const GIB: u64 = 1024 * 1024 * 1024;

impl ClassProfile {
    /// The class of runs that name none.
    pub const LOCAL: Self = Self {
        name: "local",
        summary: "this machine, without limits on memory and processors",
        memory_bytes: None,
        cpu_millis: None,
        processes: 4_096,
        shared_memory_bytes: GIB,
        gpu: false,
    };

    /// The class of runs that use the GPUs of the machine.
    pub const LOCAL_GPU: Self = Self {
        name: "local.gpu",
        summary: "this machine with its GPUs, without limits on memory and processors",
        shared_memory_bytes: 8 * GIB,
        gpu: true,
        ..Self::LOCAL
    };

    /// The classes that stand for the machine itself. Every program that runs specs has them.
    pub const BUILT_IN: [Self; 2] = [Self::LOCAL, Self::LOCAL_GPU];

    /// The class of this name: one of `added`, or one that is built in.
    ///
    /// ```
    /// use chutes::spec::ClassProfile;
    ///
    /// let large = ClassProfile { name: "large", ..ClassProfile::LOCAL };
    /// assert_eq!(ClassProfile::find("large", &[large]), Some(&large));
    /// assert_eq!(ClassProfile::find("local.gpu", &[]), Some(&ClassProfile::LOCAL_GPU));
    /// assert_eq!(ClassProfile::find("large", &[]), None);
    /// ```
    #[must_use]
    pub fn find<'a>(name: &str, added: &'a [Self]) -> Option<&'a Self> {
        const BUILT_IN: &[ClassProfile] = &ClassProfile::BUILT_IN;
        added.iter().chain(BUILT_IN).find(|class| class.name == name)
    }

    /// What a run of this class gets that asks for these resources.
    #[must_use]
    pub fn with(mut self, wanted: &Resources) -> Self {
        self.memory_bytes = wanted.memory_bytes.or(self.memory_bytes);
        self.cpu_millis = wanted.cpu_millis.or(self.cpu_millis);
        self.processes = wanted.processes.unwrap_or(self.processes);
        self.shared_memory_bytes = wanted.shared_memory_bytes.unwrap_or(self.shared_memory_bytes);
        self.gpu = wanted.gpu.unwrap_or(self.gpu);
        self
    }
}

impl JobSpec {
    /// Checks that the class of the spec is one of these, or built in.
    ///
    /// # Errors
    ///
    /// When it is not, with its path in the JSON form. A spec without a class is right everywhere.
    pub fn check_class(&self, classes: &[ClassProfile]) -> Result<(), SpecErrors> {
        let mut problems = Problems::default();
        if let Some(class) = &self.executor_class {
            check::known_class(class, classes, &mut problems);
        }
        problems.finish(Some(()))
    }
}

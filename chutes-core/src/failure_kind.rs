//! The kinds of failure that programs can distinguish.

macro_rules! failure_kinds {
    ($( $(#[$comment:meta])* $variant:ident = $name:literal, )*) => {
        /// What kind of failure ended a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum FailureKind {
            $( $(#[$comment])* $variant, )*
        }

        impl FailureKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// Whether the job itself finished, and only its files are not where they should be.
            #[must_use]
            pub const fn is_for_files(self) -> bool {
                matches!(self, Self::OutputsIncomplete | Self::UploadFailed)
            }

            /// The name in messages and in JSON.
            ///
            /// ```
            /// use chutes::outcome::FailureKind;
            ///
            /// assert_eq!(FailureKind::OutputsIncomplete.as_str(), "outputs_incomplete");
            /// ```
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }
        }
    };
}

failure_kinds! {
    /// The data does not fit the job; nothing was started.
    InvalidData = "invalid_data",
    /// The spec asks for something that there is not; nothing was started.
    InvalidSpec = "invalid_spec",
    /// A port of the run is in use on this machine, or may not be opened; nothing was started.
    PortUnavailable = "port_unavailable",
    /// The image cannot be had: there is none of this name, or it may not be pulled.
    ImageUnavailable = "image_unavailable",
    /// An input volume could not be fetched: its URL, its content or its name is wrong.
    DownloadFailed = "download_failed",
    /// A startup hook failed; the job was not started.
    StartupFailed = "startup_failed",
    /// The job returned an error.
    JobError = "job_error",
    /// The job, or a startup hook, panicked.
    Panic = "panic",
    /// The job returned a value that cannot be written as JSON, or is too large.
    InvalidResult = "invalid_result",
    /// The job ended its process, for instance by `std::process::exit`, with whatever code.
    Exited = "exited",
    /// The container ended with an exit code that is not 0.
    NonzeroReturnCode = "nonzero_return_code",
    /// The job's process aborted itself (SIGABRT).
    Aborted = "aborted",
    /// The job's process crashed: SIGSEGV, SIGBUS, SIGILL, SIGFPE and their like.
    Crashed = "crashed",
    /// The job used up its stack.
    StackOverflow = "stack_overflow",
    /// The job's process was ended by a signal that is no crash: from another process, from a timer, at a limit.
    Killed = "killed",
    /// The kernel ended the job's process because the machine had no memory left.
    OutOfMemory = "out_of_memory",
    /// The job needed more memory than the run was given.
    MemoryLimit = "memory_limit",
    /// A phase reached its time limit.
    TimeLimit = "time_limit",
    /// The run was asked to stop.
    Cancelled = "cancelled",
    /// The job finished, but not all of its outputs were collected and delivered.
    OutputsIncomplete = "outputs_incomplete",
    /// The job finished, but not all output volumes that the spec declares were uploaded.
    UploadFailed = "upload_failed",
    /// The supervisor itself was ended while the run went on; `recover` found the run.
    SupervisorLost = "supervisor_lost",
    /// The platform failed, not the job.
    Platform = "platform",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json_form() {
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.as_str()));
        }
    }
}

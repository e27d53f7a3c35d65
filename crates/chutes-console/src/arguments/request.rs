//! The argument that takes a run request.

use chutes_core::RunRequest;
use clap::{Args, ValueHint};

use crate::input::read_request;
use crate::problem::Problem;

/// A run request in place of arguments: a command that flattens this has a group `what`, in which it is an
/// alternative, and its arguments about the attempt conflict with `request`.
#[derive(Clone, Debug, Default, Args)]
pub struct RequestArgument {
    /// A run request in JSON, which says everything about one attempt: a file, an open descriptor, or `-`
    /// for standard input. Of the other arguments only those about what is shown and written go with it
    #[arg(long, value_name = "FILE|fd:N|-", value_hint = ValueHint::FilePath, group = "what")]
    request: Option<String>,
}

impl RequestArgument {
    /// Reads the request, if one was given: at most 272 MiB.
    ///
    /// # Errors
    ///
    /// With exit code 2, when it cannot be read, is not in order, or has a later version.
    pub fn read(&self) -> Result<Option<RunRequest>, Problem> {
        self.request.as_deref().map(read_request).transpose()
    }
}

//! Jobs in another crate than the binary, which depends on the runtime only.

use chutes_runtime::{JobContext, JobError, job};

/// Says where it stands.
#[job]
async fn in_another_crate(_ctx: JobContext) -> Result<&'static str, JobError> {
    Ok(module_path!())
}

/// Knows chutes by another name.
#[my_chutes::job(crate = ::my_chutes)]
async fn under_another_name(_ctx: my_chutes::JobContext) -> Result<(), my_chutes::JobError> {
    Ok(())
}

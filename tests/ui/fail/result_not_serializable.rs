// The result of a job is written as JSON.

use chutes::{JobContext, JobError, job};

struct Report;

#[job]
async fn train(_ctx: JobContext) -> Result<Report, JobError> {
    Ok(Report)
}

fn main() {}

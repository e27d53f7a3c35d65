// The mistake is in the body, and the job itself is not complained about.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext) -> Result<u32, JobError> {
    let number: u32 = "one";
    Ok(number)
}

fn main() {
    let _ = train;
}

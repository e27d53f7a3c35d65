// A port has parentheses, not braces.

use chutes::{JobContext, JobError, job};

#[job(ports = [http { name: "web", number: 8080 }])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

// A port has no argument `tls`.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, tls = true)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

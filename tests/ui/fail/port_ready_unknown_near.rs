// `raedy` is a slip for `ready`.

use chutes::{JobContext, JobError, job};

#[job(ports = [http("web", 8080, raedy = "/health")])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

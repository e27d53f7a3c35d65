// `htttp` is a slip for `http`.

use chutes::{JobContext, JobError, job};

#[job(ports = [htttp("web", 8080)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

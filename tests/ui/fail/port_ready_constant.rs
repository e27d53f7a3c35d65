// Constants are not possible.

use chutes::{JobContext, JobError, job};

const HEALTH: &str = "/health";

#[job(ports = [http("web", 8080, ready = HEALTH)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {
    println!("{HEALTH}");
}

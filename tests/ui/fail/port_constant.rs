// A port number is a literal, not a constant.

use chutes::{JobContext, JobError, job};

const WEB: u16 = 8080;

#[job(ports = [http("web", WEB)])]
async fn train(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {
    println!("{WEB}");
}

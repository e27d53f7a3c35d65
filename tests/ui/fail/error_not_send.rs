// The error of a job can move between threads.

use chutes::{JobContext, job};

#[job]
async fn train(_ctx: JobContext) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {}

// `impl Trait` in a parameter makes a job generic.

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext, _data: impl Send) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

// A job has no constant parameters.

use chutes::{JobContext, JobError, job};

#[job]
async fn train<const N: usize>(_ctx: JobContext, _data: [u8; N]) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

// A job is a free function. The attribute cannot see where it stands.

use chutes::{JobContext, JobError, job};

struct Trainer;

impl Trainer {
    #[job]
    async fn train(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn main() {}

// A job is not a method.

use chutes::{JobContext, JobError, job};

struct Trainer;

impl Trainer {
    #[job]
    async fn train(&self, _ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn main() {}

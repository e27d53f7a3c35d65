// A job is not associated with a type.

use chutes::{JobContext, JobError, job};

struct Trainer;

impl Trainer {
    #[job]
    async fn train(_ctx: JobContext) -> Result<Self, JobError> {
        Ok(Self)
    }
}

fn main() {}

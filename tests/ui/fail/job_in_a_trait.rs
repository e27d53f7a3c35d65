// A job is not an item of a trait.

use chutes::{JobContext, JobError, job};

trait Trainer {
    #[job]
    async fn train(&self, _ctx: JobContext) -> Result<(), JobError>;
}

fn main() {}

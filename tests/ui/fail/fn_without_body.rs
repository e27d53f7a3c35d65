// A job is not a declaration in a trait.

use chutes::{JobContext, JobError, job};

trait Trainer {
    #[job]
    async fn train(_ctx: JobContext) -> Result<(), JobError>;
}

fn main() {}

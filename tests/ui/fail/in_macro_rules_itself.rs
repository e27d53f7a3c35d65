// The mistake is in the macro itself.

use chutes::{JobContext, JobError, job};

macro_rules! quick_job {
    ($name:ident) => {
        #[job(timeout = 5)]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

quick_job!(train);

fn main() {}

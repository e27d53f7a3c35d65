//! A job binary with two jobs of one name, which must be refused at start-up.

use chutes::prelude::*;

mod first {
    use super::{JobContext, JobError, job};

    #[job]
    async fn train(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

mod second {
    use super::{JobContext, JobError, job};

    #[job]
    async fn train(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    chutes::main()
}

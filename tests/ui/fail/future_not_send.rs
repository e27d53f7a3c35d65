// The future of a job can move between threads, so it holds no `Rc` over an `.await`.

use std::rc::Rc;

use chutes::{JobContext, JobError, job};

#[job]
async fn train(_ctx: JobContext) -> Result<u32, JobError> {
    let number = Rc::new(1);
    pause().await;
    Ok(*number)
}

async fn pause() {}

fn main() {}

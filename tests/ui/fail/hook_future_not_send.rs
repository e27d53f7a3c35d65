// The future of a hook can move between threads, so it holds no `Rc` over an `.await`.

use std::rc::Rc;

use chutes::{JobError, on_startup};

#[on_startup]
async fn prepare() -> Result<u32, JobError> {
    let number = Rc::new(1);
    pause().await;
    Ok(*number)
}

async fn pause() {}

fn main() {}

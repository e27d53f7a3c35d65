// A job returns a `Result`, not an `Option`.

use chutes::{JobContext, job};

#[job]
async fn train(_ctx: JobContext) -> Option<u32> {
    Some(1)
}

fn main() {}

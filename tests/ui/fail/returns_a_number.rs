// A job returns a `Result`.

use chutes::{JobContext, job};

#[job]
async fn train(_ctx: JobContext) -> u32 {
    1
}

fn main() {}

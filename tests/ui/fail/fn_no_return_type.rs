// A job returns a `Result`, also when it has no result.

use chutes::{JobContext, job};

#[job]
async fn train(_ctx: JobContext) {}

fn main() {}

// A hook returns a `Result`.

use chutes::{JobContext, on_startup};

#[on_startup]
async fn prepare(_ctx: JobContext) {}

fn main() {}

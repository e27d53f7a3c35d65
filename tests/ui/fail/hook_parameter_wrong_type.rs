// The parameter of a hook is the context.

use chutes::{JobError, on_startup};

#[on_startup]
async fn prepare(_ctx: u32) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

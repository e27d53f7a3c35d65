// The help for a raw identifier is valid Rust.

use chutes::{JobContext, JobError, job};

#[job]
fn r#match(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

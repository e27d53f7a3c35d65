// The state is shared between threads.

use std::cell::Cell;

use chutes::{JobError, on_startup};

#[on_startup]
async fn prepare() -> Result<Cell<u32>, JobError> {
    Ok(Cell::new(1))
}

fn main() {}

// The error of a hook becomes a `JobError`.

use chutes::on_startup;

struct Failure;

#[on_startup]
async fn prepare() -> Result<(), Failure> {
    Ok(())
}

fn main() {}

// A startup hook returns a `Result`.

use chutes::on_startup;

#[on_startup]
async fn prepare() -> u32 {
    1
}

fn main() {}

// A shutdown hook returns a `Result`.

use chutes::on_shutdown;

#[on_shutdown]
async fn clean() {}

fn main() {}

// A wrong argument is reported on a struct, too.

use chutes::job;

#[job(timeout = 5)]
struct Train;

fn main() {}

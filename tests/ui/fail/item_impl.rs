// An `impl` block is not a job.

use chutes::job;

struct Trainer;

#[job]
impl Trainer {}

fn main() {}

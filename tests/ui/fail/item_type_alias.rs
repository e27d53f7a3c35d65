// A type alias is not a job.

use chutes::job;

#[job]
type Train = fn() -> u32;

fn main() {}

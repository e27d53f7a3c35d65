// A trait is not a job.

use chutes::job;

#[job]
trait Train {}

fn main() {}

// An enum is not a job.

use chutes::job;

#[job(timeout = 60)]
enum Train {}

fn main() {}

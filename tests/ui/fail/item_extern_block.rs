// A block of foreign functions is not a job.

use chutes::job;

#[job]
unsafe extern "C" {}

fn main() {}

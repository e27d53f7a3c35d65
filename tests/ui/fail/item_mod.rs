// A module is not a job.

use chutes::job;

#[job]
mod jobs {}

fn main() {}

// A constant is not a job.

use chutes::job;

#[job]
const TRAIN: u32 = 1;

fn main() {}

// A static is not a job.

use chutes::job;

#[job]
static TRAIN: u32 = 1;

fn main() {}

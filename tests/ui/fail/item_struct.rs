// A struct is not a job.

use chutes::job;

#[job]
pub struct Train;

fn main() {}

// A union is not a job.

use chutes::job;

#[job]
union Train {
    _number: u32,
}

fn main() {}

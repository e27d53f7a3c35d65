// A macro is not a job.

use chutes::job;

#[job]
macro_rules! train {
    () => {};
}

train!();

fn main() {}

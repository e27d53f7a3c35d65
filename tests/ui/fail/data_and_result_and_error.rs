// Each type that does not fit is reported.

use chutes::{JobContext, job};

struct Data;
struct Report;
struct Failure;

#[job]
async fn train(_ctx: JobContext, _data: Data) -> Result<Report, Failure> {
    Ok(Report)
}

fn main() {}

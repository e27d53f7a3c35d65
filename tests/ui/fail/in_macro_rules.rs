// The mistake is in what `macro_rules!` was given for one of two jobs.

use chutes::{JobContext, JobError, job};

macro_rules! web_job {
    ($name:ident, $port:literal) => {
        #[job(ports = [http("web", $port)])]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

web_job!(good, 8080);
web_job!(bad, 80);

fn main() {}

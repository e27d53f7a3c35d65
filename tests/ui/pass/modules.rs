// Jobs in modules: the same names of types, and a job that is used from elsewhere.

use chutes::{JobContext, JobError, job};

mod first {
    use chutes::{JobContext, JobError, job};

    #[derive(serde::Deserialize)]
    pub struct Data {
        pub number: u32,
    }

    #[derive(serde::Serialize)]
    pub struct Report {
        pub number: u32,
    }

    #[job(ports = [http("web", 8080)])]
    pub async fn first_job(_ctx: JobContext, data: Data) -> Result<Report, JobError> {
        Ok(Report { number: data.number })
    }
}

mod second {
    #[derive(serde::Deserialize)]
    struct Data {
        text: String,
    }

    #[derive(serde::Serialize)]
    struct Report {
        text: String,
    }

    #[chutes::job(ports = [http("web", 8080)])]
    async fn second_job(_ctx: chutes::JobContext, data: Data) -> Result<Report, chutes::JobError> {
        Ok(Report { text: data.text })
    }

    pub mod nested {
        use chutes::job;

        #[job]
        pub(super) async fn nested_job(
            _ctx: super::super::JobContext,
            data: super::Data,
        ) -> Result<super::Report, crate::JobError> {
            Ok(super::Report { text: data.text })
        }
    }

    pub fn is_visible_here() {
        let _ = nested::nested_job;
    }
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Data;

#[job]
async fn at_the_root(ctx: JobContext, _data: Data) -> Result<first::Report, JobError> {
    first::first_job(ctx, first::Data { number: 1 }).await
}

mod globbed {
    use super::*;

    #[job]
    async fn with_glob_import(ctx: JobContext, data: Data) -> Result<u32, JobError> {
        Ok(at_the_root(ctx, data).await?.number)
    }
}

fn main() {
    second::is_visible_here();
}

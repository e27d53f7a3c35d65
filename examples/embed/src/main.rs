//! Supervises a job of another binary, or a container image, and prints what happens.
//!
//! `embed DIRECTORY job BINARY JOB DATA` or `embed DIRECTORY image IMAGE [ARGUMENT...]`

#![expect(clippy::print_stdout, reason = "what happens is what this program prints")]

use std::error::Error;
use std::path::Path;

use chutes::contract::JobName;
use chutes::data::Json;
use chutes::request::{EngineRequest, RunRequest};
use chutes::spec::{ImageName, JobSpec};
use chutes::supervisor::worker::{ContainerStarter, OutputSettings, ProcessStarter, Program};
use chutes::supervisor::{Supervisor, describe};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let output = OutputSettings::hidden();
    let supervised = match arguments.as_slice() {
        [directory, kind, binary, job, data] if kind == "job" => {
            let job = JobName::new(job.clone())?;
            let contract = describe(Path::new(binary), &job)?;
            let spec = JobSpec::job(job, Json::parse(data)?);
            let worker = ProcessStarter { program: Program::At(binary.into()), output };
            attempt(directory, spec).contract(contract).create()?.start(worker)?
        }
        [directory, kind, image, arguments @ ..] if kind == "image" => {
            let spec = JobSpec::image(ImageName::new(image)?, arguments.to_vec());
            let worker = ContainerStarter { engine: EngineRequest::default(), output };
            attempt(directory, spec).create()?.start(worker)?
        }
        _ => return Err("expected a directory, and `job BINARY JOB DATA` or `image IMAGE`".into()),
    };
    let mut follower = supervised.follow();
    while let Some(event) = follower.next().await {
        println!("{} {:?}", event.at, event.what);
    }
    let outcome = supervised.outcome().await?;
    println!("{} with {} files in {}", outcome.status(), outcome.outputs.len(), outcome.run_dir);
    Ok(())
}

fn attempt(directory: &str, spec: JobSpec) -> Supervisor {
    Supervisor::new(RunRequest::new(Supervisor::new_id(), spec, directory))
}

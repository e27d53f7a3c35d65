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
use chutes::supervisor::{Supervised, Supervisor, describe};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let supervised = match arguments.as_slice() {
        [directory, "job", binary, job, data] => run_job(directory, Path::new(binary), job, data)?,
        [directory, "image", image, arguments @ ..] => run_image(directory, image, arguments)?,
        _ => return Err("expected a directory, and `job BINARY JOB DATA` or `image IMAGE`".into()),
    };
    let mut follower = supervised.follow();
    while let Some(event) = follower.next().await {
        println!("{} {:?}", event.seq, event.what);
    }
    let outcome = supervised.outcome().await?;
    println!("{} with {} files in {}", outcome.status(), outcome.outputs.len(), outcome.run_dir);
    Ok(())
}

fn run_job(dir: &str, binary: &Path, job: &str, data: &str) -> Result<Supervised, Box<dyn Error>> {
    let job = JobName::new(job.to_owned())?;
    let contract = describe(binary, &job)?;
    let request = RunRequest::new(Supervisor::new_id(), JobSpec::job(job, Json::parse(data)?), dir);
    let program = Program::At(binary.to_owned());
    let worker = ProcessStarter { program, output: OutputSettings::hidden() };
    Ok(Supervisor::new(request).contract(contract).create()?.start(worker)?)
}

fn run_image(dir: &str, image: &str, arguments: &[&str]) -> Result<Supervised, Box<dyn Error>> {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    let spec = JobSpec::image(ImageName::new(image)?, arguments);
    let request = RunRequest::new(Supervisor::new_id(), spec, dir);
    let worker =
        ContainerStarter { engine: EngineRequest::default(), output: OutputSettings::hidden() };
    Ok(Supervisor::new(request).create()?.start(worker)?)
}

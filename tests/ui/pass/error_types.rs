// What a job may fail with.

use std::error::Error;
use std::fmt;

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

#[derive(Debug)]
enum TrainError {
    NoData,
    Io(std::io::Error),
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData => f.write_str("no data"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for TrainError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoData => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<std::io::Error> for TrainError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

#[job]
async fn job_error(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn string(_ctx: JobContext) -> Result<(), String> {
    Err("no data".to_owned())
}

#[job]
async fn static_text(_ctx: JobContext) -> Result<(), &'static str> {
    Err("no data")
}

#[job]
async fn io_error(_ctx: JobContext) -> Result<String, std::io::Error> {
    std::fs::read_to_string("data")
}

#[job]
async fn io_result(_ctx: JobContext) -> std::io::Result<()> {
    Ok(())
}

#[job]
async fn boxed(_ctx: JobContext, data: String) -> Result<u32, Box<dyn Error + Send + Sync>> {
    if data.is_empty() {
        return Err("no data".into());
    }
    Ok(data.parse()?)
}

#[job]
async fn own(_ctx: JobContext, data: String) -> Result<String, TrainError> {
    if data.is_empty() {
        return Err(TrainError::NoData);
    }
    Ok(std::fs::read_to_string(data)?)
}

#[job]
async fn never(_ctx: JobContext) -> Result<(), std::convert::Infallible> {
    Ok(())
}

#[job]
async fn question_mark(_ctx: JobContext, data: String) -> Result<u32, JobError> {
    let text = std::fs::read_to_string(data)?;
    let number: u32 = text.trim().parse()?;
    if number == 0 {
        Err("zero")?;
    }
    if number == 1 {
        Err(TrainError::NoData)?;
    }
    if number == 2 {
        return Err(format!("{number}").into());
    }
    Ok(number)
}

#[on_startup]
async fn prepare(_ctx: JobContext) -> Result<u32, TrainError> {
    Ok(1)
}

#[on_startup]
async fn prepare_without_parameter() -> Result<(), String> {
    Ok(())
}

#[on_shutdown]
async fn clean() -> std::io::Result<()> {
    Ok(())
}

fn main() {}

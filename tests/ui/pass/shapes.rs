// Every legal signature of a job.

#![allow(unused_parens)]

use std::collections::BTreeMap;

use chutes::{JobContext, JobError, job};

#[derive(serde::Deserialize)]
pub struct Point {
    x: u32,
    y: u32,
}

#[derive(serde::Deserialize)]
pub struct Wrapped(u32);

#[derive(serde::Serialize)]
pub struct Report {
    sum: u32,
}

type Context = JobContext;
type Outcome<T> = Result<T, JobError>;
type Whole = Result<Report, JobError>;

#[job]
async fn without_data(ctx: JobContext) -> Result<(), JobError> {
    drop(ctx);
    Ok(())
}

#[job]
async fn with_data(_ctx: JobContext, data: Point) -> Result<Report, JobError> {
    Ok(Report { sum: data.x + data.y })
}

#[job]
async fn mutable(mut ctx: JobContext, mut data: Vec<u32>) -> Result<Vec<u32>, JobError> {
    let other = ctx.clone();
    ctx = other;
    drop(ctx);
    data.push(1);
    Ok(data)
}

#[job]
async fn ignored(_: JobContext, _: String) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn destructured(
    _ctx: JobContext,
    Point { x, y: renamed }: Point,
) -> Result<Report, JobError> {
    Ok(Report { sum: x + renamed })
}

#[job]
async fn destructured_tuple(
    _ctx: JobContext,
    (first, mut second): (u32, Option<u32>),
) -> Result<(u32, u32), JobError> {
    Ok((first, second.take().unwrap_or_default()))
}

#[job]
async fn destructured_newtype(_ctx: JobContext, Wrapped(n): Wrapped) -> Result<u32, JobError> {
    Ok(n)
}

#[job]
async fn bound(_ctx: JobContext, whole @ Point { .. }: Point) -> Result<u32, JobError> {
    Ok(whole.x)
}

#[job]
async fn unit_data(_ctx: JobContext, (): ()) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn array(_ctx: JobContext, data: [u8; 4]) -> Result<[u8; 4], JobError> {
    Ok(data)
}

#[job]
async fn map(
    _ctx: JobContext,
    data: BTreeMap<String, Vec<Option<(u32, f64)>>>,
) -> Result<BTreeMap<String, usize>, JobError> {
    Ok(data.into_iter().map(|(key, list)| (key, list.len())).collect())
}

#[job]
async fn static_result(_ctx: JobContext) -> Result<&'static str, JobError> {
    Ok("done")
}

#[job]
pub async fn public(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
pub(crate) async fn for_this_crate(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn aliases(_ctx: Context, data: u32) -> Outcome<u32> {
    Ok(data)
}

#[job]
async fn alias_of_the_whole_result(_ctx: Context) -> Whole {
    Ok(Report { sum: 0 })
}

#[job]
async fn in_parentheses(_ctx: (JobContext), _data: (u32)) -> (Result<(), JobError>) {
    Ok(())
}

#[chutes::job]
async fn qualified(
    _ctx: ::chutes::JobContext,
    data: ::std::vec::Vec<::core::primitive::u8>,
) -> ::core::result::Result<::std::string::String, ::chutes::JobError> {
    Ok(String::from_utf8_lossy(&data).into_owned())
}

#[::chutes::job(timeout = 60)]
async fn qualified_attribute(_ctx: chutes::JobContext) -> std::result::Result<(), JobError> {
    Ok(())
}

#[job]
async fn parameter_attributes(
    #[allow(unused_variables)] ctx: JobContext,
    #[allow(unused_variables, unused_mut)] mut data: u32,
) -> Result<(), JobError> {
    Ok(())
}

#[job]
async fn awaits(_ctx: JobContext) -> Result<u32, JobError> {
    let number = std::future::ready(1).await;
    let text: u32 = "2".parse()?;
    Ok(number + text)
}

fn main() {
    #[job]
    async fn inside_a_function(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

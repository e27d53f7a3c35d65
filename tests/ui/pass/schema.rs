// Data and results with a JSON Schema, beside ones without.

use std::collections::BTreeMap;

use chutes::{JobContext, JobError, job};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Described {
    /// How often.
    count: u32,
    #[serde(default, rename = "label")]
    name: Option<String>,
    parts: Vec<Part>,
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Part {
    Number { value: f64 },
    Nothing,
}

#[derive(serde::Deserialize)]
struct Undescribed {
    count: u32,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct DescribedReport {
    count: u32,
}

#[derive(serde::Serialize)]
struct UndescribedReport {
    count: u32,
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Page<T> {
    items: Vec<T>,
}

type Alias = Result<DescribedReport, String>;

#[job]
async fn both(_ctx: JobContext, data: Described) -> Result<DescribedReport, JobError> {
    let named = u32::from(data.name.is_some());
    let numbers = data.parts.iter().map(|part| match part {
        Part::Number { value } => *value,
        Part::Nothing => 0.0,
    });
    Ok(DescribedReport { count: data.count + named + u32::from(numbers.sum::<f64>() > 1.0) })
}

#[job]
async fn only_data(_ctx: JobContext, data: Described) -> Result<UndescribedReport, JobError> {
    Ok(UndescribedReport { count: data.count })
}

#[job]
async fn only_result(_ctx: JobContext, data: Undescribed) -> Result<DescribedReport, JobError> {
    Ok(DescribedReport { count: data.count })
}

#[job]
async fn neither(_ctx: JobContext, data: Undescribed) -> Result<UndescribedReport, JobError> {
    Ok(UndescribedReport { count: data.count })
}

#[job]
async fn nested(
    _ctx: JobContext,
    data: Vec<Option<Described>>,
) -> Result<BTreeMap<String, Part>, JobError> {
    Ok(data.iter().map(|_| (String::new(), Part::Nothing)).collect())
}

#[job]
async fn nested_without(
    _ctx: JobContext,
    data: Vec<Option<Undescribed>>,
) -> Result<(UndescribedReport, DescribedReport), JobError> {
    let count = data.iter().flatten().map(|one| one.count).sum();
    Ok((UndescribedReport { count }, DescribedReport { count }))
}

#[job]
async fn generic(_ctx: JobContext, data: Page<u32>) -> Result<Page<Part>, JobError> {
    Ok(Page { items: data.items.iter().map(|_| Part::Nothing).collect() })
}

#[job]
async fn alias(_ctx: JobContext) -> Alias {
    Ok(DescribedReport { count: 1 })
}

#[job]
async fn plain(_ctx: JobContext, data: u32) -> Result<String, JobError> {
    Ok(data.to_string())
}

#[job]
async fn nothing(_ctx: JobContext, (): ()) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

//! The smallest useful job.
//!
//! ```text
//! cargo run --bin hello -- run hello --name Ada
//! ```

use chutes::prelude::*;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Person {
    /// Who is greeted; the world, if nobody is named.
    name: Option<String>,
}

/// Writes a greeting into a file.
#[job(timeout = "1m")]
async fn hello(ctx: JobContext, person: Person) -> Result<String, JobError> {
    let name = person.name.unwrap_or("world".into());
    let greeting = format!("Hello, {name}!");
    std::fs::write(ctx.output_dir().join("greeting.txt"), &greeting)?;
    Ok(greeting)
}

fn main() -> std::process::ExitCode {
    chutes::main()
}

#[cfg(test)]
mod tests {
    use chutes::testing::ContextBuilder;

    use super::*;

    #[tokio::test]
    async fn somebody_is_greeted() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = ContextBuilder::new(folder.path()).build().unwrap();
        let person = Person { name: Some("Ada".into()) };
        assert_eq!(hello(ctx.clone(), person).await.unwrap(), "Hello, Ada!");
        let written = std::fs::read_to_string(ctx.output_dir().join("greeting.txt"));
        assert_eq!(written.unwrap(), "Hello, Ada!");
    }
}

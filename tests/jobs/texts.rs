//! Jobs whose errors and messages have no end.

use std::error::Error;
use std::fmt;

use chutes::prelude::*;
use serde::Deserialize;

/// An error that is its own source.
#[derive(Debug)]
struct Cyclic;

impl fmt::Display for Cyclic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it went round in a circle")
    }
}

impl Error for Cyclic {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

/// Returns an error that is its own source.
#[job]
async fn fails_in_a_circle(_ctx: JobContext) -> Result<(), Cyclic> {
    Err(Cyclic)
}

/// What is long.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    Error,
    Causes,
    Panic,
    Progress,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Long {
    part: Part,
    bytes: usize,
}

/// An error with a cause.
#[derive(Debug)]
struct Caused {
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has a cause")
    }
}

impl Error for Caused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// Says something very long.
#[job]
async fn says_too_much(ctx: JobContext, data: Long) -> Result<(), JobError> {
    // Control characters become six times as long in JSON.
    let text = "\u{1}".repeat(data.bytes);
    match data.part {
        Part::Error => Err(text.into()),
        Part::Causes => {
            let innermost = Caused { cause: text.into() };
            Err((0..50).fold(innermost, |error, _| Caused { cause: error.into() }).into())
        }
        Part::Panic => panic!("{text}"),
        Part::Progress => {
            ctx.progress(0.5, text);
            Ok(())
        }
    }
}

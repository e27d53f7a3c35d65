// Attributes of the function stay what they are, above and below.

#![deny(unused_variables, unused_must_use)]

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

/// Trains a model.
///
/// With a second paragraph, "quotes", a \ backslash, {braces} and `code`.
#[job]
async fn documented_above(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 60)]
/// Trains a model
/// in two lines.
async fn documented_below(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

/// Above.
#[job]
/// Below.
async fn documented_above_and_below(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

/** A block comment.
 *
 *  With stars. */
#[job]
async fn documented_in_a_block(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
#[doc = concat!("A text ", "that is ", "put together.")]
#[doc(hidden)]
async fn documented_by_a_macro(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

///
#[job]
async fn documented_with_nothing(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[allow(unused_variables)]
#[job]
async fn allowed_above(ctx: JobContext, data: u32) -> Result<(), JobError> {
    Ok(())
}

#[job]
#[allow(unused_variables)]
async fn allowed_below(ctx: JobContext, data: u32) -> Result<(), JobError> {
    Ok(())
}

#[job]
#[expect(unused_variables, reason = "the attribute does not hide the lint")]
async fn expected(ctx: JobContext, data: u32) -> Result<(), JobError> {
    Ok(())
}

#[must_use]
#[job]
#[inline]
async fn must_be_used(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[cold]
#[job(upload = false)]
#[inline(never)]
#[rustfmt::skip]
#[cfg_attr(all(), allow(clippy::all))]
async fn many(_ctx: JobContext) -> Result<(), JobError> { Ok(()) }

/// Loads the model.
#[on_startup]
#[allow(unused_variables)]
async fn prepare(ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown]
/// Removes the model.
#[inline]
async fn clean() -> Result<(), JobError> {
    Ok(())
}

fn main() {}

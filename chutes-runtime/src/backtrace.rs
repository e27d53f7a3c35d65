//! Backtraces of panics end where user code begins.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Awaits a future of user code. The backtrace of a panic in it ends there, unless it is wanted in full.
pub(crate) async fn user_code<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| __rust_begin_short_backtrace(future.as_mut(), context)).await
}

/// The name is for the standard library: its short backtraces leave out whatever has called a function of this name.
#[inline(never)]
fn __rust_begin_short_backtrace<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    // User code that was inlined here would be left out, too.
    let poll: fn(Pin<&mut F>, &mut Context<'_>) -> Poll<F::Output> = F::poll;
    let polled = black_box(poll)(future, context);
    // A call in the place of the last instruction would leave no frame of this function.
    black_box(());
    polled
}

//! Panics of user code, with their message and their location.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use crate::definition::BoxFuture;

/// A panic that ended a piece of user code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaughtPanic {
    pub(crate) message: String,
    /// `file:line:column`; unknown when the program has replaced the panic hook.
    pub(crate) location: Option<String>,
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static LAST_LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook that records the location of a panic, which only the hook receives, and then calls the hook
/// that was installed before. The runtime changes no other global state of the process.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if WATCHED.get() {
                LAST_LOCATION.set(info.location().map(ToString::to_string));
            }
            previous(info);
        }));
    });
}

/// A future that ends with a [`CaughtPanic`] instead of panicking.
pub(crate) struct CatchPanic<T> {
    future: BoxFuture<T>,
}

impl<T> CatchPanic<T> {
    pub(crate) fn new(future: BoxFuture<T>) -> Self {
        install_hook();
        Self { future }
    }
}

impl<T> Future for CatchPanic<T> {
    type Output = Result<T, CaughtPanic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outer = WATCHED.replace(true);
        LAST_LOCATION.set(None);
        // The future is never polled again after a panic, so a broken state has no effect.
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(context)));
        WATCHED.set(outer);
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(payload) => {
                let message = message(&*payload);
                // The payload is a value of user code, whose drop may panic again, so it is leaked.
                std::mem::forget(payload);
                Poll::Ready(Err(CaughtPanic { message, location: LAST_LOCATION.take() }))
            }
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned())
}

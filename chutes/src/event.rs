//! What happens in a run while it goes on: events, progress, and changes of its status.
//!
//! An [`Observer`](crate::run::Observer) receives every [`Event`] of a run; the command line prints them with
//! `--events`. [`StatusMachine`] knows which changes of the [`Status`] are legal.
//!
//! ```
//! use chutes::event::{Progress, Route, Status, StatusMachine};
//!
//! let mut machine = StatusMachine::new(Route::default());
//! machine.advance(Status::Received)?;
//! assert!(machine.advance(Status::Completed).is_err());
//! assert_eq!(Progress::new(0.5, "epoch 3").fraction, 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    Event, EventReporter, IllegalTransition, LogStream, Progress, Route, RunEvent, Status,
    StatusMachine, Urgency,
};

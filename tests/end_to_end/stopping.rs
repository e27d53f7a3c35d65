//! A run is stopped: by signals, by time limits, by cancelling.

mod limits;
mod other_signals;
mod signals;
mod stuck;

//! The job binary: `web_server`, which serves until it is cancelled.
//!
//! ```text
//! cargo run --bin web-server -- run web_server
//! ```

mod job;
mod metrics;
mod routes;

fn main() -> std::process::ExitCode {
    chutes::main()
}

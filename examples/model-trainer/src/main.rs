//! The job binary: `train_model`, which trains the network of the library.
//!
//! ```text
//! cargo run --bin model-trainer -- run train_model
//! ```

mod compute;
mod job;
mod session;

fn main() -> std::process::ExitCode {
    chutes::main()
}

//! The job binary: `batch_processing`, which works on many items, and `summarise_file`, which works
//! on one file and distinguishes what can go wrong.
//!
//! ```text
//! cargo run --bin batch-processor -- run batch_processing --data @examples/batch-processor/batch.json
//! ```

mod batch;
mod file;
mod item;
mod journal;

fn main() -> std::process::ExitCode {
    chutes::main()
}

//! Jobs that print in every possible way.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use chutes::prelude::*;
use serde::Deserialize;

/// Prints to both streams: by macros, past them, from a child process, and as an event. The last
/// lines are not complete.
#[job]
async fn prints(_ctx: JobContext) -> Result<(), JobError> {
    println!("out: line");
    eprintln!("err: line");
    std::io::stdout().write_all(b"out: not text: \xff\n")?;
    Command::new("sh").args(["-c", "echo out: child; echo err: child >&2"]).status()?;
    tracing::info!(answer = 42, "err: event");
    tracing::debug!("err: hidden event");
    print!("out: unfinished");
    eprint!("err: unfinished");
    Ok(())
}

/// Prints lines in two halves while it reports progress.
#[job]
async fn prints_slowly(ctx: JobContext) -> Result<(), JobError> {
    for line in 0..5 {
        print!("first half {line}, ");
        std::io::stdout().flush()?;
        // Long enough for the bar to be drawn in between.
        for step in 0..30 {
            ctx.progress(f64::from(line * 30 + step) / 150.0, format!("at line {line}"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("second half {line}");
    }
    print!("the end without a newline");
    Ok(())
}

/// Reports progress in texts of several lines, and longer than a terminal is wide.
#[job]
async fn reports_progress_in_lines(ctx: JobContext) -> Result<(), JobError> {
    for step in 0..30 {
        ctx.progress(
            f64::from(step) / 30.0,
            format!("step {step}\n{}\n[00:00] end", "long ".repeat(60)),
        );
        if step == 0 {
            eprintln!("printed with the first report");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Prints more than a pipe holds.
#[job]
async fn prints_much(_ctx: JobContext) -> Result<(), JobError> {
    for line in 0..20_000 {
        println!("line {line} of many");
    }
    Ok(())
}

/// Leaves a child process behind that holds on to the standard streams. Returns its id.
#[job]
async fn leaves_a_child(_ctx: JobContext) -> Result<u32, JobError> {
    println!("before");
    let child = Command::new("sleep").arg("300").stdin(Stdio::null()).spawn()?;
    Ok(child.id())
}

/// What a job does about a subscriber for `tracing`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Subscriber {
    Given,
    Offered,
    Tried,
    Set,
}

/// Logs, perhaps with a subscriber that it sets itself.
#[job]
async fn logs(_ctx: JobContext, data: Subscriber) -> Result<(), JobError> {
    match data {
        Subscriber::Given => {}
        // The job does not depend on it.
        Subscriber::Offered => drop(tracing_subscriber::fmt().try_init()),
        Subscriber::Tried => tracing_subscriber::fmt().try_init()?,
        Subscriber::Set => tracing_subscriber::fmt().init(),
    }
    tracing::info!("an event of the job");
    Ok(())
}

/// Logs from this many threads at the same time, half of them of tokio. Before that, nothing is logged.
#[job]
async fn logs_at_once(_ctx: JobContext, threads: usize) -> Result<(), JobError> {
    let start = Arc::new(Barrier::new(threads));
    let of_std = (1..=threads / 2).map(|thread| {
        let start = Arc::clone(&start);
        std::thread::spawn(move || log_after(&start, thread))
    });
    let of_std: Vec<_> = of_std.collect();
    let of_tokio = (threads / 2 + 1..=threads).map(|thread| {
        let start = Arc::clone(&start);
        tokio::task::spawn_blocking(move || log_after(&start, thread))
    });
    for task in of_tokio.collect::<Vec<_>>() {
        task.await?;
    }
    for thread in of_std {
        thread.join().map_err(|_| std::io::Error::other("a thread panicked"))?;
    }
    Ok(())
}

fn log_after(start: &Barrier, thread: usize) {
    start.wait();
    tracing::info!("an event of thread {thread}");
}

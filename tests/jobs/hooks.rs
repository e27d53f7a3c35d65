//! Hooks that record when they run. Jobs choose by their data how the hooks behave, since hooks
//! belong to a binary and run with each of its jobs.

use std::time::Duration;

use chutes::prelude::*;

/// State that a startup hook provides.
struct Greeting(String);

fn note(ctx: &JobContext, text: &str) -> Result<(), JobError> {
    use std::io::Write;

    let path = ctx.scratch_dir().join("hooks.txt");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    Ok(writeln!(file, "{text}")?)
}

fn wants(ctx: &JobContext, what: &str) -> bool {
    ctx.data().as_str().contains(what)
}

/// Ends the process, or never returns.
fn die(ctx: &JobContext, when: &str) {
    if wants(ctx, &format!("{when}_exits")) {
        std::process::exit(0);
    }
    if wants(ctx, &format!("{when}_aborts")) {
        std::process::abort();
    }
    while wants(ctx, &format!("{when}_never_yields")) {
        std::thread::park();
    }
}

#[on_startup(priority = 90)]
async fn start_last(ctx: JobContext) -> Result<(), JobError> {
    note(&ctx, "start 90")?;
    if wants(&ctx, "startup_fails") {
        return Err("no device".into());
    }
    assert!(!wants(&ctx, "startup_panics"), "no device at all");
    die(&ctx, "startup");
    if wants(&ctx, "startup_hangs") {
        println!("starting up");
        std::future::pending::<()>().await;
    }
    Ok(())
}

#[on_startup]
async fn start_middle(ctx: JobContext) -> Result<Greeting, JobError> {
    note(&ctx, "start 50")?;
    Ok(Greeting("hello".into()))
}

#[on_startup(priority = -1)]
async fn start_first(ctx: JobContext) -> Result<(), JobError> {
    note(&ctx, "start -1")
}

#[on_shutdown(priority = 90)]
async fn stop_first(ctx: JobContext) -> Result<(), JobError> {
    note(&ctx, "stop 90")?;
    if wants(&ctx, "shutdown_fails") {
        return Err("cannot close".into());
    }
    assert!(!wants(&ctx, "shutdown_panics"), "cannot close at all");
    die(&ctx, "shutdown");
    if wants(&ctx, "shutdown_hangs") {
        println!("shutting down");
        std::future::pending::<()>().await;
    }
    if wants(&ctx, "shutdown_waits") {
        wait_for_a_file(&ctx).await;
    }
    Ok(())
}

#[on_shutdown]
async fn stop_last(ctx: JobContext) -> Result<(), JobError> {
    note(&ctx, "stop 50")?;
    if wants(&ctx, "shutdown_writes") {
        std::fs::write(ctx.output_dir().join("from-hook.txt"), "hook")?;
    }
    Ok(())
}

/// Until a file named `go` is in the scratch directory.
async fn wait_for_a_file(ctx: &JobContext) {
    println!("shutting down");
    while !ctx.scratch_dir().join("go").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Uses the state of a hook. Its data says how the hooks behave.
#[job]
async fn uses_state(ctx: JobContext, _data: Vec<String>) -> Result<String, JobError> {
    note(&ctx, "job")?;
    Ok(ctx.state::<Greeting>()?.0.clone())
}

/// Asks for state that no hook provides.
#[job]
async fn wants_missing_state(ctx: JobContext) -> Result<u32, JobError> {
    Ok(*ctx.state::<u32>()?)
}

// Numbers in every form in which Rust writes integers.

use chutes::{JobContext, JobError, job, on_startup};

#[job(
    ports = [
        http("plain", 8080),
        http("separated", 8_081),
        http("hexadecimal", 0x1f92),
        http("octal", 0o17623),
        http("binary", 0b1_1111_1001_0100),
        http("suffix", 8085_u16),
        http("suffixtight", 8086u16),
        http("suffixsigned", 8087i64),
        http("upper", 0x1F98),
        http("zeros", 0008089),
    ],
    timeout = 3_600
)]
async fn ports(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 3_600_u64)]
async fn suffix(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 60usize)]
async fn suffix_tight(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 0xe10)]
async fn hexadecimal(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 3__600__)]
async fn separators(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_startup(priority = -1_0_i32)]
async fn negative_suffix() -> Result<(), JobError> {
    Ok(())
}

#[on_startup(priority = -0x10)]
async fn negative_hexadecimal() -> Result<(), JobError> {
    Ok(())
}

fn main() {}

// Every argument, in any order, with every kind of value.

use chutes::{JobContext, JobError, job};

#[job(
    timeout = "2h",
    ports = [http("web", 8080), tcp("metrics", 9090), udp("stats1", 65535)],
    upload = true,
    ssh = true,
    crate = ::chutes,
)]
async fn everything(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(ssh = false, upload = false, timeout = 7_200, ports = [])]
async fn other_order(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 30)]
async fn shortest(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = 86_400)]
async fn longest(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = "30s")]
async fn shortest_duration(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = "1d")]
async fn longest_duration(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = " 1h 30m15s ")]
async fn composed_duration(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(timeout = r"45m", ports = [tcp(r#"raw"#, 9000)])]
async fn raw_strings(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(ports = [http("first", 8002), tcp("last", 65535), tcp("shell", 2202)])]
async fn ports_at_the_limits(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(ports = [
    http("web", 8080, ready = "/health"),
    http("api", 8081, ready = r"/v1/ready?full=1"),
    http("plain", 8082),
])]
async fn readiness_paths(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(ports = [tcp("ssh", 2202)], ssh = false)]
async fn own_ssh(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job(ports = [tcp("sshd", 8022), tcp("s", 8023)], ssh = true)]
async fn names_near_ssh(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}

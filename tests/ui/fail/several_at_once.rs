// Each mistake is reported once, in source order, and the call causes no error.

use chutes::{JobContext, job};

#[job(ports = [http("web", 80), tcp("data", 8080), udp("data", 8081)], gpus = 8, timeout = 5, timeout = 60)]
fn train<T>(_ctx: JobContext) {}

fn main() {
    let _ = train::<u32>;
}

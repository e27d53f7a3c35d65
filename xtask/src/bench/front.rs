//! `cargo xtask bench-front`: the TLS front of a run, against nginx before the same job.

mod idle;
mod load;
mod server;

use anyhow::Result;

use self::load::{Load, Measured};
use self::server::{Certificate, Target, nginx, run as start_run};
use super::access::build_jobs;
use super::contest::scratch;
use super::material::Folder;
use super::table;
use crate::test::tools::provide_from_debian;

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// How long each is under load in one round
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u32,
    /// How many connections are idle at a time; one run lets in 1,024
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    idle: u32,
}

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("nginx -v", "nginx-light")?;
    provide_from_debian("which wrk", "wrk")?;
    provide_from_debian("h2load --version", "nghttp2-client")?;
    provide_from_debian("openssl version", "openssl")?;
    provide_from_debian("python3 --version", "python3")?;
    let jobs = build_jobs()?;
    let folder = Folder::empty(scratch("front")?)?;
    let (run, job, front) = start_run(&jobs)?;
    let certificate = Certificate::make(&folder)?;
    let nginx = nginx(&folder, &certificate, &job)?;
    let targets = [job, nginx, front];
    for connections in [1, 32] {
        for path in ["/small", "/large"] {
            let load = Load::requests(path, connections, arguments.seconds);
            contest(&load, &targets, arguments.rounds)?;
        }
    }
    for connections in [1, 32] {
        contest(&Load::handshakes(connections, arguments.seconds), &targets, arguments.rounds)?;
    }
    for connections in [1, 32] {
        let load = Load::http2(connections, arguments.seconds);
        contest(&load, &targets, arguments.rounds)?;
    }
    idle::measure(&targets, arguments.idle)?;
    drop(run);
    Ok(())
}

/// Puts all under load in turns, and prints how they performed.
fn contest(load: &Load, targets: &[Target], rounds: u32) -> Result<()> {
    eprintln!("\n==> {}", load.title());
    let targets: Vec<&Target> = targets.iter().filter(|target| load.fits(target)).collect();
    let mut measured = vec![Vec::new(); targets.len()];
    for _ in 0..rounds {
        for (measured, target) in measured.iter_mut().zip(&targets) {
            let one = load.put_on(target)?;
            eprintln!("    {:9.0} a second  {}", one.rate, target.title);
            measured.push(one);
        }
    }
    print(&load.title(), &targets, &measured);
    Ok(())
}

fn print(title: &str, targets: &[&Target], measured: &[Vec<Measured>]) {
    let of = |measured: &[Measured]| {
        let rates = || measured.iter().map(|one| one.rate);
        (middle(rates()), rates().fold(0.0, f64::max))
    };
    let nginx = targets.iter().position(|target| target.title == server::NGINX);
    let nginx = nginx.and_then(|place| measured.get(place)).map_or((0.0, 0.0), |one| of(one));
    let rows = targets.iter().zip(measured).map(|(target, measured)| {
        let (usual, best) = of(measured);
        let millis = |of: fn(&Measured) -> Option<f64>| {
            let times: Vec<f64> = measured.iter().filter_map(of).collect();
            if times.is_empty() {
                String::new()
            } else {
                format!("{:.2}", middle(times.into_iter()))
            }
        };
        vec![
            target.title.to_owned(),
            format!("{usual:.0}"),
            format!("{best:.0}"),
            format!("{:.2}", usual / nginx.0),
            format!("{:.2}", best / nginx.1),
            millis(|one| one.p50),
            millis(|one| one.p99),
            format!("{:.0}", middle(measured.iter().map(|one| one.cpu_micros))),
        ]
    });
    let header = [
        "what",
        "median a second",
        "max a second",
        "median / nginx",
        "max / nginx",
        "p50 ms",
        "p99 ms",
        "its CPU µs each",
    ];
    table::print(title, &header, &rows.collect::<Vec<_>>());
}

/// The number in the middle.
fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

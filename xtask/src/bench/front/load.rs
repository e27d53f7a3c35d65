//! Clients that send requests as fast as they are answered.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::server::Target;
use crate::bench::access::process::cpu;
use crate::command::{program, shown};

/// How many requests of one connection are under way at a time, over HTTP/2.
const STREAMS: u32 = 10;

/// A kind of load.
pub(super) struct Load {
    kind: Kind,
    path: &'static str,
    connections: u32,
    seconds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One request after the other on connections that stay.
    Requests,
    /// Each request on a connection of its own.
    Handshakes,
    Http2,
}

/// How a target performed under load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Answers in a second.
    pub(super) rate: f64,
    /// The times of half of all answers, and of nearly all, in milliseconds.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    /// The processor time of the target itself for each answer.
    pub(super) cpu_micros: f64,
}

impl Load {
    pub(super) const fn requests(path: &'static str, connections: u32, seconds: u32) -> Self {
        Self { kind: Kind::Requests, path, connections, seconds }
    }

    pub(super) const fn handshakes(connections: u32, seconds: u32) -> Self {
        Self { kind: Kind::Handshakes, path: "/small", connections, seconds }
    }

    pub(super) const fn http2(connections: u32, seconds: u32) -> Self {
        Self { kind: Kind::Http2, path: "/small", connections, seconds }
    }

    /// The title in the tables.
    pub(super) fn title(&self) -> String {
        let Self { connections, .. } = self;
        let plural = if *connections == 1 { "" } else { "s" };
        let size = if self.path == "/large" { "100 KiB" } else { "1 KiB" };
        match self.kind {
            Kind::Requests => format!("answers of {size}, {connections} connection{plural}"),
            Kind::Handshakes => {
                format!("a connection for each answer of {size}, {connections} at a time")
            }
            Kind::Http2 => {
                format!("HTTP/2, answers of {size}, {connections} connection{plural}")
            }
        }
    }

    /// Whether this target supports this load.
    pub(super) fn fits(&self, target: &Target) -> bool {
        self.kind != Kind::Http2 || target.is_tls()
    }

    /// Runs the client to its end.
    pub(super) fn put_on(&self, target: &Target) -> Result<Measured> {
        let mut client = self.client(target);
        let processes = target.processes();
        let used = || processes.iter().map(|pid| cpu(*pid)).sum::<Result<Duration>>();
        let before = used()?;
        let line = shown(&client);
        let output = client.output().with_context(|| format!("failed to start `{line}`"))?;
        let used = used()?.saturating_sub(before);
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "`{line}` failed with {}:\n{said}", output.status);
        let mut measured = match self.kind {
            Kind::Http2 => of_h2load(&said),
            _ => of_wrk(&said),
        }
        .with_context(|| format!("`{line}` was not answered as it should be:\n{said}"))?;
        measured.cpu_micros = used.as_secs_f64() * 1e6 / (measured.rate * f64::from(self.seconds));
        Ok(measured)
    }

    fn client(&self, target: &Target) -> Command {
        let Self { connections, seconds, .. } = self;
        let url = format!("{}{}", target.url, self.path);
        let mut client = match self.kind {
            Kind::Http2 => {
                let options = format!("-t 1 -c {connections} -m {STREAMS} -D {seconds}");
                program("h2load", &options)
            }
            _ => program("wrk", &format!("-t 1 -c {connections} -d {seconds}s --latency")),
        };
        if self.kind == Kind::Handshakes {
            client.args(["-H", "Connection: close"]);
        }
        client.arg(url);
        client
    }
}

/// From what wrk prints. `None` when something was wrong.
fn of_wrk(said: &str) -> Option<Measured> {
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return None;
    }
    let value =
        |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let millis = |name| value(name).and_then(millis);
    let rate = value("Requests/sec:")?.parse().ok()?;
    Some(Measured { rate, p50: millis("50%"), p99: millis("99%"), cpu_micros: 0.0 })
}

/// From what h2load prints. `None` when something was wrong.
fn of_h2load(said: &str) -> Option<Measured> {
    let finished = said.lines().find(|line| line.starts_with("finished in "))?;
    let rate = finished.split(", ").find_map(|part| part.strip_suffix(" req/s"))?.parse().ok()?;
    let all_is_well = said.contains(" 0 failed, 0 errored, 0 timeout");
    all_is_well.then_some(Measured { rate, p50: None, p99: None, cpu_micros: 0.0 })
}

/// A time as wrk writes it.
fn millis(time: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = time.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = time.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (time.strip_suffix('s')?, 1_000.0)
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "  Latency Distribution\n     50%  100.00us\n     75%    1.00ms\n     \
                       99%    2.50ms\n  5 requests in 3.00s, 1MB read\nRequests/sec:  12345.5\n";

    #[test]
    fn what_wrk_says() {
        let expected = Measured { rate: 12_345.5, p50: Some(0.1), p99: Some(2.5), cpu_micros: 0.0 };
        assert_eq!(of_wrk(WRK), Some(expected));
        let errors = "  Socket errors: connect 0, read 1, write 0, timeout 0\n";
        assert_eq!(of_wrk(&format!("{WRK}{errors}")), None);
        assert_eq!(of_wrk(&format!("{WRK}  Non-2xx or 3xx responses: 3\n")), None);
        assert_eq!(of_wrk(""), None);
    }

    #[test]
    fn what_h2load_says() {
        let said = |failed| {
            format!(
                "finished in 1.01s, 250.50 req/s, 1.00MB/s\nrequests: 10 total, 10 started, 10 done, \
                 10 succeeded, {failed} failed, 0 errored, 0 timeout\n"
            )
        };
        assert_eq!(of_h2load(&said(0)).map(|measured| measured.rate), Some(250.5));
        assert_eq!(of_h2load(&said(1)), None);
    }

    #[test]
    fn times() {
        for (time, expected) in
            [("5.00us", Some(0.005)), ("5.00ms", Some(5.0)), ("1.50s", Some(1_500.0)), ("5", None)]
        {
            assert_eq!(millis(time), expected, "{time}");
        }
    }
}

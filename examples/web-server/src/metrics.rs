//! What is counted, for Prometheus and for the report of the job.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The labels of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    path: String,
    status: u16,
}

/// The metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    started: Instant,
    served: AtomicU64,
    requests: Family<Labels, Counter>,
    uptime: Gauge<f64, AtomicU64>,
    registry: Registry,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let (requests, uptime) = (Family::default(), Gauge::default());
        let mut registry = Registry::default();
        // `_total` is added by the encoder.
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("uptime_seconds", "Time since the server started", uptime.clone());
        Self { started: Instant::now(), served: AtomicU64::new(0), requests, uptime, registry }
    }

    /// Counts one request that was answered.
    pub(crate) fn count(&self, path: String, status: u16) {
        self.served.fetch_add(1, Ordering::Relaxed);
        self.requests.get_or_create(&Labels { path, status }).inc();
    }

    /// How many requests were answered.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// All metrics in the text format of `OpenMetrics`.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        self.uptime.set(self.uptime().as_secs_f64());
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

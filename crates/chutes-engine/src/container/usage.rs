//! What a container uses, as its engine reports it.

use std::time::Duration;

use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use chutes_core::Usage;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::Engine;

impl Engine {
    /// What a container that runs uses, all processes in it together, those of sessions among them. What the engine
    /// does not report is `None`, and so is the whole when it reports no CPU time, because the container does not run
    /// or the engine cannot be asked.
    ///
    /// An engine knows a peak of the memory with version 1 of cgroups only. [`Usage::after`] takes it from the
    /// readings, and keeps the totals when a later one fails.
    #[must_use = "nothing happens before it is awaited"]
    pub fn usage<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Usage>> {
        Box::pin(async move { usage(&self.stats(name).await?) })
    }

    /// One reading. Without `one_shot` the engine would wait for a second one, a second later.
    async fn stats(&self, name: &str) -> Option<ContainerStatsResponse> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stats = Box::pin(self.docker.stats(name, Some(options)));
        stats.next().await?.ok()
    }
}

fn usage(stats: &ContainerStatsResponse) -> Option<Usage> {
    let cpu = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage;
    // For a container that does not run, Docker reports zero.
    let cpu = cpu.filter(|nanoseconds| *nanoseconds > 0)?;
    let memory = stats.memory_stats.as_ref();
    let processes = stats.pids_stats.as_ref().and_then(|pids| pids.current);
    Some(Usage {
        cpu: Duration::from_nanos(cpu),
        memory: memory.and_then(in_use),
        peak_memory: memory.and_then(peak),
        processes: processes.filter(|number| *number > 0),
        read: transferred(stats, "read"),
        written: transferred(stats, "write"),
    })
}

fn in_use(memory: &ContainerMemoryStats) -> Option<u64> {
    let of_files = memory.stats.as_ref().and_then(|stats| {
        stats.get("inactive_file").or_else(|| stats.get("total_inactive_file")).copied()
    });
    let usage = memory.usage.filter(|usage| *usage > 0)?;
    Some(usage.saturating_sub(of_files.unwrap_or_default()))
}

/// The peak of the memory. Some versions of Podman report the limit of the cgroup in its place, which is a huge number
/// for one without a limit.
fn peak(memory: &ContainerMemoryStats) -> Option<u64> {
    memory.max_usage.filter(|peak| *peak > 0 && memory.limit.is_none_or(|limit| *peak <= limit))
}

/// The bytes of one direction, of all devices together. The engines do not agree on the case of its name.
fn transferred(stats: &ContainerStatsResponse, direction: &str) -> Option<u64> {
    let entries = stats.blkio_stats.as_ref()?.io_service_bytes_recursive.as_ref()?;
    let is_direction =
        |name: &Option<String>| name.as_ref().is_some_and(|op| op.eq_ignore_ascii_case(direction));
    let values = entries.iter().filter(|entry| is_direction(&entry.op));
    Some(values.filter_map(|entry| entry.value).fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use chutes_core::EngineRequest;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// As Docker answers with version 1 of cgroups, shortened.
    const DOCKER_VERSION_1: &str = r#"{
        "read": "2026-11-22T01:02:03.456789Z", "preread": "0001-01-01T00:00:00Z",
        "pids_stats": {"current": 3, "limit": 500}, "num_procs": 0, "storage_stats": {},
        "blkio_stats": {"io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "Read", "value": 4096},
            {"major": 8, "minor": 0, "op": "Write", "value": 100},
            {"major": 8, "minor": 0, "op": "Total", "value": 4196},
            {"major": 8, "minor": 16, "op": "Read", "value": 4}
        ], "io_serviced_recursive": []},
        "cpu_stats": {"cpu_usage": {"total_usage": 1500000001, "percpu_usage": [1500000001],
            "usage_in_kernelmode": 1, "usage_in_usermode": 2}, "system_cpu_usage": 9, "online_cpus": 1,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}},
        "precpu_stats": {"cpu_usage": {"total_usage": 0}},
        "memory_stats": {"usage": 5000, "max_usage": 9000, "limit": 10000,
            "stats": {"total_inactive_file": 1000, "cache": 2000}}, "name": "/a", "id": "a"
    }"#;

    /// As Docker answers with version 2 of cgroups.
    const DOCKER_VERSION_2: &str = r#"{
        "pids_stats": {"current": 1, "limit": 18446744073709551615},
        "blkio_stats": {"io_service_bytes_recursive": [
            {"major": 254, "minor": 0, "op": "read", "value": 7},
            {"major": 254, "minor": 0, "op": "write", "value": 0}]},
        "cpu_stats": {"cpu_usage": {"total_usage": 2000000000}},
        "memory_stats": {"usage": 5000, "limit": 10000, "stats": {"inactive_file": 100}}
    }"#;

    /// Docker, for a container that has ended.
    const DOCKER_ENDED: &str = r#"{
        "pids_stats": {}, "blkio_stats": {"io_service_bytes_recursive": null},
        "cpu_stats": {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0}}, "memory_stats": {}
    }"#;

    /// A version of Podman that reports the limit as the peak.
    const PODMAN: &str = r#"{
        "pids_stats": {"current": 2}, "blkio_stats": {"io_service_bytes_recursive": []},
        "cpu_stats": {"cpu_usage": {"total_usage": 1, "percpu_usage": null}, "cpu": 0.5},
        "memory_stats": {"usage": 5000, "max_usage": 18446744073709551615, "limit": 10000, "stats": null}
    }"#;

    const ALL: Usage = Usage {
        cpu: Duration::from_nanos(1_500_000_001),
        memory: Some(4_000),
        peak_memory: Some(9_000),
        processes: Some(3),
        read: Some(4_100),
        written: Some(100),
    };

    #[track_caller]
    fn check(answer: &str, expected: Option<Usage>) {
        let stats: ContainerStatsResponse = serde_json::from_str(answer).unwrap();
        assert_eq!(usage(&stats), expected, "{answer}");
    }

    #[test]
    fn answers_of_engines() {
        check(DOCKER_VERSION_1, Some(ALL));
        let version_2 = Usage {
            cpu: Duration::from_secs(2),
            memory: Some(4_900),
            peak_memory: None,
            processes: Some(1),
            read: Some(7),
            written: Some(0),
        };
        check(DOCKER_VERSION_2, Some(version_2));
        check(DOCKER_ENDED, None);
        let podman = Usage {
            cpu: Duration::from_nanos(1),
            memory: Some(5_000),
            peak_memory: None,
            processes: Some(2),
            read: Some(0),
            written: Some(0),
        };
        check(PODMAN, Some(podman));
    }

    #[test]
    fn answers_without_some_parts() {
        let cpu = Usage { cpu: Duration::from_nanos(5), ..Usage::default() };
        let cpu_stats = r#""cpu_stats": {"cpu_usage": {"total_usage": 5}}"#;
        check(&format!("{{{cpu_stats}}}"), Some(cpu));
        for (more, expected) in [
            (r#""memory_stats": {}"#, cpu),
            (r#""memory_stats": {"usage": 0, "max_usage": 0}"#, cpu),
            (r#""memory_stats": {"max_usage": 7}"#, Usage { peak_memory: Some(7), ..cpu }),
            (
                r#""memory_stats": {"usage": 7, "stats": {"inactive_file": 9}}"#,
                Usage { memory: Some(0), ..cpu },
            ),
            (r#""blkio_stats": {}"#, cpu),
            (r#""blkio_stats": {"io_service_bytes_recursive": null}"#, cpu),
            (
                r#""blkio_stats": {"io_service_bytes_recursive": [{"op": "write"}, {"value": 3}]}"#,
                Usage { read: Some(0), written: Some(0), ..cpu },
            ),
        ] {
            check(&format!("{{{cpu_stats}, {more}}}"), Some(expected));
        }
        for none in ["{}", r#"{"cpu_stats": {}}"#, r#"{"cpu_stats": {"cpu_usage": {}}}"#] {
            check(none, None);
        }
    }

    /// Answers requests about the container `a`, one on each connection.
    async fn serve(listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream).await;
        }
    }

    async fn answer(stream: TcpStream) {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next_line().await.unwrap().unwrap_or_default();
        while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        let query = "/containers/a/stats?stream=false&one-shot=true ";
        let (code, body) = if request.contains("/_ping ") {
            ("200 OK", "OK")
        } else if request.contains(query) {
            ("200 OK", DOCKER_VERSION_1)
        } else {
            ("404 Not Found", r#"{"message": "no such container"}"#)
        };
        // Engines end an answer, which has no other line breaks, with one.
        let body = body.replace('\n', "") + "\n";
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {code}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        lines.into_inner().write_all(head.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn a_container_of_an_engine() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Some(format!("tcp://{}", listener.local_addr().unwrap()));
        let server = tokio::spawn(serve(listener));
        let request = EngineRequest { host, ..EngineRequest::default() };
        let engine = Engine::connect(&request).await.unwrap();
        assert_eq!(engine.usage("a").await, Some(ALL));
        assert_eq!(engine.usage("b").await, None);
        server.abort();
        // Nothing answers any more.
        assert!(server.await.unwrap_err().is_cancelled());
        assert_eq!(engine.usage("a").await, None);
    }
}

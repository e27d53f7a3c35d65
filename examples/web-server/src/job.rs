//! The job: opens its ports, serves, and ends cleanly when it is cancelled.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chutes::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::routes;

/// How long requests may take that were under way when the job was cancelled. It is less than the
/// grace of a run (default 30 s), so that one slow client does not cost the job its report.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// What may be chosen about the server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// What is answered at `/`.
    message: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { message: "Hello from a job!".to_owned() }
    }
}

/// What the server did.
#[derive(Debug, Serialize, JsonSchema)]
struct Report {
    /// How many requests were answered on the port `web`.
    requests: u64,
    /// How long the server was there.
    uptime_seconds: f64,
    /// Whether all requests that were under way at the end were answered.
    drained: bool,
}

/// Serves HTTP on one port and its metrics on another, until it is cancelled.
///
/// `/` answers with a message, `/health` says that all is well, `/echo` is a WebSocket that sends back
/// what it is sent; `/metrics` on the port `metrics` is for Prometheus. There is no time limit: a server has no natural end.
#[job(ports = [http("web", 8080, ready = "/health"), http("metrics", 9090)], upload = false)]
async fn web_server(ctx: JobContext, settings: Settings) -> Result<Report, JobError> {
    let [web, scrape] =
        [ctx.port("web")?.bind_tcp().await?, ctx.port("metrics")?.bind_tcp().await?];
    let metrics = Arc::new(Metrics::new());
    tracing::info!("listening on http://{}", web.local_addr()?);
    tracing::info!("metrics at http://{}/metrics", scrape.local_addr()?);
    let stop = ctx.cancellation();
    let web = serve(web, routes::web(&metrics, &settings.message, stop.clone()), stop.clone());
    let scrape = serve(scrape, routes::metrics(&metrics), stop.clone());
    let (drained, _) = tokio::try_join!(web, scrape)?;
    let uptime_seconds = metrics.uptime().as_secs_f64();
    Ok(Report { requests: metrics.served(), uptime_seconds, drained })
}

/// Serves until it is cancelled, then answers the requests that are under way. Returns whether it could.
async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) -> io::Result<bool> {
    let drain_time = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIME).await;
    };
    let server = axum::serve(listener, routes)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    tokio::select! {
        ended = server => ended.map(|()| true),
        () = drain_time => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use chutes::EndStatus;
    use chutes::outcome::Phase;
    use chutes::testing::{TestRun, TestSink};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::Semaphore;

    use super::*;

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn routes_answer_and_are_counted() {
        let metrics = Arc::new(Metrics::new());
        let stop = CancellationToken::new();
        let ((web, at), (scrape, metrics_at)) = (listen().await, listen().await);
        let web = tokio::spawn(serve(
            web,
            routes::web(&metrics, "hi \"there\"", stop.clone()),
            stop.clone(),
        ));
        tokio::spawn(serve(scrape, routes::metrics(&metrics), stop.clone()));

        let answer = ask(at, "/").await;
        assert!(answer.ends_with(r#"{"message":"hi \"there\"","requests":0}"#), "{answer}");
        assert!(ask(at, "/health").await.contains(r#""status":"ok""#));
        for nonsense in ["/a", "/b"] {
            assert!(ask(at, nonsense).await.starts_with("HTTP/1.1 404 "));
        }
        let answer = ask(metrics_at, "/metrics").await;
        for line in [
            r#"http_requests_total{path="/",status="200"} 1"#,
            r#"http_requests_total{path="/health",status="200"} 1"#,
            r#"http_requests_total{path="other",status="404"} 2"#,
            "\nuptime_seconds ",
            "\n# EOF\n",
        ] {
            assert!(answer.contains(line), "no {line:?} in {answer}");
        }
        stop.cancel();
        assert!(web.await.unwrap().unwrap());
        assert_eq!(metrics.served(), 4);
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered() {
        let (began, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let slow = {
            let (began, may_end) = (Arc::clone(&began), Arc::clone(&may_end));
            || async move {
                began.add_permits(1);
                may_end.acquire().await.unwrap().forget();
                "done"
            }
        };
        let stop = CancellationToken::new();
        let (listener, at) = listen().await;
        let server = serve(listener, Router::new().route("/slow", get(slow)), stop.clone());
        let server = tokio::spawn(server);
        let answer = tokio::spawn(async move { ask(at, "/slow").await });
        began.acquire().await.unwrap().forget();
        stop.cancel();
        may_end.add_permits(1);
        assert!(answer.await.unwrap().ends_with("done"));
        assert!(server.await.unwrap().unwrap());
        assert!(TcpStream::connect(at).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_never_ends_its_request_does_not_hold_the_server() {
        let began = Arc::new(Semaphore::new(0));
        let endless = {
            let began = Arc::clone(&began);
            || async move {
                began.add_permits(1);
                std::future::pending::<()>().await;
            }
        };
        let stop = CancellationToken::new();
        let (listener, at) = listen().await;
        let server = serve(listener, Router::new().route("/", get(endless)), stop.clone());
        let server = tokio::spawn(server);
        tokio::spawn(ask(at, "/"));
        began.acquire().await.unwrap().forget();
        stop.cancel();
        // With nothing else to do, a paused clock goes on by itself.
        tokio::time::pause();
        assert!(!server.await.unwrap().unwrap());
    }
    #[test]
    fn a_run_that_is_cancelled_stops_within_its_grace_and_reports() {
        const HOUR: Duration = Duration::from_hours(1);
        let sink = TestSink::new();
        let finished = TestRun::of("web_server").cancel_after(HOUR).sink(&sink).run();
        assert_eq!(finished.status(), EndStatus::Cancelled);
        assert_eq!(finished.failure().message, "the run was cancelled", "it stopped by itself");
        let result: serde_json::Value = finished.result();
        assert_eq!((&result["requests"], &result["drained"]), (&0.into(), &true.into()));
        let served = finished.elapsed(Phase::Execute).unwrap();
        assert!((HOUR..=HOUR + DRAIN_TIME).contains(&served), "{served:?}");
        assert_eq!(sink.files(), Vec::<String>::new(), "it delivers nothing");
    }
}

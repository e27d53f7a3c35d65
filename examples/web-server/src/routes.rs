//! What is answered on the two ports.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The path under which requests are counted for which there is no route. Counting the paths as
/// they were requested would let clients create any number of metrics.
const OTHER_PATHS: &str = "other";

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct App {
    metrics: Arc<Metrics>,
    message: String,
    stop: CancellationToken,
}

#[derive(Serialize)]
struct Welcome {
    message: String,
    requests: u64,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    uptime_seconds: f64,
}

/// The port `web`, until the job is cancelled.
pub(crate) fn web(metrics: &Arc<Metrics>, message: &str, stop: CancellationToken) -> Router {
    let app = App { metrics: Arc::clone(metrics), message: message.into(), stop };
    let routes = Router::new()
        .route("/", get(welcome))
        .route("/health", get(health))
        .route("/echo", get(open_echo));
    routes.with_state(app).layer(from_fn_with_state(Arc::clone(metrics), count))
}

/// The port `metrics`. Its requests are not counted: they come from machines, forever.
pub(crate) fn metrics(metrics: &Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(render)).with_state(Arc::clone(metrics))
}

async fn welcome(State(app): State<App>) -> Json<Welcome> {
    Json(Welcome { requests: app.metrics.served(), message: app.message })
}

async fn health(State(app): State<App>) -> Json<Health> {
    Json(Health { status: "ok", uptime_seconds: app.metrics.uptime().as_secs_f64() })
}

async fn open_echo(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| echo(socket, app.stop))
}

/// Sends back what comes, until the client leaves or the job is cancelled.
async fn echo(mut socket: WebSocket, stop: CancellationToken) {
    let echoing = async {
        while let Some(Ok(message)) = socket.recv().await {
            // The library answers all others itself.
            let is_said = matches!(message, Message::Text(_) | Message::Binary(_));
            if is_said && socket.send(message).await.is_err() {
                return;
            }
        }
    };
    if stop.run_until_cancelled(echoing).await.is_none() {
        // The client may be leaving at the same time.
        let _ = socket.send(Message::Close(None)).await;
    }
}

async fn render(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let path = route.map_or(OTHER_PATHS, MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    metrics.count(path, response.status().as_u16());
    response
}

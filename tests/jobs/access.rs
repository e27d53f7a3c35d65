//! Jobs that clients can reach while they run.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chutes::prelude::*;
use futures_util::{Stream, StreamExt, stream};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, broadcast};

/// How many bytes `/download` sends at a time.
const PIECE: usize = 64 * 1024;

/// What may be chosen about `serves`.
#[derive(Deserialize)]
#[serde(default)]
struct Behaviour {
    /// Whether `/health` says 200 from the beginning, or only after a POST to `/healthy`.
    healthy: bool,
    /// Whether it listens on a port that it has not declared, and reports its number.
    undeclared: bool,
    /// For the hooks, which look for it in the text.
    #[serde(rename = "hooks")]
    _hooks: Vec<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { healthy: true, undeclared: false, _hooks: Vec::new() }
    }
}

#[derive(Clone)]
struct App {
    healthy: Arc<AtomicBool>,
    /// How often `/health` was asked for.
    asked: Arc<AtomicU32>,
    ends: Arc<Notify>,
    ticks: broadcast::Sender<()>,
}

/// Opens its ports and serves until it is cancelled: a web server on `web`, what comes in on `echo` and
/// on `beacon` goes back.
#[job(
    ports = [http("web", 8080, ready = "/health"), tcp("echo", 9000), udp("beacon", 9100)],
    ssh = true
)]
async fn serves(ctx: JobContext, behaviour: Behaviour) -> Result<(), JobError> {
    let checkpoint: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(ctx.output_dir().join("checkpoint-1.bin"), checkpoint)?;
    let [web, echo] = [ctx.port("web")?.bind_tcp().await?, ctx.port("echo")?.bind_tcp().await?];
    let beacon = ctx.port("beacon")?.bind_udp().await?;
    let _undeclared = if behaviour.undeclared {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("undeclared: {}", listener.local_addr()?);
        Some(listener)
    } else {
        None
    };
    let app = App {
        healthy: Arc::new(behaviour.healthy.into()),
        asked: Arc::default(),
        ends: Arc::default(),
        ticks: broadcast::Sender::new(16),
    };
    println!("serving");
    tokio::select! {
        ended = axum::serve(web, routes(app.clone())).into_future() => ended?,
        ended = answer_connections(echo) => ended?,
        ended = answer_datagrams(beacon) => ended?,
        () = app.ends.notified() => {}
        () = ctx.cancellation().cancelled() => {}
    }
    Ok(())
}

/// What [`opens_ports`] does with its ports.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Opening {
    /// Nothing, and it completes.
    Nothing,
    /// Nothing, and it fails.
    NothingAndFails,
    /// Nothing, until it is cancelled or its time is over.
    NothingForEver,
    /// It opens both by its context, for a moment.
    Briefly,
    /// It opens one by itself, until a client connects.
    UntilAsked,
    /// It opens one by itself, at every address, until a client connects.
    Everywhere,
}

/// Declares two ports.
#[job(ports = [http("web", 8080), udp("beacon", 9100)])]
async fn opens_ports(ctx: JobContext, how: Opening) -> Result<(), JobError> {
    println!("it runs");
    let address = ctx.port("web")?.address();
    match how {
        Opening::Nothing => Ok(()),
        Opening::NothingAndFails => Err("it has failed".into()),
        Opening::NothingForEver => {
            ctx.cancelled().await;
            Ok(())
        }
        Opening::Briefly => {
            ctx.port("web")?.bind_tcp().await?;
            ctx.port("beacon")?.bind_udp().await?;
            Ok(())
        }
        Opening::UntilAsked => {
            TcpListener::bind(address).await?.accept().await?;
            Ok(())
        }
        Opening::Everywhere => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await?.accept().await?;
            Ok(())
        }
    }
}

async fn answer_connections(listener: TcpListener) -> io::Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        tokio::spawn(echo(connection));
    }
}

async fn answer_datagrams(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 1_500];
    loop {
        let (count, peer) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..count], peer).await?;
    }
}

/// A client that is gone is no problem.
async fn echo(connection: impl AsyncRead + AsyncWrite) {
    let (mut read, mut write) = tokio::io::split(connection);
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

fn routes(app: App) -> Router {
    Router::new()
        .route("/", get(async || "a page\n"))
        .route("/health", get(health))
        .route(
            "/asked",
            get(async |State(app): State<App>| app.asked.load(Ordering::SeqCst).to_string()),
        )
        .route(
            "/healthy",
            post(async |State(app): State<App>| app.healthy.store(true, Ordering::SeqCst)),
        )
        .route("/end", post(async |State(app): State<App>| app.ends.notify_one()))
        .route("/die", post(die))
        .route("/environment", get(environment))
        .route("/tick", post(async |State(app): State<App>| drop(app.ticks.send(()))))
        .route("/events", get(events))
        .route("/echo", get(upgrade))
        .route("/upload", post(upload).put(upload))
        .route("/download/{pieces}", get(download))
        .with_state(app)
}

async fn health(State(app): State<App>) -> StatusCode {
    app.asked.fetch_add(1, Ordering::SeqCst);
    if app.healthy.load(Ordering::SeqCst) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// Ends the process.
async fn die() {
    std::process::abort()
}

/// What a program that the job starts has in its environment.
async fn environment() -> Result<String, StatusCode> {
    let output = tokio::process::Command::new("env").output().await;
    let output = output.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One event at once, and one for each tick.
async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold((0_u32, app.ticks.subscribe()), async |(count, mut ticks)| {
        if count > 0 {
            ticks.recv().await.ok()?;
        }
        Some((Ok(Event::default().data(format!("event {count}"))), (count + 1, ticks)))
    });
    Sse::new(events)
}

/// What comes in goes back, from the change of protocols on.
async fn upgrade(mut request: Request) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(connection) = upgraded.await {
            echo(TokioIo::new(connection)).await;
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "test-echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// How much has come, and its checksum.
async fn upload(body: Body) -> Result<String, StatusCode> {
    let (mut count, mut hash) = (0, Sha256::new());
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        count += piece.len();
        hash.update(&piece);
    }
    Ok(format!("{count} {:02x?}", &hash.finalize()[..]))
}

/// So many pieces. Each begins with its number in eight bytes, and has the lowest of them everywhere else.
async fn download(Path(pieces): Path<u64>) -> Body {
    let pieces = (0..pieces).map(|number| {
        let number = number.to_le_bytes();
        let mut piece = vec![number[0]; PIECE];
        piece[..8].copy_from_slice(&number);
        Ok::<_, Infallible>(Bytes::from(piece))
    });
    Body::from_stream(stream::iter(pieces))
}

//! A server that speaks S3 and keeps its objects in a folder: what the benchmarks upload to.
//!
//! `s3-server FOLDER` serves on a port of 127.0.0.1 that is free, prints its URL, and ends when its
//! standard input does. Each folder in `FOLDER` is a bucket. Key id and secret are both `benchmark`.

#![expect(clippy::print_stdout, reason = "the URL is what the program is asked for")]

use std::error::Error;
use std::io;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

/// The key id, and its secret. Every client that can reach the port can write into the folder.
const KEY: &str = "benchmark";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: s3-server FOLDER")?;
    let files = s3s_fs::FileSystem::new(folder).map_err(|error| format!("{error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(KEY, KEY));
    let service = service.build();
    std::thread::spawn(|| {
        // Nothing is written to it. It ends with the process that has started this server.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service.clone();
            tokio::spawn(async move {
                let http = Builder::new(TokioExecutor::new());
                // A client that breaks off is its own affair.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

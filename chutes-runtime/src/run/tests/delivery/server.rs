//! A server that takes every request to its end and answers it as a test wants.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// The status and the body of an answer.
pub(super) type Answer = (u16, String);

type Director = dyn Fn(&str) -> Answer + Send + Sync;

pub(super) struct Server {
    pub(super) url: Url,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `direct` answers by the first line of the request.
    pub(super) async fn start(direct: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path", listener.local_addr().unwrap());
        let (lines, direct): (_, Arc<Director>) = (Arc::default(), Arc::new(direct));
        let seen = Arc::clone(&lines);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(BufReader::new(stream), Arc::clone(&direct), Arc::clone(&seen)));
            }
        });
        Self { url: Url::parse(&url).unwrap(), lines }
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> usize {
        self.lines.lock().unwrap().len()
    }
}

async fn serve(
    mut stream: BufReader<TcpStream>,
    direct: Arc<Director>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    while let Some((line, length)) = head(&mut stream).await {
        tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await.unwrap();
        let (status, body) = direct(&line);
        seen.lock().unwrap().push(line);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// The first line of a request, and the length of its body. `None` when the connection has ended.
async fn head(stream: &mut BufReader<TcpStream>) -> Option<(String, u64)> {
    let (mut first, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await.ok().filter(|read| *read > 0);
        read?;
        let line = line.trim_end();
        if line.is_empty() {
            return Some((first?, length));
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.parse().unwrap();
        }
        first.get_or_insert(line.to_owned());
    }
}

//! A real S3 server, which checks signatures: `s3s` over a folder of its own.

mod sign;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

pub use self::sign::Presigned;

/// The id of the only key.
pub const ACCESS_KEY: &str = "AKIDTESTTESTTEST";
/// The secret of the only key.
pub const SECRET_KEY: &str = "very-secret-key-of-the-tests-0123456789";
/// The region that signatures are for.
pub const REGION: &str = "us-east-1";

/// The bucket that is there from the beginning.
pub const BUCKET: &str = "results";

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    folder: TempDir,
    traffic: Arc<Traffic>,
    /// `None` when it has ended.
    runtime: Option<Runtime>,
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Request {
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// `/bucket/key`, in percent-encoding.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
    /// The status of the answer.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Traffic {
    requests: Mutex<Vec<S3Request>>,
    /// How long each PUT waits before it is served, in milliseconds.
    delay: AtomicU64,
}

impl S3Server {
    /// Starts a server with one empty bucket, [`BUCKET`].
    pub fn start() -> Self {
        let folder = roomy_folder();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (service, traffic) = (service.build(), Arc::<Traffic>::default());
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, service, Arc::clone(&traffic)));
        Self { address, folder, traffic, runtime: Some(runtime) }
    }

    /// The endpoint, without a bucket.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables with which the job binary finds the server and may write to it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ENDPOINT_URL", self.url().as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        variables.into()
    }

    /// Where the objects of a bucket are kept, as files.
    pub fn folder(&self, bucket: &str) -> std::path::PathBuf {
        self.folder.path().join(bucket)
    }

    /// All objects of a bucket by their keys.
    pub fn files(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        add_files(&self.folder.path().join(bucket), "", &mut files);
        files
    }

    /// From now on each PUT waits this long before it is served.
    pub fn delay_puts(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.traffic.delay.store(delay, Ordering::Relaxed);
    }

    /// The requests that were answered, in the order of their answers.
    pub fn requests(&self) -> Vec<S3Request> {
        self.traffic.requests.lock().unwrap().clone()
    }

    /// How many PUTs were answered for each key of the bucket, parts of one file among them.
    pub fn puts(&self) -> BTreeMap<String, usize> {
        self.count(|request| request.method == "PUT")
    }

    /// How often each key of the bucket got its content: by one PUT, or by completing its parts.
    pub fn arrivals(&self) -> BTreeMap<String, usize> {
        self.count(|request| {
            let is_completion = request.method == "POST" && request.query.contains("uploadId=");
            let is_put = request.method == "PUT" && !request.query.contains("partNumber=");
            request.status == 200 && (is_put || is_completion)
        })
    }

    fn count(&self, is_counted: impl Fn(&S3Request) -> bool) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.requests().iter().filter(|request| is_counted(request)) {
            let key = request.path.strip_prefix(&format!("/{BUCKET}/"));
            *counts.entry(key.unwrap_or(&request.path).to_owned()).or_default() += 1;
        }
        counts
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A folder in memory if there is enough of it. Three files for each object take long on a disk.
fn roomy_folder() -> TempDir {
    const ENOUGH: u64 = 2_000_000_000;
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
    if room > ENOUGH { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn add_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let key = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            add_files(&entry.path(), &format!("{key}/"), files);
        } else {
            files.insert(key, fs::read(entry.path()).unwrap());
        }
    }
}

async fn accept(listener: TcpListener, service: S3Service, traffic: Arc<Traffic>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, service.clone(), Arc::clone(&traffic)));
    }
}

async fn serve(stream: TcpStream, service: S3Service, traffic: Arc<Traffic>) {
    let serve = service_fn(|request: hyper::Request<Incoming>| {
        let (service, traffic) = (service.clone(), Arc::clone(&traffic));
        async move {
            let (method, uri) = (request.method().to_string(), request.uri().clone());
            let delay = traffic.delay.load(Ordering::Relaxed);
            if method == "PUT" && delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            let answer = service.call(request.map(s3s::Body::from)).await?;
            let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
            let status = answer.status().as_u16();
            traffic.requests.lock().unwrap().push(S3Request { method, path, query, status });
            Ok::<_, s3s::HttpError>(answer)
        }
    });
    // The other side may be gone before its answer.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
}

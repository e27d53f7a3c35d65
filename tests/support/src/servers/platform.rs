//! The job API of the Chutes platform, as far as a running job uses it: with its order, its
//! states, and the answer 500 to a result that is not an object.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Act, Answer, HttpServer, Request, answer};

/// The token of the job, which only the supervisor may see.
pub const JOB_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.job-token-of-the-tests";

/// What the tokens of files begin with.
pub const FILE_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.file-token-of-the-tests";

/// How long uploads wait for each other.
const TOGETHER: Duration = Duration::from_secs(20);

/// The platform, with one job.
#[derive(Debug)]
pub struct Platform {
    /// The server that requests go to.
    pub server: HttpServer,
    job: Arc<(Mutex<Job>, Condvar)>,
}

/// What the platform knows about the job.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The state, in the words of the platform.
    pub status: String,
    /// The result that was reported.
    pub result: Value,
    /// The message of a failure.
    pub detail: Option<String>,
    /// The names of output files in the order in which they were reported.
    pub names: Vec<String>,
    /// What was uploaded, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Whether the job is over for the platform.
    pub is_finished: bool,
    /// What happened, in order.
    pub calls: Vec<String>,
    /// The most uploads at one time.
    pub most_at_a_time: usize,
    uploading: usize,
    /// Uploads wait until this many have come.
    together: usize,
    /// The kind of call whose next answer is lost.
    loses_answer_to: Option<&'static str>,
}

impl Platform {
    /// Starts a platform whose job is pending.
    pub fn start() -> Self {
        Self::holding(0)
    }

    /// A platform at which uploads wait until this many have come.
    pub fn holding(together: usize) -> Self {
        let job = Job { status: "pending".into(), together, ..Job::default() };
        let job = Arc::new((Mutex::new(job), Condvar::new()));
        let shared = Arc::clone(&job);
        let server = HttpServer::start(move |_| {
            let job = Arc::clone(&shared);
            Act::Decide(Box::new(move |request| {
                let answer = route(&job, request);
                let mut job = job.0.lock().unwrap();
                let is_lost = job.loses_answer_to.is_some()
                    && job.loses_answer_to == job.calls.last().map(String::as_str);
                if is_lost {
                    job.loses_answer_to = None;
                }
                (!is_lost).then_some(answer)
            }))
        });
        Self { server, job }
    }

    /// Loses the answer to the next call of this kind: `reported`, `upload` or `done`.
    pub fn lose_answer_to(&self, call: &'static str) {
        self.job.0.lock().unwrap().loses_answer_to = Some(call);
    }

    /// The status URL of the job, with its token.
    pub fn status_url(&self) -> String {
        self.server.url(&format!("/jobs/7?token={JOB_TOKEN}"))
    }

    /// The present state of the job.
    pub fn job(&self) -> Job {
        self.job.0.lock().unwrap().clone()
    }
}

fn route(shared: &(Mutex<Job>, Condvar), request: &Request) -> Answer {
    let token = request.token().unwrap_or_default();
    match (request.method.as_str(), request.path()) {
        ("POST" | "PUT", "/jobs/7") if token != JOB_TOKEN => refusal(401, "Invalid token"),
        ("POST", "/jobs/7") => reported(&mut shared.0.lock().unwrap(), request),
        ("PUT", "/jobs/7") => done(&mut shared.0.lock().unwrap(), request),
        ("PUT", "/jobs/7/upload") => upload(shared, request, token),
        _ => refusal(404, "Not Found"),
    }
}

fn refusal(status: u16, detail: &str) -> Answer {
    answer(status, "Content-Type: application/json\r\n", &json!({"detail": detail}).to_string())
}

fn granted(body: &Value) -> Answer {
    answer(200, "Content-Type: application/json\r\n", &body.to_string())
}

/// The report that the job has ended.
fn reported(job: &mut Job, request: &Request) -> Answer {
    if job.is_finished {
        return refusal(400, "Job already finished");
    }
    let Ok(Value::Object(mut report)) = serde_json::from_slice(&request.body) else {
        return refusal(422, "not an object");
    };
    job.calls.push("reported".into());
    let names = report.remove("output_filenames").unwrap_or_else(|| json!([]));
    job.names = serde_json::from_value(names).unwrap();
    let text = |value: Value| value.as_str().map(str::to_owned);
    job.status = report.remove("status").and_then(text).unwrap_or_else(|| "error".into());
    if job.status == "complete" && !job.names.is_empty() {
        job.status = "complete_pending_uploads".into();
    }
    job.result = report.remove("result").unwrap_or_else(|| json!("error"));
    job.detail = report.remove("detail").and_then(text);
    assert!(report.is_empty(), "the platform does not know {report:?}");
    let host = request.header("host").unwrap();
    let url = |at: usize| format!("http://{host}/jobs/7/upload?token={FILE_TOKEN}-{at}");
    let names = job.names.iter().enumerate();
    let urls: serde_json::Map<_, _> =
        names.map(|(at, name)| (name.clone(), url(at).into())).collect();
    response(job, &Value::Object(urls))
}

/// The model of the answer of the platform has no field for a result that is not an object.
fn response(job: &Job, urls: &Value) -> Answer {
    if !job.result.is_object() && !job.result.is_null() {
        return answer(500, "", "Internal Server Error");
    }
    granted(&json!({"job_id": "7", "result": job.result, "output_storage_urls": urls}))
}

/// The report that all uploads have been made.
fn done(job: &mut Job, request: &Request) -> Answer {
    if job.is_finished {
        return refusal(400, "Job already finished");
    }
    assert_eq!(request.body, br#"{"status":"done"}"#);
    job.calls.push("done".into());
    let missing: Vec<_> = job.names.iter().filter(|name| !job.files.contains_key(*name)).collect();
    let problem = format!("Failed to upload files: {missing:?}");
    if missing.is_empty() && job.status.starts_with("complete") {
        job.status = "complete".into();
    } else if !missing.is_empty() {
        if job.status.starts_with("complete") {
            job.status = "partial_failure".into();
        }
        job.detail = Some(problem);
    }
    job.is_finished = true;
    response(job, &Value::Null)
}

fn upload(shared: &(Mutex<Job>, Condvar), request: &Request, token: &str) -> Answer {
    let (job, changed) = shared;
    let mut job = job.lock().unwrap();
    let at = token.strip_prefix(&format!("{FILE_TOKEN}-")).and_then(|at| at.parse().ok());
    let Some(name) = at.and_then(|at: usize| job.names.get(at).cloned()) else {
        return refusal(401, "Invalid token");
    };
    if job.is_finished {
        return refusal(400, "Job already finished");
    }
    job.uploading += 1;
    job.most_at_a_time = job.most_at_a_time.max(job.uploading);
    changed.notify_all();
    let are_few = |job: &mut Job| job.most_at_a_time < job.together;
    let (mut job, _) = changed.wait_timeout_while(job, TOGETHER, are_few).unwrap();
    job.uploading -= 1;
    let (path, content) = form(request);
    assert_eq!(path, name, "the token is that of another file");
    job.files.insert(name.clone(), content);
    job.calls.push("upload".into());
    granted(&json!({"status": "success", "filename": name, "path": name, "uploaded": true}))
}

/// The parts of the form: `file`, then `path`. The content is between the two heads and boundaries.
fn form(request: &Request) -> (String, Vec<u8>) {
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = &request.body;
    let find = |text: &str, from: usize| {
        let mut windows = body[from..].windows(text.len());
        from + windows.position(|window| window == text.as_bytes()).unwrap()
    };
    let begin = find("\r\n\r\n", 0) + 4;
    let head = str::from_utf8(&body[..begin]).unwrap();
    assert!(head.starts_with(&format!("--{boundary}\r\n")), "{head}");
    assert!(head.contains("name=\"file\"; filename=\""), "{head}");
    let end = find(&format!("\r\n--{boundary}\r\n"), begin);
    let rest = str::from_utf8(&body[end..]).unwrap();
    let (head, rest) = rest[2..].split_once("\r\n\r\n").unwrap();
    assert!(head.contains("name=\"path\""), "{head}");
    let path = rest.strip_suffix(&format!("\r\n--{boundary}--\r\n")).unwrap();
    (path.to_owned(), body[begin..end].to_vec())
}

//! Connections to the job that are kept for more requests of the same client.

use http_body_util::Empty;

use super::*;

/// Answers a request with this text.
async fn answer_next(job: &mut TcpStream, text: &str) -> String {
    let head = soon(read_head(job)).await;
    job.write_all(text.as_bytes()).await.unwrap();
    head
}

const NO_CONTENT: &str = "HTTP/1.1 204 No\r\n\r\n";

/// The status of the answer to a request without a body.
async fn status(sender: &mut SendRequest<Empty<Bytes>>, method: &str) -> u16 {
    let request = Request::builder().method(method).uri("https://run.example/path?q=1");
    let request = request.body(Empty::new()).unwrap();
    let answer = soon(sender.send_request(request)).await.unwrap();
    let status = answer.status().as_u16();
    soon(answer.into_body().collect()).await.unwrap();
    status
}

#[tokio::test]
async fn connections_to_the_job_are_kept_for_the_same_client() {
    let bench = TestFront::open_to_all().await;
    let mut sender = connect_for(&bench).await;
    let serving = async {
        let mut job = bench.accept().await;
        answer_next(
            &mut job,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        )
        .await;
        for _ in 0..3 {
            let head = answer_next(&mut job, NO_CONTENT).await;
            assert!(head.starts_with("GET /path"), "{head}");
        }
        job
    };
    let asking = async {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(status(&mut sender, "GET").await);
        }
        all
    };
    let (mut job, all) = tokio::join!(serving, asking);
    assert_eq!(all, [200, 204, 204, 204]);
    // A request that must not be repeated gets a connection of its own, and so does one of another client.
    for (sender, method) in [(&mut sender, "POST"), (&mut connect_for(&bench).await, "GET")] {
        let asking = status(sender, method);
        let serving = async { answer_next(&mut bench.accept().await, NO_CONTENT).await };
        let (head, status) = tokio::join!(serving, asking);
        assert!(head.starts_with(method) && status == 204);
    }
    drop((sender, bench));
    assert_eq!(soon(job.read(&mut [0; 10])).await.unwrap_or(0), 0, "it ends with its client");
}

/// A job may close a connection at any moment, also when a request is under way.
#[tokio::test]
async fn a_kept_connection_that_the_job_closes() {
    for reads_the_request in [false, true] {
        let bench = TestFront::open_to_all().await;
        let mut sender = connect_for(&bench).await;
        let serving = async {
            let mut first = bench.accept().await;
            answer_next(&mut first, NO_CONTENT).await;
            if reads_the_request {
                soon(read_head(&mut first)).await;
            }
            drop(first);
            answer_next(&mut bench.accept().await, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await;
        };
        let asking =
            async { [status(&mut sender, "GET").await, status(&mut sender, "HEAD").await] };
        let ((), all) = tokio::join!(serving, asking);
        assert_eq!(all, [204, 200]);
    }
}

#[tokio::test]
async fn a_kept_connection_without_requests_is_closed() {
    let limits = FrontLimits { kept_time: Duration::from_millis(20), ..FrontLimits::default() };
    let bench = TestFront::new(None, limits).await;
    let mut sender = connect_for(&bench).await;
    let serving = async {
        let mut job = bench.accept().await;
        answer_next(&mut job, NO_CONTENT).await;
        soon(job.read(&mut [0; 10])).await.unwrap_or(0)
    };
    let (end, status) = tokio::join!(serving, status(&mut sender, "GET"));
    assert_eq!((end, status), (0, 204));
}

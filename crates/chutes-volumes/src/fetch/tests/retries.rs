//! What is said of files that are tried again, and what a deadline does.

use std::time::Duration;

use backon::ExponentialBuilder;
use tokio::time::Instant;

use super::*;

/// A fixture whose pauses are as long as they can be, with this much time.
fn within(time: Duration) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.settings.retry = chutes_transfer::RetryPolicy { random: || 1.0, ..Default::default() };
    fixture.control.deadline = Some(Instant::now() + time);
    fixture
}

#[tokio::test]
async fn what_is_tried_again_is_said_with_its_cause() {
    let server = Server::of(vec![status(503), status(503), plain(b"1")]).await;
    let fixture = Fixture::new();
    fixture.fetch(vec![at("a", file(&server, "/x?sig=abcdef123"))]).await.unwrap();
    let url = server.url.join("/x").unwrap();
    let expected = format!(
        "fetching /volume/a: GET {url} was answered with 503 Service Unavailable; attempt 1 failed, the next \
         one is in 1s"
    );
    // The second one is not due yet.
    assert_eq!(fixture.warnings(), [expected]);
}

/// Not only for files: also for the list of those of a repository.
#[tokio::test]
async fn the_deadline_names_url_error_and_attempts() {
    let server = Server::of(vec![Act::Answer(503, String::new(), b"SlowDown".into())]).await;
    let url = |path: &str| server.url.join(path).unwrap();
    for (volume, path) in
        [(file(&server, "/x?sig=abcdef123"), "/x"), (repository(), "/api/models/a/b/revision/main")]
    {
        let mut fixture = within(Duration::from_hours(1));
        // The second pause would be longer than the time that is left.
        fixture.settings.retry.delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(1))
            .with_factor(1e9)
            .with_max_delay(Duration::from_hours(2));
        fixture.settings.hub.endpoint = url("/");
        let error = fixture.fetch(vec![at("a", volume)]).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::TimeLimit, "{error}");
        assert!(error.message.starts_with("/volume/a: "), "{error}");
        let expected = format!(
            "GET {} was answered with 503 Service Unavailable: SlowDown (after 2 attempts); there is no time \
             left to try again",
            url(path)
        );
        assert!(error.message.contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn what_is_going_on_can_be_asked_for() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/bad" => status(503),
        _ => Act::Hang(Vec::new()),
    })
    .await;
    let fixture = within(Duration::from_hours(1));
    let volumes = ["/x", "/bad"].map(|path| at(&path[1..], file(&server, path)));
    let ongoing = &fixture.control.ongoing;
    let (fetched, summary) = tokio::join!(fixture.fetch(volumes.into()), async {
        server.arrived(3).await;
        let summary = ongoing.summary();
        fixture.control.stop.cancel();
        summary
    });
    assert_eq!(fetched, Err(stopped()));
    let url = server.url.join("/bad").unwrap();
    let expected = format!(
        "/volume/bad: GET {url} was answered with 503 Service Unavailable (after 1 attempt); one more was under \
         way"
    );
    assert_eq!(summary, Some(expected));
    assert_eq!(ongoing.summary(), None);
}

/// Also what is done with a file that has come.
#[tokio::test]
async fn unpacking_is_listed_as_well() {
    let (fixture, abort) = (Fixture::new(), FetchAbort::default());
    let inputs = fixture.folder.path().join("inputs");
    let fetcher = Fetcher {
        inputs: Arc::new(Dir::open_ambient_dir(inputs, ambient_authority()).unwrap()),
        client: Client::new(&fixture.settings, &abort).unwrap().controlled(&fixture.control),
        cache: None,
        permits: Semaphore::new(1),
        abort,
        events: EventReporter::none(),
    };
    let download = Download { fetcher, settings: &fixture.settings };
    let progress = Progress::new(EventReporter::none(), "/volume/a".into());
    let seen = Arc::new(Mutex::new(None));
    let (kept, ongoing) = (seen.clone(), fixture.control.ongoing.clone());
    let archive = move || {
        *kept.lock().unwrap() = ongoing.summary();
        Err(VolumeError::platform("the archive is not needed"))
    };
    download.unpack(archive, None, &progress).await.unwrap_err();
    let expected = "/volume/a: unpacking the zip file had not come to its end";
    assert_eq!(seen.lock().unwrap().as_deref(), Some(expected));
}

/// More often than there are attempts, because it is the server that asks for them.
#[tokio::test]
async fn rate_limits_are_waited_for() {
    let limited = |header: &str| Act::Answer(429, format!("{header}\r\n"), Vec::new());
    let acts = vec![
        limited("Retry-After: 1"),
        limited("RateLimit: \"resolvers\";r=0;t=1"),
        limited("X-RateLimit-Reset: 1"),
        plain(b"1"),
    ];
    let server = Server::of(acts).await;
    let mut fixture = within(Duration::from_hours(1));
    fixture.settings.retry.delays = settings().retry.delays.with_max_times(0);
    let begin = Instant::now();
    fixture.fetch(vec![at("a", file(&server, "/x"))]).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(3));
    assert_eq!(fixture.files(), files(&[("a", "1")]));
}

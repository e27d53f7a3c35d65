//! Files that are sent at once although they are larger than a part.

use std::sync::atomic::{AtomicUsize, Ordering};

use chutes_test_support::servers::upload::{Act, Server, answer};
use futures_util::future::join_all;

use super::s3::{lines, parts, parts_by, s3_of};
use super::*;

const SIZES: Sizes = Sizes { whole: 2 * MIB, part: MIB, memory: 4 };

fn granted() -> Act {
    Act::Answer(200, "ETag: \"1\"\r\n".into(), String::new())
}

/// So many bytes, which differ.
fn bytes(count: u64) -> Vec<u8> {
    large().into_iter().take(usize::try_from(count).unwrap()).collect()
}

#[tokio::test]
async fn only_what_is_larger_goes_in_parts() {
    for (size, expected) in [(0, 1), (MIB + 1, 1), (2 * MIB, 1), (2 * MIB + 1, 3)] {
        let server = parts(granted()).await;
        let file = source(b"a", &bytes(size));
        s3_of(&server, SIZES).send(&file).await.unwrap();
        assert_eq!(lines(&server, "PUT").len(), expected, "{size} bytes");
        assert_eq!(lines(&server, "POST").is_empty(), expected == 1, "{size} bytes");
        assert_eq!(sent(&file), size);
    }
}

#[tokio::test]
async fn what_was_refused_is_sent_again_whole() {
    for refusal in [answer(503), Act::Reset(1_000_000)] {
        let server = Server::of(vec![refusal, granted()]).await;
        let (sink, file) = (s3_of(&server, SIZES), source(b"a", &bytes(2 * MIB)));
        let error = sink.send(&file).await.unwrap_err();
        assert!(error.is_transient, "{error}");
        assert_eq!(sink.kept(&file), 0);
        sink.send(&file).await.unwrap();
        assert!(server.requests().pop().unwrap().body == bytes(2 * MIB));
    }
}

/// What watches for a standstill sees a slow upload move, before there is an answer.
#[tokio::test]
async fn what_is_on_its_way_is_counted() {
    let server = parts(Act::Stall(100_000)).await;
    let (sink, file) = (s3_of(&server, SIZES), source(b"a", &bytes(2 * MIB)));
    let counted = async {
        while sent(&file) < 100_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        result = sink.send(&file) => panic!("{result:?}"),
        () = counted => {}
    }
}

#[tokio::test]
async fn two_fill_the_memory() {
    let come = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&come);
    let server = parts_by(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        Act::Stall(0)
    })
    .await;
    let sink = s3_of(&server, SIZES);
    let files: Vec<_> = (b'a'..=b'f').map(|name| source(&[name], &bytes(2 * MIB))).collect();
    let two_have_come = async {
        while come.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        sink.memory.available_permits()
    };
    tokio::select! {
        results = join_all(files.iter().map(|file| sink.send(file))) => panic!("{results:?}"),
        left = two_have_come => assert_eq!(left, 0),
    }
}

/// Neither waits for memory that it keeps from the other.
#[tokio::test]
async fn whole_files_and_parts_share_the_memory() {
    let server = parts(granted()).await;
    let sink = s3_of(&server, SIZES);
    let sizes = (0..12).map(|number| if number % 2 == 0 { 2 * MIB } else { 2 * MIB + 1 });
    let files = sizes.zip(b'a'..).map(|(size, name)| source(&[name], &bytes(size)));
    let files: Vec<_> = files.collect();
    let results = join_all(files.iter().map(|file| sink.send(file))).await;
    assert_eq!(results, vec![Ok(()); 12]);
    assert_eq!(sink.memory.available_permits(), 4);
}

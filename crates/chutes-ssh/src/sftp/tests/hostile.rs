//! Packets that no honest client sends.

use std::io::{Read, Write};
use std::net::Shutdown;

use proptest::prelude::*;

use super::client::*;
use super::*;

/// Sends bytes, closes, and returns all answers after the server has ended.
fn answers_to(bytes: &[u8]) -> Vec<u8> {
    let (_folder, tree) = with_mounts();
    let (server, mut stream) = Server::start(tree);
    let mut reader = stream.try_clone().unwrap();
    let answers = spawn(move || {
        let mut answers = Vec::new();
        reader.read_to_end(&mut answers).map(|_| answers)
    });
    // The server may close before all bytes are sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    server.ended();
    answers.join().unwrap().unwrap_or_default()
}

fn packet(kind: u8, fields: &[u8]) -> Vec<u8> {
    let length = u32::try_from(fields.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], fields].concat()
}

#[test]
fn a_request_that_is_too_long_is_the_last() {
    // The contents of a long request must not be taken for requests.
    let remove = packet(REMOVE, &Fields::default().number(1).text("/output/file").0);
    let (folder, tree) = with_mounts();
    let (server, mut stream) = Server::start(tree);
    stream.write_all(&(MAX_PACKET_BYTES + 1).to_be_bytes()).unwrap();
    let _ = stream.write_all(&remove);
    let _ = stream.shutdown(Shutdown::Write);
    server.ended();
    assert!(folder.path().join("output/file").exists());
}

#[test]
fn the_server_goes_on_after_an_invalid_request() {
    let init = packet(INIT, &[0, 0, 0, 3]);
    let empty = 0_u32.to_be_bytes();
    let unknown = packet(99, &[0, 0, 0, 7]);
    let cut = packet(STAT, &Fields::default().number(1).number(u32::MAX).0);
    let stat = packet(STAT, &Fields::default().number(5).text("/output/file").0);
    let answers = answers_to(&[init, empty.to_vec(), unknown, cut, stat].concat());
    let mut kinds = Vec::new();
    let mut rest = &answers[..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (packet, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        kinds.push(packet[0]);
        rest = after;
    }
    assert_eq!(kinds, [2, 101, 101, 101, 105]);
}

#[test]
fn a_request_that_is_cut_off_is_not_executed() {
    let (folder, tree) = with_mounts();
    let (server, mut stream) = Server::start(tree);
    let remove = packet(REMOVE, &Fields::default().number(1).text("/output/file").0);
    stream.write_all(&remove[..remove.len() - 1]).unwrap();
    drop(stream);
    server.ended();
    assert!(folder.path().join("output/file").exists());
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u32>().prop_map(|number| number.to_be_bytes().to_vec()),
        any::<u64>().prop_map(|number| number.to_be_bytes().to_vec()),
        prop::sample::select(vec![
            "/output/file",
            "1",
            "2",
            "/",
            "limits@openssh.com",
            "hardlink@openssh.com"
        ])
        .prop_map(|text| Fields::default().text(text).0),
        prop::collection::vec(any::<u8>(), 0..40),
        (0_u32..64).prop_map(|number| number.to_be_bytes().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With arbitrary bytes, the server ends, and its answers are small.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(answers_to(&bytes).len() <= 100_000);
    }

    /// Each packet of a known kind with arbitrary fields is answered, possibly with an error.
    #[test]
    fn any_packets(packets in prop::collection::vec((prop_oneof![1_u8..21, Just(200)], prop::collection::vec(field(), 0..6)), 0..20)) {
        let bytes: Vec<_> = packets.iter().flat_map(|(kind, fields)| packet(*kind, &fields.concat())).collect();
        let answers = answers_to(&bytes);
        let mut rest = &answers[..];
        let mut count = 0;
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length);
            prop_assert!(length <= MAX_PACKET_BYTES);
            rest = &after[length as usize..];
            count += 1;
        }
        prop_assert_eq!(count, packets.len());
    }
}

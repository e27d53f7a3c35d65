//! Random requests. Every secret in one has the word `secret` in it.

use std::net::IpAddr;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::super::*;
use crate::spec::tests::random::spec;

/// A path of any bytes.
#[cfg(unix)]
fn path() -> impl Strategy<Value = PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    vec(prop_oneof![Just(b'%'), Just(b'/'), 1_u8..], 1..20)
        .prop_map(|bytes| std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path() -> impl Strategy<Value = PathBuf> {
    "[a-z%/é]{1,20}".prop_map(PathBuf::from)
}

fn sink() -> impl Strategy<Value = SinkSpec> {
    let texts = prop_oneof![
        "[a-z]{1,4}=https://u:secret@h/[a-z]{0,4}\\?secret",
        "zip\\+https://h/[a-z]{0,4}\\?secret",
        "s3://bucket/[a-z]{1,4}/\\{run_id\\}",
        r#"\{"status_url":"https://h/[a-z]{1,4}\?secret"\}"#,
        r#"\{"url":"https://h/","file":"[a-z]{1,4}","method":"POST","fields":\{"k":"secret"\}\}"#,
    ];
    prop_oneof![texts.prop_map(|text| text.parse().unwrap()), path().prop_map(SinkSpec::directory)]
}

fn access() -> impl Strategy<Value = AccessRequest> {
    let names = option::of("[a-z0-9]{1,5}(\\.[a-z0-9]{1,5}){0,2}");
    (any::<IpAddr>(), names, any::<u16>()).prop_map(|(host, public_host, streaming_port)| {
        AccessRequest { host, public_host, streaming_port }
    })
}

fn cache() -> impl Strategy<Value = CacheRequest> {
    (option::of(path()), option::of(1_u64..), any::<bool>())
        .prop_map(|(dir, size, enabled)| CacheRequest { dir, size, enabled })
}

fn engine() -> impl Strategy<Value = EngineRequest> {
    let hosts = option::of("(unix:///[a-z]{1,5}|tcp://(u:secret@)?h:1(\\?secret)?)");
    let policies = prop::sample::select(PullPolicy::ALL.to_vec());
    (hosts, policies).prop_map(|(host, pull)| EngineRequest { host, pull })
}

fn range() -> impl Strategy<Value = AddressRange> {
    let networks = (any::<u32>(), 0_u32..=32).prop_map(|(address, bits)| {
        let first = address & u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        format!("{}/{bits}", IpAddr::from(first.to_be_bytes()))
    });
    let addresses = any::<IpAddr>().prop_map(|address| address.to_string());
    prop_oneof![networks, addresses].prop_map(|text| text.parse().unwrap())
}

fn labels() -> impl Strategy<Value = BTreeMap<LabelName, String>> {
    let names =
        "[a-zA-Z0-9]([a-z._-]{0,5}[a-z0-9])?".prop_map(|name| LabelName::new(name).unwrap());
    btree_map(names, "[^\\p{Cc}]{0,9}", 0..5)
}

fn trace_parent() -> impl Strategy<Value = Option<TraceParent>> {
    any::<([u8; 16], [u8; 8], u8)>()
        .prop_map(|(trace_id, parent_id, flags)| TraceParent::new(trace_id, parent_id, flags).ok())
}

/// A good request.
pub(super) fn request() -> impl Strategy<Value = RunRequest> {
    let begin = (any::<[u8; 16]>(), spec(), path());
    let attempt = (1_u32..).prop_map(|number| Attempt::new(number).unwrap());
    let files = (vec(sink(), 0..4), any::<bool>(), option::of(1_024_u64..));
    let places = (access(), cache(), vec(range(), 0..3), engine());
    let origin = (labels(), trace_parent(), option::of("[^\\p{Cc}]{1,9}"));
    (begin, attempt, files, places, origin).prop_map(
        |((id, spec, directory), attempt, (sinks, live, log_limit), places, origin)| {
            let (access, cache, allowed_addresses, engine) = places;
            let (labels, trace_parent, requested_by) = origin;
            RunRequest {
                attempt,
                sinks,
                live,
                access,
                cache,
                allowed_addresses,
                engine,
                log_limit,
                labels,
                trace_parent,
                requested_by,
                ..RunRequest::new(RunId::from_bytes(id), spec, directory)
            }
        },
    )
}

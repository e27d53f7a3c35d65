//! Presigned URLs and forms: signature version 4, as the documentation of S3 describes it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chutes_core::Sha256Digest;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, BUCKET, REGION, S3Server, SECRET_KEY};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a presigned URL or form allows: one key, from a time on, for a number of seconds.
#[derive(Clone, Copy, Debug)]
pub struct Presigned<'a> {
    /// Letters, digits, `/`, `-`, `_` and `.` only: they are the same in percent-encoding.
    pub key: &'a str,
    /// The time from which on it is valid.
    pub since: Timestamp,
    /// How long it is valid.
    pub seconds: u32,
}

impl<'a> Presigned<'a> {
    /// For an hour from now on.
    pub fn new(key: &'a str) -> Self {
        Self { key, since: Timestamp::now(), seconds: 3_600 }
    }

    /// For an hour that is over.
    pub fn expired(key: &'a str) -> Self {
        let since = Timestamp::now() - jiff::SignedDuration::from_hours(2);
        Self { key, since, seconds: 3_600 }
    }

    fn time(&self) -> String {
        self.since.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn scope(&self) -> String {
        format!("{}/{REGION}/s3/aws4_request", &self.time()[..8])
    }

    fn sign(&self, text: &str) -> String {
        let parts = [&self.time()[..8], REGION, "s3", "aws4_request"];
        let first = format!("AWS4{SECRET_KEY}").into_bytes();
        let key = parts.iter().fold(first, |key, part| hmac(&key, part.as_bytes()).to_vec());
        hex(hmac(&key, text.as_bytes()))
    }

    /// A URL for a PUT.
    pub fn url(&self, server: &S3Server) -> String {
        let (time, scope) = (self.time(), self.scope());
        let path = format!("/{BUCKET}/{}", self.key);
        let credential = format!("{ACCESS_KEY}/{scope}").replace('/', "%2F");
        let query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={time}\
             &X-Amz-Expires={}&X-Amz-SignedHeaders=host",
            self.seconds
        );
        let host = server.address;
        let request = format!("PUT\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let digest = hex(Sha256::digest(request).into());
        let signature = self.sign(&format!("{ALGORITHM}\n{time}\n{scope}\n{digest}"));
        format!("{}{path}?{query}&X-Amz-Signature={signature}", server.url())
    }

    /// The fields of a form for a POST to the bucket, in their order.
    pub fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let credential = format!("{ACCESS_KEY}/{}", self.scope());
        let until = self.since + jiff::SignedDuration::from_secs(self.seconds.into());
        let policy = serde_json::json!({
            "expiration": until.to_string(),
            "conditions": [
                {"bucket": BUCKET},
                ["eq", "$key", self.key],
                {"x-amz-algorithm": ALGORITHM},
                {"x-amz-credential": credential},
                {"x-amz-date": self.time()},
            ],
        });
        let policy = BASE64_STANDARD.encode(policy.to_string());
        let signature = self.sign(&policy);
        let fields = [
            ("key", self.key.to_owned()),
            ("x-amz-algorithm", ALGORITHM.to_owned()),
            ("x-amz-credential", credential),
            ("x-amz-date", self.time()),
            ("policy", policy),
            ("x-amz-signature", signature),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

/// HMAC with SHA-256, by its definition. Keys are not longer than a block here.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

fn hex(bytes: [u8; 32]) -> String {
    Sha256Digest::from_bytes(bytes).to_string()
}

//! Certificates of clients.

use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;

/// A certificate and its key.
#[derive(Clone)]
pub(super) struct ClientCertificate {
    pub(super) pem: String,
    pub(super) key_pem: String,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: Vec<u8>,
}

impl ClientCertificate {
    /// Like those of the official `ComputeHorde` SDK: RSA, for `CN=localhost`, self-signed.
    pub(super) fn like_sdk() -> Self {
        Self::make(&rsa_key(), |_| ())
    }

    /// Like those of `openssl req -x509`.
    pub(super) fn authority(key: &KeyPair) -> Self {
        Self::make(key, |parameters| {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        })
    }

    pub(super) fn make(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut parameters = parameters();
        change(&mut parameters);
        Self::of(&parameters.self_signed(key).unwrap(), key)
    }

    /// A certificate with a key of its own, signed by the key of an authority.
    pub(super) fn signed_by(authority: &KeyPair) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(parameters(), authority);
        Self::of(&parameters().signed_by(&key, &issuer).unwrap(), &key)
    }

    fn of(signed: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            pem: signed.pem(),
            key_pem: key.serialize_pem(),
            certificate: signed.der().clone(),
            key: key.serialize_der(),
        }
    }
}

/// Made by OpenSSL: `ring` uses RSA keys, but makes none.
fn rsa_key() -> KeyPair {
    let words = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let made = Command::new("openssl").args(words).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    KeyPair::from_pem(&String::from_utf8(made.stdout).unwrap()).unwrap()
}

fn parameters() -> CertificateParams {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "localhost");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters
}

pub(super) fn expired(parameters: &mut CertificateParams) {
    parameters.not_before = (SystemTime::now() - Duration::from_hours(48)).into();
    parameters.not_after = (SystemTime::now() - Duration::from_hours(24)).into();
}

/// Makes a certificate that is valid only after some time.
pub(super) fn valid_in(time: Duration) -> impl FnOnce(&mut CertificateParams) {
    move |parameters| parameters.not_before = (SystemTime::now() + time).into()
}

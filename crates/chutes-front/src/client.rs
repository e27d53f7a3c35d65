//! Authentication of clients: a client has to prove that it has the key of the client certificate of the
//! run.
//!
//! The check is by key and never by name: the certificates that the `ComputeHorde` SDK makes all have the
//! subject `CN=localhost`. A certificate that has expired is refused.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore};
use rustls::{Error, SignatureScheme};

use super::FrontError;

/// The largest number of client certificates: more than any chain has.
const MAX_CERTIFICATES: usize = 32;

/// How far the clock of a client may be ahead: its certificate is often made just before its run.
const CLOCK_DIFFERENCE: Duration = Duration::from_mins(5);

/// The message of `rustls-webpki` when a client presents the certificate of an authority. The error type is
/// not re-exported; if the message changes, such clients are refused, and a test fails.
const AUTHORITY_AS_CLIENT: &str = "CaUsedAsEndEntity";

/// Accepts a client that presents one of the given certificates, or one that was signed by the key of one
/// of them, and that proves to have its key.
#[derive(Debug)]
pub(super) struct KnownClients {
    given: Vec<CertificateDer<'static>>,
    inner: Arc<dyn ClientCertVerifier>,
}

impl KnownClients {
    /// Reads the certificates of a PEM text, which may have other text around them.
    pub(super) fn parse(pem: &str, provider: Arc<CryptoProvider>) -> Result<Self, FrontError> {
        let unreadable = |reason: String| FrontError::ClientCertificate { reason };
        if pem.contains("PRIVATE KEY-----") {
            return Err(FrontError::ClientKey);
        }
        let mut given = Vec::new();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let number = given.len() + 1;
            let certificate =
                certificate.map_err(|error| unreadable(format!("part {number}: {error}")))?;
            if number > MAX_CERTIFICATES {
                return Err(unreadable(format!(
                    "it has more than {MAX_CERTIFICATES} certificates"
                )));
            }
            roots
                .add(certificate.clone())
                .map_err(|error| unreadable(format!("certificate {number}: {error}")))?;
            given.push(certificate);
        }
        if given.is_empty() {
            return Err(unreadable("it has no `-----BEGIN CERTIFICATE-----`".to_owned()));
        }
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { given, inner })
    }
}

impl ClientCertVerifier for KnownClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    /// `openssl req -x509` makes certificates of authorities by default. One that was given for this run is
    /// accepted all the same. Its validity period was checked before its kind.
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let at = |time| match self.inner.verify_client_cert(end_entity, intermediates, time) {
            Err(error) if self.given.contains(end_entity) && is_authority(&error) => {
                Ok(ClientCertVerified::assertion())
            }
            verified => verified,
        };
        at(now).or_else(|error| match error {
            Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => at(later(now)),
            error => Err(error),
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    other.0.to_string() == AUTHORITY_AS_CLIENT
}

fn later(now: UnixTime) -> UnixTime {
    let since = Duration::from_secs(now.as_secs());
    UnixTime::since_unix_epoch(since.saturating_add(CLOCK_DIFFERENCE))
}

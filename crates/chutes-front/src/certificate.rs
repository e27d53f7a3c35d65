//! The certificate of the front: made for one run, self-signed, kept in memory only.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::FrontError;

/// How long before now the certificate begins to be valid: the clocks of clients may be slow.
const VALID_BEFORE: Duration = Duration::from_hours(24);

/// How long from now the certificate is valid. No run takes longer.
const VALID_AFTER: Duration = Duration::from_hours(365 * 24);

/// The certificate and the key of the front.
pub(super) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
    /// The certificate as PEM, for clients.
    pub(super) pem: String,
}

impl Identity {
    /// Makes a key and a certificate for this host, `localhost` and 127.0.0.1.
    pub(super) fn make(public_host: &str) -> Result<Self, FrontError> {
        let host = subject_name(public_host)?;
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(FrontError::Certificate)?;
        let signed = parameters(host)
            .and_then(|parameters| parameters.self_signed(&key))
            .map_err(FrontError::Certificate)?;
        Ok(Self {
            pem: signed.pem(),
            certificate: signed.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }
}

/// The name in the certificate that clients compare with the host to which they connect.
fn subject_name(public_host: &str) -> Result<SanType, FrontError> {
    if let Ok(address) = public_host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let unusable = || FrontError::PublicHost { host: public_host.to_owned() };
    let name = DnsName::try_from(public_host).map_err(|_| unusable())?;
    name.as_ref().try_into().map(SanType::DnsName).map_err(|_| unusable())
}

/// There is no key usage: old versions of OpenSSL do not accept a certificate as self-signed if its key is
/// not for signing certificates.
fn parameters(host: SanType) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::default();
    let mut names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
    ];
    if !names.contains(&host) {
        names.insert(1, host);
    }
    parameters.subject_alt_names = names;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "localhost");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now();
    parameters.not_before = (now - VALID_BEFORE).into();
    parameters.not_after = (now + VALID_AFTER).into();
    Ok(parameters)
}

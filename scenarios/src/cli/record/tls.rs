//! TLS of a recording: whom it believes, and a CA of its own for clients.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use gateway_client::tls::TlsTrust;
use link::ProxyTls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};

use super::RecordError;
use crate::cli::args::RecordArgs;

/// Names of a port that only this computer reaches.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Characters in a line of PEM.
const LINE: usize = 64;

/// What the options say of either side; the CA's certificate is written.
pub(super) fn of(args: &RecordArgs, host: &str, is_wss: bool) -> Result<ProxyTls, RecordError> {
    let to_gateway = if is_wss {
        let config = trust(args)?.config().map_err(RecordError::Trust)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_bad| RecordError::Url(args.to.clone()))?;
        Some((Arc::new(config), name))
    } else {
        None
    };
    let to_clients = match &args.tls_ca {
        Some(path) => {
            let (ca, config) =
                authority(args.listen, &args.tls_name).map_err(RecordError::Certificate)?;
            write_new(path, &pem(&ca)).map_err(|error| RecordError::of_file(path, error))?;
            Some(Arc::new(config))
        }
        None => None,
    };
    Ok(ProxyTls {
        to_clients,
        to_gateway,
    })
}

fn trust(args: &RecordArgs) -> Result<TlsTrust, RecordError> {
    match (&args.to_pin, &args.to_ca) {
        (Some(pin), _) => Ok(TlsTrust::Pinned(pin.parse().map_err(RecordError::Trust)?)),
        (None, Some(path)) => TlsTrust::ca_file(path).map_err(RecordError::Trust),
        (None, None) => Ok(TlsTrust::System),
    }
}

/// A CA for this recording, and a server with a certificate that it vouches for. No key outlives the process.
fn authority(
    listen: SocketAddr,
    more: &[String],
) -> Result<(CertificateDer<'static>, ServerConfig), String> {
    let told = |error: rcgen::Error| error.to_string();
    let ca = CertifiedIssuer::self_signed(issuer(), KeyPair::generate().map_err(told)?);
    let ca = ca.map_err(told)?;
    let mut names: Vec<String> = LOCAL.iter().map(|name| (*name).to_owned()).collect();
    names.push(listen.ip().to_string());
    names.extend(more.iter().cloned());
    names.sort();
    names.dedup();
    let leaf = server(names).map_err(told)?;
    let key = KeyPair::generate().map_err(told)?;
    let leaf = leaf.signed_by(&key, &ca).map_err(told)?;
    let told = |error: tokio_rustls::rustls::Error| error.to_string();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(told)?
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone(), ca.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .map_err(told)?;
    // Bytes pass as they are, so both sides must speak the same HTTP.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((ca.der().clone(), config))
}

/// The CA.
fn issuer() -> CertificateParams {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    named(ca, "clawproof record, CA")
}

/// The server. Its name must be another than the issuer's: OpenSSL, and so Node, takes a certificate whose subject is its
/// issuer for self-signed, whatever signed it.
fn server(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let leaf = CertificateParams::new(names)?;
    Ok(named(leaf, "clawproof record"))
}

fn named(mut params: CertificateParams, name: &str) -> CertificateParams {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(LINE) {
        // Writing to a string does not fail.
        let _fine = writeln!(out, "{}", String::from_utf8_lossy(line));
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_server_for_its_own_issuer() {
        let leaf = server(vec!["localhost".to_owned()]).unwrap();
        assert_ne!(leaf.distinguished_name, issuer().distinguished_name);
    }
}

//! TLS: both sides of a connection show a certificate of the same authority, by TLS 1.3, and are who it says.
//!
//! A node is dialled by address, and an address is no identity: what is checked is that the certificate comes from the
//! authority and is valid now, and then that the name which the node says it has is one of the certificate's.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::connection::End;
use super::options::Certificates;
use super::stream::Stream;
use crate::error::{Error, Result};

/// The two roles of a node that has certificates.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// A stream whose other side has proved who it is.
pub(crate) struct Proven {
    pub(crate) stream: Stream,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Tls {
    /// Reads the certificates.
    ///
    /// # Errors
    /// `InvalidArgument` for files that cannot be read or do not fit each other.
    pub(crate) fn load(certificates: &Certificates) -> Result<Self> {
        let Certificates { authority, certificate, key } = certificates;
        let wrong = |path: &std::path::Path, error: &dyn std::fmt::Display| {
            Error::invalid(format!("certificate file {}: {error}", path.display()))
        };
        let chain = |path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>> {
            let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(path, &error))?;
            found.collect::<Result<_, _>>().map_err(|error| wrong(path, &error))
        };
        let mut roots = RootCertStore::empty();
        for root in chain(authority)? {
            roots.add(root).map_err(|error| wrong(authority, &error))?;
        }
        let own = chain(certificate)?;
        let own_key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let unfit = |error: rustls::Error| wrong(certificate, &error);

        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| wrong(authority, &error))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(clients)
            .with_single_cert(own.clone(), own_key.clone_key())
            .map_err(unfit)?;
        let servers = Arc::new(Authority::new(roots, &provider));
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .dangerous()
            .with_custom_certificate_verifier(servers)
            .with_client_auth_cert(own, own_key)
            .map_err(unfit)?;
        client.enable_sni = false;
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    pub(crate) async fn accept<S>(&self, socket: S) -> Result<Proven, End>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = self.acceptor.accept(socket).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first()).cloned();
        Self::proven(Stream::new(stream), shown)
    }

    pub(crate) async fn connect<S>(&self, socket: S) -> Result<Proven, End>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // The name is for the protocol alone: it is not sent, and nothing is checked by it.
        let name = ServerName::try_from("node").map_err(std::io::Error::other)?;
        let stream = self.connector.connect(name, socket).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first()).cloned();
        Self::proven(Stream::new(stream), shown)
    }

    fn proven(stream: Stream, shown: Option<CertificateDer<'_>>) -> Result<Proven, End> {
        let certificate = shown.ok_or_else(|| std::io::Error::other("no certificate was shown"))?;
        Ok(Proven { stream, certificate: certificate.into_owned() })
    }
}

/// Whether a certificate is one for this name, as it is written there.
pub(crate) fn names(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(server)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    matches!(server, ServerName::DnsName(_))
        && verify_server_name(&parsed, &server).is_ok()
        && is_written(certificate, name)
}

/// Whether a name that a certificate is for stands there as it is written here. DNS knows no case, and a dot may end a name:
/// who has one certificate would be as many nodes as it has spellings. Where the certificate is for whatever ends as it says,
/// the one spelling is that in lower case.
fn is_written(certificate: &[u8], name: &str) -> bool {
    // A DNS name among the names of the subject, in DER.
    const DNS_NAME: u8 = 0x82;
    let Ok(length) = u8::try_from(name.len()) else { return false };
    let head = if length < 0x80 { vec![DNS_NAME, length] } else { vec![DNS_NAME, 0x81, length] };
    let written = [&head[..], name.as_bytes()].concat();
    let has_pattern = || certificate.windows(4).any(|bytes| bytes[0] == DNS_NAME && bytes[2..] == *b"*.");
    let is_plain = || !name.ends_with('.') && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    certificate.windows(written.len()).any(|bytes| bytes == written) || has_pattern() && is_plain()
}

/// Checks that a server's certificate comes from the authority, whatever name it has: see the module documentation.
#[derive(Debug)]
struct Authority {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Authority {
    fn new(roots: Arc<RootCertStore>, provider: &CryptoProvider) -> Self {
        Self { roots, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Authority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_names_a_node_by_one_spelling() {
        let long = [vec!["n".repeat(60); 3].join("."), "example".to_owned()].join(".");
        for (of, name, expected) in [
            ("one", "one", true),
            ("one", "One", false),
            ("one", "one.", false),
            ("one", "on", false),
            ("Node-A", "Node-A", true),
            ("Node-A", "node-a", false),
            (&long, &long, true),
            (&long, &long.to_uppercase(), false),
            ("*.mesh.example", "a.mesh.example", true),
            ("*.mesh.example", "A.mesh.example", false),
            ("*.mesh.example", "a.mesh.example.", false),
            ("*.mesh.example", "a.b.mesh.example", false),
        ] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([of.to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(names(certificate.der(), name), expected, "{of} {name}");
        }
    }
}

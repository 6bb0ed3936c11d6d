//! Knowing a cluster without having been there: by the hash of its authority's key.

use std::sync::{Arc, Mutex};

use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::identity::{ClusterId, cluster_and_node_in, key_sha256, node_name};

/// Which cluster is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of the SubjectPublicKeyInfo of its authority.
    pub authority_sha256: [u8; 32],
    pub cluster: ClusterId,
}

/// Why a node is not of the cluster that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It says that it is of the pinned cluster, and its certificate is not by the pinned authority.
    Authority,
    /// It says that it is of another one, which is worth no more than its word.
    Cluster(ClusterId),
}

/// Accepts any node of the pinned cluster, and remembers why it accepted none.
#[derive(Debug)]
pub(super) struct PinVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
    found: Arc<Mutex<Option<Mismatch>>>,
}

impl PinVerifier {
    pub(super) fn new(pin: Pin, provider: Arc<CryptoProvider>) -> PinVerifier {
        PinVerifier { pin, provider, found: Arc::default() }
    }

    /// Where it tells why it accepted none.
    pub(super) fn found(&self) -> Arc<Mutex<Option<Mismatch>>> {
        self.found.clone()
    }

    /// What to say of a node whose authority is not the pinned one.
    fn unknown(&self, certificate: &[u8]) -> Mismatch {
        match cluster_and_node_in(certificate) {
            Some((cluster, _)) if cluster != self.pin.cluster => Mismatch::Cluster(cluster),
            _ => Mismatch::Authority,
        }
    }

    fn refuse(&self, mismatch: Mismatch) -> Error {
        *self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(mismatch);
        Error::General("the node is not of the cluster that is meant".into())
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = intermediates
            .iter()
            .find(|certificate| key_sha256(certificate) == Ok(self.pin.authority_sha256))
            .ok_or_else(|| self.refuse(self.unknown(end_entity)))?;
        let (cluster, node) =
            cluster_and_node_in(end_entity).ok_or_else(|| self.refuse(Mismatch::Authority))?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        // Any node will do, so its own name is the one that is looked for.
        let name = ServerName::try_from(node_name(cluster, node))
            .map_err(|error| Error::General(error.to_string()))?;
        match verifier.verify_server_cert(end_entity, &[], &name, ocsp_response, now) {
            Ok(_) if cluster != self.pin.cluster => Err(self.refuse(Mismatch::Cluster(cluster))),
            Err(Error::InvalidCertificate(rustls::CertificateError::BadSignature)) => {
                // The pinned certificate is public; the one with it is not by its key.
                Err(self.refuse(Mismatch::Authority))
            }
            Err(Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
                Err(self.refuse(Mismatch::Authority))
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

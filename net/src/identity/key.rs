//! A node's key pair, and what it sends to have the public half certified.

use std::fmt;

use rcgen::{CertificateParams, CertificateSigningRequestParams, KeyPair, PublicKey, PublicKeyData};
use rustls_pki_types::CertificateSigningRequestDer;

use super::{IdentityError, certificate::sha256};

/// The longest request that is looked at, in bytes; a real one has about 250.
const MAX_REQUEST_BYTES: usize = 4_096;

/// A node's key pair (ECDSA on P-256). It is made on the node and never leaves it.
pub struct NodeKey(pub(super) KeyPair);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey")
    }
}

impl NodeKey {
    /// A new one.
    ///
    /// # Errors
    /// [`IdentityError`] if the system has no randomness.
    pub fn generate() -> Result<NodeKey, IdentityError> {
        Ok(NodeKey(KeyPair::generate()?))
    }

    /// From its stored form (PKCS #8).
    ///
    /// # Errors
    /// [`IdentityError`] if it is no key.
    pub fn from_der(key: &[u8]) -> Result<NodeKey, IdentityError> {
        Ok(NodeKey(KeyPair::try_from(key)?))
    }

    /// The private key, PKCS #8. It belongs in a file of mode 0600.
    pub fn der(&self) -> Vec<u8> {
        self.0.serialize_der()
    }

    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.0.subject_public_key_info())
    }

    /// A request for a certificate (PKCS #10, RFC 2986), signed with this key: who sends it has it. It names nobody,
    /// because whoever signs decides who this is.
    ///
    /// # Errors
    /// [`IdentityError`] if the key cannot sign.
    pub fn request(&self) -> Result<Vec<u8>, IdentityError> {
        Ok(CertificateParams::new(Vec::new())?.serialize_request(&self.0)?.der().to_vec())
    }
}

/// Somebody's request for a certificate, whose signature was checked. Of what it asks for only the key counts.
pub struct CertificateRequest(pub(super) PublicKey);

impl CertificateRequest {
    /// Reads and checks one.
    ///
    /// # Errors
    /// [`IdentityError`] if it is none, is too long, or is not signed with the key that it is for.
    pub fn from_der(request: &[u8]) -> Result<CertificateRequest, IdentityError> {
        if request.len() > MAX_REQUEST_BYTES {
            return Err(IdentityError(format!("a certificate request of {} bytes", request.len())));
        }
        let request = CertificateSigningRequestDer::from(request);
        Ok(CertificateRequest(CertificateSigningRequestParams::from_der(&request)?.public_key))
    }

    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fn key_sha256(&self) -> [u8; 32] {
        sha256(&self.0.subject_public_key_info())
    }
}

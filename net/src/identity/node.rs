//! What one node proves itself with, and whom it trusts.

use std::fmt;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{ClusterId, IdentityError, is_issued_by, node_in};
use crate::transport::NodeId;

/// The most authorities that are trusted at one time.
const MAX_AUTHORITIES: usize = 4;

/// A node's certificate and key, and the authorities that it trusts.
#[derive(Clone)]
pub struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(node {} of {})", self.node, self.cluster)
    }
}

impl Identity {
    /// An identity from its stored parts: the certificates of the authorities that it trusts, its own, and its key
    /// (PKCS #8), all DER.
    ///
    /// # Errors
    /// [`IdentityError`] if the certificate names no node of `cluster`, or no authority is given, or too many are.
    pub fn from_der(
        cluster: ClusterId,
        authorities: Vec<Vec<u8>>,
        certificate: Vec<u8>,
        key: Vec<u8>,
    ) -> Result<Identity, IdentityError> {
        let node = node_in(cluster, &certificate)
            .ok_or_else(|| IdentityError(format!("the certificate names no node of cluster {cluster}")))?;
        if !(1..=MAX_AUTHORITIES).contains(&authorities.len()) {
            return Err(IdentityError(format!("{} authorities are to be trusted", authorities.len())));
        }
        let authorities = authorities.into_iter().map(CertificateDer::from).collect();
        Ok(Identity { node, cluster, authorities, certificate: certificate.into(), key })
    }

    /// The node that the certificate names.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The cluster that the certificate names.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// This node's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Whose certificates it trusts.
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities
    }

    /// Whether its certificate says that this authority issued it.
    pub fn is_issued_by(&self, authority: &CertificateDer<'_>) -> bool {
        is_issued_by(&self.certificate, authority)
    }

    /// The private key, PKCS #8. It belongs in a file of mode 0600.
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }

    /// The certificate, and that of the authority that issued it: whoever knows only a hash of the latter can check both.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let issuer = self.authorities.iter().find(|authority| is_issued_by(&self.certificate, authority));
        [&self.certificate].into_iter().chain(issuer).cloned().collect()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

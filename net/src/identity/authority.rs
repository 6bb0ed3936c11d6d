//! The cluster's certificate authority.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls_pki_types::CertificateDer;

use super::{
    CertificateRequest, ClusterId, Identity, IdentityError, NodeKey, Validity,
    certificate::{AUTHORITY_NAME, node_name, sha256},
};
use crate::transport::NodeId;

/// Whoever holds its key can be any node.
pub struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    cluster: ClusterId,
}

impl Authority {
    /// Makes an authority of a cluster. Its name has a piece of its key's hash, so that two of one cluster differ.
    ///
    /// # Errors
    /// [`IdentityError`] if the system has no randomness.
    pub fn generate(cluster: ClusterId, validity: Validity) -> Result<Authority, IdentityError> {
        let key = KeyPair::generate()?;
        let [a, b, c, d, ..] = sha256(&key.subject_public_key_info());
        let name = format!("{AUTHORITY_NAME}{cluster} {:08x}", u32::from_be_bytes([a, b, c, d]));
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        validity.apply(&mut params);
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Authority { certificate, key, cluster })
    }

    /// The authority from its stored parts.
    ///
    /// # Errors
    /// [`IdentityError`] if the key cannot be read.
    pub fn from_der(
        cluster: ClusterId,
        certificate: Vec<u8>,
        key: &[u8],
    ) -> Result<Authority, IdentityError> {
        let key = KeyPair::try_from(key)?;
        Ok(Authority { certificate: certificate.into(), key, cluster })
    }

    /// What every member trusts; no secret.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of its SubjectPublicKeyInfo: what a join token pins.
    pub fn key_sha256(&self) -> [u8; 32] {
        sha256(&self.key.subject_public_key_info())
    }

    /// The private key, PKCS #8. Seal it before it is stored.
    pub fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    /// A certificate (DER) for whoever made `request`, as `node`.
    ///
    /// # Errors
    /// [`IdentityError`] if the authority's own certificate cannot be read.
    pub fn certify(
        &self,
        node: NodeId,
        request: &CertificateRequest,
        validity: Validity,
    ) -> Result<Vec<u8>, IdentityError> {
        let params = self.params(node, validity)?;
        let request = CertificateSigningRequestParams { params, public_key: request.0.clone() };
        Ok(request.signed_by(&self.issuer()?)?.der().to_vec())
    }

    /// An identity for `node` with a key that it has.
    ///
    /// # Errors
    /// [`IdentityError`] if the authority's own certificate cannot be read.
    pub fn identify(
        &self,
        node: NodeId,
        key: &NodeKey,
        validity: Validity,
    ) -> Result<Identity, IdentityError> {
        let certificate = self.params(node, validity)?.signed_by(&key.0, &self.issuer()?)?.der().to_vec();
        Identity::from_der(self.cluster, vec![self.certificate.to_vec()], certificate, key.der())
    }

    /// A certificate and a new key for `node`.
    ///
    /// # Errors
    /// As [`Authority::identify`], and if the system has no randomness.
    pub fn issue(&self, node: NodeId, validity: Validity) -> Result<Identity, IdentityError> {
        self.identify(node, &NodeKey::generate()?, validity)
    }

    fn issuer(&self) -> Result<Issuer<'_, &KeyPair>, IdentityError> {
        Ok(Issuer::from_ca_cert_der(&self.certificate, &self.key)?)
    }

    fn params(&self, node: NodeId, validity: Validity) -> Result<CertificateParams, IdentityError> {
        let name = node_name(self.cluster, node);
        let mut params = CertificateParams::new(vec![name.clone()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        validity.apply(&mut params);
        Ok(params)
    }
}

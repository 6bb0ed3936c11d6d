//! What certificates say. Whether one can be trusted is decided elsewhere, by TLS.

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{ClusterId, IdentityError, Validity};
use crate::transport::NodeId;

const DOMAIN: &str = ".shopnode.internal";
/// What the common name of an authority begins with; the cluster's id and a piece of its key's hash follow.
pub(super) const AUTHORITY_NAME: &str = "shopnode cluster ";

/// The DNS name in the certificate of `node`.
pub(crate) fn node_name(cluster: ClusterId, node: NodeId) -> String {
    format!("n{node}.{cluster}{DOMAIN}")
}

/// The node that a certificate names, if it is one of `cluster`.
pub(crate) fn node_in(cluster: ClusterId, certificate: &[u8]) -> Option<NodeId> {
    cluster_and_node_in(certificate).filter(|(of, _)| *of == cluster).map(|(_, node)| node)
}

/// The cluster and node that a certificate names.
pub(crate) fn cluster_and_node_in(certificate: &[u8]) -> Option<(ClusterId, NodeId)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let [GeneralName::DNSName(name)] = names.value.general_names.as_slice() else { return None };
    let (node, cluster) = name.strip_suffix(DOMAIN)?.split_once('.')?;
    let cluster: ClusterId = cluster.parse().ok()?;
    let node: NodeId = node.strip_prefix('n')?.parse().ok()?;
    // "n07" and "n+7" are other names than the one that was signed.
    (node_name(cluster, node) == *name).then_some((cluster, node))
}

/// The cluster of which this is an authority's certificate.
pub fn cluster_of_authority(certificate: &[u8]) -> Option<ClusterId> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    name.strip_prefix(AUTHORITY_NAME)?.split(' ').next()?.parse().ok()
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7): what names its key.
///
/// # Errors
/// [`IdentityError`] if it is no certificate.
pub fn key_sha256(certificate: &[u8]) -> Result<[u8; 32], IdentityError> {
    Ok(sha256(parse(certificate)?.public_key().raw))
}

/// From when until when a certificate holds.
///
/// # Errors
/// [`IdentityError`] if it is no certificate, or one of times before 1970.
pub fn validity_of(certificate: &[u8]) -> Result<Validity, IdentityError> {
    let parsed = parse(certificate)?;
    let ms = |seconds: i64| {
        let seconds = u64::try_from(seconds).map_err(|_| IdentityError("it is of before 1970".into()))?;
        Ok::<u64, IdentityError>(seconds.saturating_mul(1_000))
    };
    let validity = parsed.validity();
    Ok(Validity {
        from_ms: ms(validity.not_before.timestamp())?,
        until_ms: ms(validity.not_after.timestamp())?,
    })
}

/// Whether `certificate` says that `authority` issued it. Authorities of one cluster have different names.
pub(crate) fn is_issued_by(certificate: &[u8], authority: &[u8]) -> bool {
    match (parse(certificate), parse(authority)) {
        (Ok(certificate), Ok(authority)) => certificate.issuer().as_raw() == authority.subject().as_raw(),
        _ => false,
    }
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map(|(_, certificate)| certificate).map_err(|error| IdentityError(error.to_string()))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

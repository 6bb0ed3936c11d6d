//! The cluster's authorities, as the state has them: sealed there, opened here when something is to be signed.

use std::time::Duration;

use anyhow::{Context, Result};
use net::{Authority, ClusterId, Identity, Validity, cluster_of_authority};
use shop::cluster::{self, AddAuthority};
use storage::Read;

use crate::clock::SystemClock;
use crate::secrets::SealKey;

/// An authority outlives the machines that it vouches for; a new one can take its place at any time.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// How long a node's certificate holds: what a removed node has is worth nothing after a month. It is renewed at half-life.
const NODE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A new authority, and the command that makes it known, its key sealed.
pub fn new_authority(
    cluster: ClusterId,
    seal: &SealKey,
    clock: &SystemClock,
) -> Result<(Authority, AddAuthority)> {
    let validity = Validity::starting(clock.now_ms(), AUTHORITY_LIFETIME);
    let authority = Authority::generate(cluster, validity)?;
    let fingerprint = authority.key_sha256();
    let command = AddAuthority {
        fingerprint,
        certificate_der: authority.certificate().to_vec(),
        sealed_key: seal.seal(&place(&fingerprint), &zeroize::Zeroizing::new(authority.key_der()))?,
    };
    Ok((authority, command))
}

/// The cluster and its authority that signs; `None` while this replica knows of none.
///
/// # Errors
/// When it was sealed with another key, or is damaged.
pub fn signing_authority(read: &impl Read, seal: &SealKey) -> Result<Option<(ClusterId, Authority)>> {
    let Some((fingerprint, record)) = cluster::trusted_authorities(read)?.pop() else { return Ok(None) };
    let cluster = cluster_of_authority(&record.certificate_der).context("an authority names no cluster")?;
    let key = seal.open(&place(&fingerprint), &record.sealed_key).context("an authority's key")?;
    Ok(Some((cluster, Authority::from_der(cluster, record.certificate_der, &key)?)))
}

/// The authority, of those that it trusts, that signed a node's certificate: the SHA-256 of its key.
pub fn signer_of(identity: &Identity) -> Option<[u8; 32]> {
    let signer = identity.authorities().iter().find(|authority| identity.is_issued_by(authority))?;
    net::key_sha256(signer).ok()
}

/// From when until when a certificate signed now holds.
pub fn node_validity(clock: &SystemClock) -> Validity {
    Validity::starting(clock.now_ms(), NODE_LIFETIME)
}

/// Where the key is sealed to: it cannot be moved to another authority's record.
fn place(fingerprint: &[u8; 32]) -> String {
    let name: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("authority/{name}")
}

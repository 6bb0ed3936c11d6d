//! Who a node is: a certificate from the cluster's own authority, with the node's id in it.
//!
//! The id stands in the certificate's only DNS name, `n7.CLUSTER.shopnode.internal` (RFC 5280 §4.2.1.6; `.internal`
//! is reserved for private use), so that the one who dials checks it as any TLS client checks a name, and the one
//! who is dialled reads it from there. Nothing a peer *says* about itself is believed.

mod authority;
mod certificate;
mod key;
mod node;

use std::{fmt, str::FromStr, time::Duration};

pub use authority::Authority;
pub(crate) use certificate::{cluster_and_node_in, is_issued_by, node_in, node_name};
pub use certificate::{cluster_of_authority, key_sha256, validity_of};
pub use key::{CertificateRequest, NodeKey};
pub use node::Identity;
use rcgen::CertificateParams;

/// A clock that is a little behind still accepts a new certificate.
const BACKDATED: Duration = Duration::from_secs(3600);

/// The name of a cluster among machines: random, made once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterId(pub [u8; 16]);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl FromStr for ClusterId {
    type Err = IdentityError;

    /// From 32 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<ClusterId, IdentityError> {
        let wrong = || IdentityError("a cluster id has 32 lower-case hexadecimal digits".into());
        if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(|id| ClusterId(id.to_be_bytes())).map_err(|_| wrong())
    }
}

/// A certificate or key that cannot be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("identity: {0}")]
pub struct IdentityError(pub String);

impl From<rcgen::Error> for IdentityError {
    fn from(error: rcgen::Error) -> Self {
        IdentityError(error.to_string())
    }
}

/// From when until when a certificate holds, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from_ms: u64,
    pub until_ms: u64,
}

impl Validity {
    /// From an hour before `now_ms`, for `lifetime`.
    pub fn starting(now_ms: u64, lifetime: Duration) -> Validity {
        let backdated_ms = BACKDATED.as_millis() as u64;
        let until_ms = now_ms.saturating_add(lifetime.as_millis().try_into().unwrap_or(u64::MAX));
        Validity { from_ms: now_ms.saturating_sub(backdated_ms), until_ms }
    }

    /// The middle of its time: when a certificate is to be renewed.
    pub fn half_life_ms(self) -> u64 {
        self.from_ms / 2 + self.until_ms / 2
    }

    fn apply(self, params: &mut CertificateParams) {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + Duration::from_millis(self.from_ms);
        params.not_after = epoch + Duration::from_millis(self.until_ms);
    }
}

#[cfg(test)]
mod tests;

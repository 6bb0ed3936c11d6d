//! Certificate authorities of the cluster: whose certificates nodes trust. Two while one takes the other's place.

use serde::{Deserialize, Serialize};

use crate::table;
use crate::time::Timestamp;

/// The longest certificate, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 4_096;
/// The longest sealed key, in bytes.
pub const MAX_SEALED_BYTES: usize = 1_024;

table!(
    /// Authorities, by the SHA-256 of their SubjectPublicKeyInfo.
    Authorities, AUTHORITIES, [u8; 32] => Authority
);

/// A certificate authority. The one that was added last and is not retired signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// X.509, DER.
    pub certificate_der: Vec<u8>,
    /// Its private key, sealed by the nodes' seal key.
    pub sealed_key: Vec<u8>,
    pub added_at: Timestamp,
    /// Since then nothing that it signed is trusted.
    pub retired_at: Option<Timestamp>,
}

storage::versioned!(Authority, 1);

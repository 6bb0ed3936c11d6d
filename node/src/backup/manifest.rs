//! What a backup says of itself without its passphrase: enough to choose one, nothing of what is in the shop.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage::Digests;
use utoipa::ToSchema;

/// The version of the file's format.
pub const VERSION: u16 = 1;

/// Readable by everybody who has the file, and bound to what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// The name of the cluster.
    pub cluster: String,
    /// The cluster's id in hexadecimal; empty for a cluster that has none.
    pub cluster_id: String,
    /// The node that wrote it.
    pub node: u64,
    /// The index of the log whose state it is.
    pub index: u64,
    /// By which rules the cluster computed.
    pub active_version: u32,
    /// Records of all tables.
    pub records: u64,
    /// 128 bits in hexadecimal over all tables.
    pub digest: String,
    /// The same for each table, by its prefix in hexadecimal.
    pub tables: BTreeMap<String, String>,
    /// When it was begun, by the node's clock (RFC 3339).
    pub created_at: String,
    /// The program that wrote it.
    pub shopnode: String,
}

/// The digest of each table, as the cluster view and manifests show it.
pub(super) fn tables(digests: &Digests) -> BTreeMap<String, String> {
    digests.tables().map(|(prefix, table)| (format!("{prefix:02x}"), format!("{:032x}", table.sum))).collect()
}

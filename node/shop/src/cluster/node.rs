//! Nodes: one record each, kept for good, so that an id is never given twice.

use serde::{Deserialize, Serialize};
use storage::{Fault, Read, Span, Txn};

use crate::codes::Code;
use crate::rejection::Rejection;
use crate::table;
use crate::time::Timestamp;

/// The most nodes that are not removed.
pub const MAX_NODES: usize = 100;
/// The most nodes that ever were.
const MAX_NODES_EVER: u64 = 10_000;
/// The longest name and zone, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// The longest address, in bytes: a DNS name and a port.
pub const MAX_ADDRESS_BYTES: usize = 261;
/// The longest version, in bytes.
pub const MAX_VERSION_BYTES: usize = 64;

table!(
    /// Every node that ever was, by its id, which counts up from 1.
    Nodes, NODES, u64 => NodeRecord
);

/// Whether a node belongs to the cluster. Stored by position: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Standing {
    Active,
    /// It belongs, and is being emptied of work: no leases, no new requests.
    Draining,
    /// For good: its certificate is refused.
    Removed,
}

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// For people; empty: made from its id.
    pub name: String,
    /// Its failure domain; may be empty.
    pub zone: String,
    /// Where its peers reach it: `HOST:PORT`.
    pub cluster: String,
    /// Where it serves HTTP: `HOST:PORT`.
    pub http: String,
    /// The version of its program.
    pub version: String,
}

impl NodeInfo {
    /// Refuses with `invalid_value` what is too long or has control characters.
    pub fn check(&self) -> Result<(), Rejection> {
        let line = |pointer: &str, text: &str, least: usize, most: usize| {
            if !(least..=most).contains(&text.chars().count()) || text.chars().any(char::is_control) {
                let detail = format!("{least} to {most} characters in one line are allowed");
                return Err(Rejection::at(Code::InvalidValue, pointer, detail));
            }
            Ok(())
        };
        line("/name", &self.name, 0, MAX_NAME_CHARS)?;
        line("/zone", &self.zone, 0, MAX_NAME_CHARS)?;
        line("/cluster", &self.cluster, 1, MAX_ADDRESS_BYTES)?;
        line("/http", &self.http, 0, MAX_ADDRESS_BYTES)?;
        line("/version", &self.version, 0, MAX_VERSION_BYTES)
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    pub name: String,
    pub zone: String,
    /// Where its peers reach it: `HOST:PORT`.
    pub cluster: String,
    /// Where it serves HTTP: `HOST:PORT`.
    pub http: String,
    /// SHA-256 of its SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    pub key_sha256: [u8; 32],
    pub standing: Standing,
    /// The version of its program, as it told last.
    pub version: String,
    pub joined_at: Timestamp,
    /// When any of this changed last.
    pub changed_at: Timestamp,
}

storage::versioned!(NodeRecord, 1);

impl NodeRecord {
    /// Whether it belongs to the cluster.
    pub fn is_member(&self) -> bool {
        self.standing != Standing::Removed
    }
}

/// Gives the next id to a new node and stores it.
pub(super) fn add(
    tx: &mut Txn<'_>,
    now: Timestamp,
    info: &NodeInfo,
    key_sha256: [u8; 32],
) -> Result<Result<u64, Rejection>, Fault> {
    if let Err(rejection) = info.check() {
        return Ok(Err(rejection));
    }
    let mut members = 0;
    let mut last = 0;
    for record in tx.scan::<Nodes>(Span::all()) {
        let (id, node) = record?;
        last = id;
        members += usize::from(node.is_member());
        if node.key_sha256 == key_sha256 {
            let detail = format!("node {id} has this key: a new node makes a new one");
            return Ok(Err(Rejection::new(Code::AlreadyExists, detail)));
        }
    }
    if members >= MAX_NODES || last >= MAX_NODES_EVER {
        return Ok(Err(Rejection::new(
            Code::LimitReached,
            format!("there are {members} nodes, and ids up to {last}"),
        )));
    }
    let id = last + 1;
    let NodeInfo { name, zone, cluster, http, version } = info.clone();
    let name = if name.is_empty() { format!("node-{id}") } else { name };
    let node = NodeRecord {
        name,
        zone,
        cluster,
        http,
        key_sha256,
        standing: Standing::Active,
        version,
        joined_at: now,
        changed_at: now,
    };
    tx.insert::<Nodes>(&id, &node)?;
    Ok(Ok(id))
}

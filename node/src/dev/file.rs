//! `DIR/dev.json`: where scripts find the shop. Its members are a contract.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct DevFile {
    /// An API key with every scope that never expires.
    pub admin_token: String,
    pub nodes: Vec<NodeEntry>,
    /// The sandbox card processor's base URL.
    pub sandbox: String,
    /// The mail catcher's base URL.
    pub mail: String,
    /// The base URL of the catcher of text messages.
    pub sms: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct NodeEntry {
    /// The Raft node id.
    pub id: u64,
    pub http: String,
    pub cluster: String,
    pub pid: u32,
    pub data: PathBuf,
}

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{Cursor, Limit};

/// A backup that a node keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupView {
    pub name: String,
    /// The node that keeps it: the one that was asked.
    pub node: u64,
    pub bytes: u64,
    /// What the file says of itself; null when that cannot be read. Only verifying tells whether it is true.
    pub manifest: Option<BackupManifest>,
}

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupManifest {
    pub cluster: String,
    /// In hexadecimal.
    pub cluster_id: String,
    /// The index of the log whose state it is.
    pub index: u64,
    /// Records of all tables.
    pub records: u64,
    /// 128 bits in hexadecimal over all tables.
    pub digest: String,
    /// By the clock of the node that wrote it (RFC 3339).
    pub created_at: String,
    /// The version of the program that wrote it.
    pub shopnode: String,
}

/// The query of `GET /admin/v1/backups`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct BackupsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

//! Reading the cluster's records.

use storage::{Fault, Read, Span};

use crate::cluster::{
    Authorities, Authority, Autopilot, ClusterSettingsTable, JoinToken, JoinTokens, NodeRecord, Nodes, Raise,
    Raises,
};
use crate::ids::JoinTokenId;
use crate::page::Found;

/// One node, removed ones included.
pub fn node(read: &impl Read, id: u64) -> Result<Option<NodeRecord>, Fault> {
    read.get::<Nodes>(&id)
}

/// Every node that ever was, in the order of ids, removed ones included.
pub fn nodes(read: &impl Read) -> Result<Vec<(u64, NodeRecord)>, Fault> {
    read.scan::<Nodes>(Span::all()).collect()
}

/// A join token.
pub fn join_token(read: &impl Read, id: JoinTokenId) -> Result<Option<JoinToken>, Fault> {
    read.get::<JoinTokens>(&id)
}

/// Join tokens, oldest first, with those that can no longer be used.
pub fn join_tokens(
    read: &impl Read,
    after: Option<JoinTokenId>,
    limit: usize,
) -> Result<Found<(JoinTokenId, JoinToken), JoinTokenId>, Fault> {
    let span = after.map_or_else(Span::all, |after| Span::after(&after));
    Found::of(read.scan::<JoinTokens>(span), limit)
}

/// All authorities with their fingerprints, oldest first, retired ones included.
pub fn authorities(read: &impl Read) -> Result<Vec<([u8; 32], Authority)>, Fault> {
    let mut all: Vec<_> = read.scan::<Authorities>(Span::all()).collect::<Result<_, _>>()?;
    all.sort_by_key(|(fingerprint, authority)| (authority.added_at, *fingerprint));
    Ok(all)
}

/// The authorities whose certificates are trusted, one or two, oldest first: the last one signs.
pub fn trusted_authorities(read: &impl Read) -> Result<Vec<([u8; 32], Authority)>, Fault> {
    let mut all = authorities(read)?;
    all.retain(|(_, authority)| authority.retired_at.is_none());
    Ok(all)
}

/// What the autopilot goes by.
pub fn autopilot(read: &impl Read) -> Result<Autopilot, Fault> {
    Ok(read.get::<ClusterSettingsTable>(&())?.unwrap_or_default().autopilot)
}

/// How the active version came to be `version`; `None` for the first one, which no raise has brought.
pub fn raise(read: &impl Read, version: u32) -> Result<Option<Raise>, Fault> {
    read.get::<Raises>(&version)
}

//! A new group that begins with an old state.

use std::collections::BTreeMap;

use net::NodeId;
use openraft::vote::RaftLeaderId;
use storage::{Received, Store};

use crate::{
    applier::write_position,
    error::Fault,
    host::check_node,
    types::{LeaderId, LogId, Membership, NodeInfo, StoredMembership},
};

/// Makes a received copy, which is of `index`, the state of a new group with `node` as its only voter.
///
/// The log of the new group is empty and goes on behind `index`, so that an index that a client remembers never comes
/// again for something else. Its terms begin anew: nothing of the old group's log can be mistaken for this one's. Call it
/// before the first [`crate::Host::start`] on this store, with an empty log directory.
///
/// # Errors
/// A fault of the store, or a text of `info` longer than 1 KiB.
pub fn found_on(
    store: &Store,
    received: Received,
    index: u64,
    node: NodeId,
    info: NodeInfo,
) -> Result<(), Fault> {
    check_node(&info)?;
    // Below every term in which somebody leads.
    let at = LogId::new(LeaderId::new(0, node), index);
    let members = Membership::new(vec![[node].into()], BTreeMap::from([(node, info)]))
        .map_err(|error| Fault::Settings(error.to_string()))?;
    let members = StoredMembership::new(Some(at), members);
    store.install(received, |txn| write_position(txn, &at, &members))?;
    Ok(())
}

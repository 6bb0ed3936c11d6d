//! Keeps the cluster's endpoint in step with the replicated records: removed nodes are refused as the removal is
//! applied, addresses and authorities are followed, this node's own record says where it is, and its certificate is
//! renewed. A reconciler: woken by commits and by time, right after any of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use net::{Identity, NodeKey, QuicTransport, Transport, validity_of};
use shop::cluster::{self, NodeInfo, NodeRecord, UpdateNode};
use shop::{Actor, Event};
use storage::Scope;
use tokio::sync::broadcast::{self, error::RecvError};

use super::authorities::{node_validity, signing_authority};
use super::credentials::Credentials;
use super::renewal::Standing;
use crate::machine::Committed;
use crate::node::{Node, own_record};
use crate::peers_file::PeersFile;

/// How often everything is looked at when nothing is heard.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The task of one node.
pub struct Steward {
    node: Arc<Node>,
    endpoint: Arc<QuicTransport>,
    credentials: Credentials,
    file: PeersFile,
    /// What was told last, so that only changes are told.
    told: BTreeMap<u64, String>,
}

/// What the records say, as of one moment.
struct Records {
    nodes: Vec<(u64, NodeRecord)>,
    /// Certificates of authorities: trusted, and all that are known.
    trusted: Vec<Vec<u8>>,
    known: Vec<Vec<u8>>,
}

impl Steward {
    pub fn new(node: Arc<Node>) -> Steward {
        let credentials = Credentials::within(&node.directory.secrets());
        let file = PeersFile::within(node.directory.root());
        let endpoint = node.endpoint.clone();
        Steward { node, endpoint, credentials, file, told: BTreeMap::new() }
    }

    /// Runs until it is aborted.
    pub async fn run(mut self) {
        let mut commits = self.node.replica.hook.listen();
        loop {
            if let Err(error) = self.pass().await
                && self.endpoint.removed_by().is_none()
            {
                tracing::warn!(error = format!("{error:#}"), "cannot keep up with the cluster's records");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = something_changed(&mut commits) => {}
            }
        }
    }

    async fn pass(&mut self) -> Result<()> {
        let node = self.node.clone();
        let records = tokio::task::spawn_blocking(move || read(&node)).await??;
        self.follow_nodes(&records);
        self.follow_authorities(&records)?;
        self.renew()?;
        self.announce(&records).await
    }

    /// Refuses who was removed, and knows where the others are.
    fn follow_nodes(&mut self, records: &Records) {
        let own = self.node.identity.node;
        let mut changed = false;
        for (id, record) in &records.nodes {
            if !record.is_member() {
                changed |= self.told.remove(id).is_some();
                self.endpoint.refuse(*id);
            } else if *id != own && self.told.get(id) != Some(&record.cluster) {
                self.endpoint.know(*id, &record.cluster);
                self.told.insert(*id, record.cluster.clone());
                changed = true;
            }
        }
        // Whoever was removed while it was off does not get the entry that says so: the others tell.
        let told_by = self.endpoint.removed_by();
        let is_recorded = records.nodes.iter().any(|(id, record)| *id == own && !record.is_member());
        if (is_recorded || told_by.is_some()) && !self.node.is_removed.swap(true, Ordering::Relaxed) {
            tracing::error!(
                told_by,
                "this node was removed from the cluster: stop it, and join again as a new node"
            );
        }
        // Only what it was told is there: a node that knows of nobody yet keeps what it joined with.
        if changed && let Err(error) = self.file.write(&self.told) {
            tracing::warn!(%error, "cannot keep the peers' addresses");
        }
    }

    /// Trusts whom the records trust. Records that are older than this node's certificate, as while the log is replayed,
    /// only add.
    fn follow_authorities(&mut self, records: &Records) -> Result<()> {
        let identity = self.endpoint.identity();
        let now: Vec<Vec<u8>> = identity.authorities().iter().map(|authority| authority.to_vec()).collect();
        if records.trusted.is_empty() {
            return Ok(());
        }
        let mut wanted = records.trusted.clone();
        // Those that the records have never heard of are newer than the records.
        wanted.extend(now.iter().filter(|authority| !records.known.contains(authority)).cloned());
        if wanted.len() == now.len() && wanted.iter().all(|authority| now.contains(authority)) {
            return Ok(());
        }
        let (certificate, key) = (identity.certificate().to_vec(), identity.key_der().to_vec());
        self.go_on(Identity::from_der(identity.cluster(), wanted, certificate, key)?)
    }

    /// A new certificate when half of this one's time is over, or when another authority signs now.
    fn renew(&mut self) -> Result<()> {
        let identity = self.endpoint.identity();
        let view = self.node.replica.store.view().in_scope(Scope(1));
        let Some((cluster, authority)) = signing_authority(&view, &self.node.seal)? else { return Ok(()) };
        let added_at = cluster::trusted_authorities(&view)?.pop().map(|(_, record)| record.added_at);
        drop(view);
        let standing = Standing {
            validity: validity_of(identity.certificate())?,
            is_of_signer: identity.is_issued_by(authority.certificate()),
            is_signer_trusted: identity.authorities().contains(authority.certificate()),
            signer_added_ms: added_at.map_or(0, |at| at.millis()),
        };
        if !standing.is_due(self.node.clock.now_ms()) {
            return Ok(());
        }
        let key = NodeKey::from_der(identity.key_der())?;
        let fresh = authority.identify(identity.node(), &key, node_validity(&self.node.clock))?;
        let trusted = identity.authorities().iter().map(|authority| authority.to_vec()).collect();
        let (certificate, key) = (fresh.certificate().to_vec(), fresh.key_der().to_vec());
        self.go_on(Identity::from_der(cluster, trusted, certificate, key)?)?;
        tracing::info!("certificate renewed");
        Ok(())
    }

    /// On disk first: after a crash it is the endpoint that is made again.
    fn go_on(&self, identity: Identity) -> Result<()> {
        self.credentials.keep(&identity)?;
        Ok(self.endpoint.renew(identity)?)
    }

    /// Says where this node is and what it runs, if the records say otherwise.
    async fn announce(&self, records: &Records) -> Result<()> {
        let own = self.node.identity.node;
        let Some((_, record)) = records.nodes.iter().find(|(id, _)| *id == own) else { return Ok(()) };
        let info = own_record(&self.node.config, &self.node.cluster_address());
        if !record.is_member() || says(record, &info) {
            return Ok(());
        }
        let NodeInfo { name, zone, cluster, http, version } = info;
        let update = UpdateNode {
            id: own,
            name: (!name.is_empty()).then_some(name),
            zone: Some(zone),
            cluster: Some(cluster),
            http: Some(http),
            version: Some(version),
        };
        let reply = self.node.replica.proposer.run(Actor::System, update.into()).await;
        match reply.map(|reply| reply.result) {
            Ok(Ok(_)) => {}
            Ok(Err(rejection)) => {
                tracing::warn!(code = %rejection.code, "the cluster refuses this node's record")
            }
            Err(error) => tracing::debug!(%error, "cannot tell the cluster where this node is yet"),
        }
        Ok(())
    }
}

fn says(record: &NodeRecord, info: &NodeInfo) -> bool {
    (info.name.is_empty() || record.name == info.name)
        && (&record.zone, &record.cluster, &record.http) == (&info.zone, &info.cluster, &info.http)
        && record.version == info.version
}

fn read(node: &Node) -> Result<Records> {
    let view = node.replica.store.view().in_scope(Scope(1));
    let authorities = cluster::authorities(&view)?;
    let certificate = |(_, authority): &([u8; 32], cluster::Authority)| authority.certificate_der.clone();
    Ok(Records {
        nodes: cluster::nodes(&view)?,
        trusted: authorities
            .iter()
            .filter(|(_, authority)| authority.retired_at.is_none())
            .map(certificate)
            .collect(),
        known: authorities.iter().map(certificate).collect(),
    })
}

/// Waits for a commit that may concern this.
async fn something_changed(commits: &mut broadcast::Receiver<Arc<Committed>>) {
    loop {
        match commits.recv().await.as_deref() {
            Ok(Committed::Run { batches, .. }) => {
                let mut events = batches.iter().flat_map(|batch| &batch.events);
                if events.any(|event| matches!(event, Event::Cluster(_))) {
                    return;
                }
            }
            Ok(Committed::Restored { .. }) | Err(RecvError::Lagged(_)) => return,
            // The log has ended, and this ends with it.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

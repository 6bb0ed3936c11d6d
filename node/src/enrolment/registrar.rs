//! The answering side of the join exchange. Any node answers: the command that redeems the token finds the leader by
//! itself, and every node can sign.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use net::{BoxFuture, CertificateRequest, ClusterId, Registrar};
use sha2::{Digest, Sha256};
use shop::cluster::{self, NodeRecord, RedeemJoinToken};
use shop::codes::Code;
use shop::{Actor, Levels, Outcome, Rejection};
use storage::{Scope, Store};

use super::authorities::{node_validity, signing_authority};
use super::message::{Answer, BAD_REQUEST, Enrolled, Request, encode};
use crate::clock::SystemClock;
use crate::proposer::Proposer;
use crate::secrets::SealKey;

/// How long after a removal was acknowledged it may still be on its way to the node that is asked.
const REMOVAL_ARRIVES_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes nodes of machines that have a token.
pub struct Enroller {
    pub store: Arc<Store>,
    pub proposer: Proposer,
    pub seal: Arc<SealKey>,
    pub clock: SystemClock,
    pub cluster: ClusterId,
    pub cluster_name: String,
}

impl Registrar for Enroller {
    fn register(&self, from: SocketAddr, request: Bytes) -> BoxFuture<'_, Bytes> {
        Box::pin(async move {
            let answer = self.answer(&request).await.unwrap_or_else(|error| {
                tracing::error!(%from, error = format!("{error:#}"), "a machine could not be enrolled");
                Answer::Unavailable { detail: "this node failed; its log says why".into() }
            });
            match &answer {
                Answer::Enrolled(enrolled) => tracing::info!(%from, node = enrolled.node, "node enrolled"),
                Answer::Refused { code, detail } => tracing::warn!(%from, code, detail, "join refused"),
                Answer::Unavailable { detail } => tracing::info!(%from, detail, "join postponed"),
            }
            // Only what is too large cannot be encoded; an empty answer is none.
            encode(&answer).map(Bytes::from).unwrap_or_default()
        })
    }
}

impl Enroller {
    async fn answer(&self, request: &[u8]) -> Result<Answer> {
        let request = match Request::decode(request) {
            Ok(request) => request,
            Err(error) => return Ok(refused(BAD_REQUEST, error.to_string())),
        };
        if request.cluster() != self.cluster {
            let detail = format!("this is cluster {}, the token is of {}", self.cluster, request.cluster());
            return Ok(refused("join_wrong_cluster", detail));
        }
        let active = raft::active_version(&self.store.view())?;
        if !request.levels.has(active) {
            let Levels { least, most } = request.levels;
            let detail = format!(
                "the cluster's active version is {active}, and shopnode {} supports {least} to {most}: install the version \
                 that the cluster's nodes run ({})",
                request.info.version,
                env!("CARGO_PKG_VERSION")
            );
            return Ok(refused("active_version_unsupported", detail));
        }
        // Before the token is used up.
        let key = match CertificateRequest::from_der(&request.certificate_request) {
            Ok(key) => key,
            Err(error) => return Ok(refused(BAD_REQUEST, error.to_string())),
        };
        if signing_authority(&self.store.view().in_scope(Scope(1)), &self.seal)?.is_none() {
            let detail = "this node has not caught up with its cluster yet".into();
            return Ok(Answer::Unavailable { detail });
        }
        let redeem = RedeemJoinToken {
            token: request.token,
            secret_sha256: Sha256::digest(request.secret).into(),
            info: request.info.clone(),
            key_sha256: key.key_sha256(),
        };
        if let Some((id, node)) = self.holder(&redeem).await? {
            let detail = format!(
                "node {id} ({}) is at {}; if this machine takes its place, remove that node first (shopctl member remove \
                 {id}) and repeat this command: the token is still good",
                node.name, node.cluster
            );
            return Ok(refused(Code::AddressTaken.as_str(), detail));
        }
        let reply = match self.proposer.run(Actor::System, redeem.into()).await {
            Ok(reply) => reply,
            Err(error) => return Ok(Answer::Unavailable { detail: error.to_string() }),
        };
        match reply.result {
            Ok(Outcome::Cluster(cluster::Outcome::Node { id })) => self.enrol(id, &key).map(Answer::Enrolled),
            Ok(other) => anyhow::bail!("an unexpected outcome: {other:?}"),
            Err(Rejection { code, detail, .. }) => Ok(refused(code.as_str(), detail)),
        }
    }

    /// The other node that is at the address of whoever wants to join, if that one has a token: Raft could not reach both.
    /// A removal that is on its way to this node may still make room.
    async fn holder(&self, redeem: &RedeemJoinToken) -> Result<Option<(u64, NodeRecord)>> {
        let deadline = Instant::now() + REMOVAL_ARRIVES_WITHIN;
        loop {
            let found = {
                let view = self.store.view().in_scope(Scope(1));
                let token = cluster::join_token(&view, redeem.token)?;
                if token.is_none_or(|token| token.secret_sha256 != redeem.secret_sha256) {
                    return Ok(None);
                }
                cluster::nodes(&view)?.into_iter().find(|(_, node)| {
                    node.is_member()
                        && node.cluster == redeem.info.cluster
                        && node.key_sha256 != redeem.key_sha256
                })
            };
            if found.is_none() || Instant::now() >= deadline {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Signs for a node that the state knows.
    fn enrol(&self, node: u64, key: &CertificateRequest) -> Result<Enrolled> {
        let view = self.store.view().in_scope(Scope(1));
        let (_, authority) = signing_authority(&view, &self.seal)?.context("there is no authority")?;
        let certificate = authority.certify(node, key, node_validity(&self.clock))?;
        let authorities = cluster::trusted_authorities(&view)?;
        let nodes = cluster::nodes(&view)?.into_iter().filter(|(id, other)| *id != node && other.is_member());
        Ok(Enrolled {
            node,
            cluster_name: self.cluster_name.clone(),
            certificate,
            authorities: authorities.into_iter().map(|(_, authority)| authority.certificate_der).collect(),
            seal_key: *self.seal.bytes(),
            nodes: nodes.map(|(id, other)| (id, other.cluster)).collect(),
        })
    }
}

fn refused(code: &str, detail: String) -> Answer {
    Answer::Refused { code: code.to_owned(), detail }
}

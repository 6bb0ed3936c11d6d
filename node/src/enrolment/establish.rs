//! The first node's certificate: how a cluster gets its id and its authority.

use anyhow::{Context, Result, bail};
use net::{ClusterId, Pin};
use shop::cluster::{self, CreateJoinToken, DEFAULT_TOKEN_LIFETIME_MS, RegisterNode};
use shop::{Actor, Command, Outcome};
use storage::Scope;

use super::authorities::{new_authority, node_validity, signing_authority};
use super::credentials::Credentials;
use super::token::{JoinSecret, JoinTokenText};
use crate::clock::{SystemClock, random};
use crate::config::Config;
use crate::node::own_record;
use crate::proposer::Proposer;
use crate::replica::Replica;
use crate::secrets::SealKey;

/// A cluster that has an authority, and a first node with a certificate.
#[derive(Debug, Clone, Copy)]
pub struct Established {
    pub cluster: ClusterId,
    /// What a join token has to pin.
    pub pin: Pin,
}

/// Makes the cluster's id and authority, registers this node and keeps its certificate in `credentials`. What an
/// earlier attempt that was cut off has done already stays as it is.
///
/// # Errors
/// When a command is not carried out, there are other nodes already, or a file cannot be written.
pub async fn establish(
    replica: &Replica,
    config: &Config,
    node: u64,
    seal: &SealKey,
    clock: &SystemClock,
    credentials: &Credentials,
) -> Result<Established> {
    let known = signing_authority(&replica.store.view().in_scope(Scope(1)), seal)?;
    let (cluster, authority) = match known {
        Some(known) => known,
        None => {
            let cluster = ClusterId(random()?);
            let (authority, command) = new_authority(cluster, seal, clock)?;
            run(&replica.proposer, command).await?;
            (cluster, authority)
        }
    };
    let key = credentials.key()?;
    let register =
        RegisterNode { info: own_record(config, &config.cluster.advertised(None)), key_sha256: key.sha256() };
    match run(&replica.proposer, register).await? {
        Outcome::Cluster(cluster::Outcome::Node { id }) if id == node => {}
        other => bail!("node {node} is registered as another: {other:?}"),
    }
    credentials.keep(&authority.identify(node, &key, node_validity(clock))?)?;
    let pin = Pin { authority_sha256: authority.key_sha256(), cluster };
    Ok(Established { cluster, pin })
}

/// Makes the token with which the next machine joins.
///
/// # Errors
/// When the command is not carried out.
pub async fn first_token(proposer: &Proposer, established: &Established) -> Result<JoinTokenText> {
    let secret = JoinSecret::generate()?;
    let create = CreateJoinToken { secret_sha256: secret.hash(), lifetime_ms: DEFAULT_TOKEN_LIFETIME_MS };
    match run(proposer, create).await? {
        Outcome::Cluster(cluster::Outcome::Token { id, .. }) => {
            Ok(JoinTokenText { id, secret, pin: established.pin })
        }
        other => bail!("an unexpected outcome: {other:?}"),
    }
}

async fn run(proposer: &Proposer, command: impl Into<Command>) -> Result<Outcome> {
    let command = command.into();
    let name = command.name();
    let reply = proposer.run(Actor::System, command).await.with_context(|| format!("{name} failed"))?;
    reply
        .result
        .map_err(|rejection| anyhow::anyhow!("{name} is refused: {}: {}", rejection.code, rejection.detail))
}

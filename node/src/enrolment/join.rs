//! `shopnode join`: makes this machine a node of a cluster that is there.
//!
//! It may be cut off anywhere and repeated with the same token: the key is made and kept before anything is sent, and the
//! same key gets the same id. The directory becomes a node's with the last step only.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use net::{ClusterId, JoinError, NodeKey, ask};
use shop::LEVELS;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::message::{Answer, BAD_REQUEST, Enrolled, Request, decode, encode};
use super::token::JoinTokenText;
use crate::cli::{InitArguments, JoinArguments};
use crate::config::Config;
use crate::data_dir::{DataDir, DataDirError, write_private};
use crate::identity::Identity;
use crate::init::configuration;
use crate::node::own_record;
use crate::peers_file::PeersFile;
use crate::secrets::SealKey;

/// One exchange: a command goes through the log meanwhile.
const ASK_LIMIT: Duration = Duration::from_secs(20);
/// A cluster that is between two leaders, or a node that is busy, is asked again for so long.
const RETRY_FOR: Duration = Duration::from_secs(30);
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Why the cluster did not take this machine.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("{source} [{}]", source.code())]
    Exchange {
        #[from]
        source: JoinError,
    },
    #[error("the cluster refuses: {detail} [{code}]")]
    Refused { code: String, detail: String },
    #[error("the cluster cannot take this machine now: {detail}; repeat this command [join_unavailable]")]
    Unavailable { detail: String },
    #[error("what this machine says of itself cannot be sent: {0}")]
    Request(String),
    #[error("what came back cannot be read: {0} [join_bad_answer]")]
    BadAnswer(String),
}

/// Enrols this machine and makes its data directory.
///
/// # Errors
/// When the token or the directory cannot be used, or the cluster refuses: see [`Failed`].
pub fn join(arguments: &JoinArguments) -> Result<()> {
    let joined = enrol_here(arguments)?;
    let data = arguments.data.display();
    eprintln!("this machine is node {} of {}; its data is in {data}", joined.node, joined.cluster_name);
    eprintln!("serve it with: shopnode run --data {data}");
    Ok(())
}

/// What this machine has become.
#[derive(Debug)]
pub struct Joined {
    pub node: u64,
    pub cluster_name: String,
}

/// Does what [`join`] does, and says nothing.
///
/// # Errors
/// As [`join`].
pub fn enrol_here(arguments: &JoinArguments) -> Result<Joined> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token: JoinTokenText = arguments.token.parse().context("--token")?;
    let root = &arguments.data;
    if DataDir::is_initialised(root) {
        return Err(DataDirError::AlreadyInitialised(root.clone()).into());
    }
    // Looked at before anything is made: whatever is wrong with it is told first.
    let config = parse(&text(arguments, None)?, root)?;
    let advertised = config.cluster.advertised(None);
    if config.cluster.is_unreachable() {
        bail!(
            "the other nodes cannot reach {advertised}: give --cluster with this machine's own address, or set cluster.advertise"
        );
    }
    let directory = DataDir::create_to_join(root)?;
    let credentials = Credentials::within(&directory.secrets());
    let key = credentials.key()?;
    let request = request(&token, &key, &config, &advertised)?;
    let enrolled = runtime.block_on(enrol(&arguments.peer, &token, request)).context("cannot join")?;
    let text = text(arguments, Some(&enrolled.cluster_name))?;
    settle(&directory, &credentials, &key, &token, &enrolled, &text)?;
    Ok(Joined { node: enrolled.node, cluster_name: enrolled.cluster_name.clone() })
}

/// The configuration's text. An operator's own file stays as it is.
fn text(arguments: &JoinArguments, cluster_name: Option<&str>) -> Result<String> {
    let as_init = InitArguments {
        data: arguments.data.clone(),
        http: arguments.http,
        cluster: arguments.cluster,
        zone: arguments.zone.clone(),
        name: None,
    };
    let text = configuration(&as_init)?;
    let own = arguments.data.join("config.toml").exists();
    match cluster_name {
        Some(name) if !own => {
            crate::config::text_with(&text, &[("cluster.name", name.into())]).map_err(anyhow::Error::msg)
        }
        _ => Ok(text),
    }
}

fn parse(text: &str, root: &Path) -> Result<Config> {
    Ok(Config::parse(text, &root.join("config.toml"), std::env::vars())?)
}

fn request(token: &JoinTokenText, key: &NodeKey, config: &Config, advertised: &str) -> Result<Request> {
    Ok(Request {
        token: token.id,
        secret: *token.secret.0,
        cluster: token.pin.cluster.0,
        certificate_request: key.request()?,
        info: own_record(config, advertised),
        levels: LEVELS,
    })
}

/// Asks until there is an answer that asking again would not change.
async fn enrol(peer: &str, token: &JoinTokenText, request: Request) -> Result<Enrolled, Failed> {
    let bytes = |encoded: Result<Vec<u8>, storage::Fault>| {
        encoded.map(Bytes::from).map_err(|fault| Failed::Request(fault.to_string()))
    };
    match enrol_with(peer, token, bytes(request.encode())?).await {
        // A node from before there were levels. Nothing is used up by what it did not understand.
        Err(Failed::Refused { code, .. }) if code == BAD_REQUEST => {
            enrol_with(peer, token, bytes(encode(&request))?).await
        }
        result => result,
    }
}

async fn enrol_with(peer: &str, token: &JoinTokenText, request: Bytes) -> Result<Enrolled, Failed> {
    let deadline = Instant::now() + RETRY_FOR;
    loop {
        let failed = match ask(peer, token.pin, request.clone(), ASK_LIMIT).await {
            Ok(answer) => match decode(&answer).map_err(|error| Failed::BadAnswer(error.to_string()))? {
                Answer::Enrolled(enrolled) => return Ok(enrolled),
                Answer::Refused { code, detail } => return Err(Failed::Refused { code, detail }),
                Answer::Unavailable { detail } => Failed::Unavailable { detail },
            },
            Err(source @ (JoinError::Busy { .. } | JoinError::Lost { .. })) => Failed::Exchange { source },
            Err(source) => return Err(Failed::Exchange { source }),
        };
        if Instant::now() + RETRY_EVERY > deadline {
            return Err(failed);
        }
        eprintln!("shopnode: {failed}; trying again");
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Writes what a node needs. The last file makes the directory a node's.
fn settle(
    directory: &DataDir,
    credentials: &Credentials,
    key: &NodeKey,
    token: &JoinTokenText,
    enrolled: &Enrolled,
    text: &str,
) -> Result<()> {
    let config = parse(text, directory.root())?;
    if config.cluster.name != enrolled.cluster_name {
        bail!(
            "config.toml sets cluster.name to {:?}, the cluster's is {:?}: correct it and repeat this command",
            config.cluster.name,
            enrolled.cluster_name
        );
    }
    let cluster = token.pin.cluster;
    credentials.keep(&identity(cluster, key, enrolled)?)?;
    keep_seal_key(&config, directory, Zeroizing::new(enrolled.seal_key))?;
    let peers: BTreeMap<u64, String> = enrolled.nodes.iter().cloned().collect();
    PeersFile::within(directory.root()).write(&peers)?;
    Identity { node: enrolled.node, cluster: Some(cluster) }.store(directory.root())?;
    // An operator's own file stays as it is.
    if !directory.config_file().exists() {
        write_private(&directory.config_file(), text.as_bytes())?;
    }
    Ok(directory.finish()?)
}

/// What came back, if it is for this machine's key and says what the answer says.
fn identity(cluster: ClusterId, key: &NodeKey, enrolled: &Enrolled) -> Result<net::Identity> {
    let certificate = enrolled.certificate.clone();
    if net::key_sha256(&certificate)? != key.sha256() {
        bail!("the cluster has certified another machine's key");
    }
    let identity = net::Identity::from_der(cluster, enrolled.authorities.clone(), certificate, key.der())?;
    if identity.node() != enrolled.node {
        bail!("the cluster has certified node {}, and says {}", identity.node(), enrolled.node);
    }
    Ok(identity)
}

/// The cluster's seal key, where the configuration has it; one that is there already has to be the same.
fn keep_seal_key(config: &Config, directory: &DataDir, key: Zeroizing<[u8; 32]>) -> Result<()> {
    let Some(file) = &config.node.seal_key_file else {
        SealKey::restore(key, &directory.secrets())?;
        return Ok(());
    };
    let present = SealKey::load(Some(file), &directory.secrets())?;
    if *present.bytes() != *key {
        bail!(
            "{file} is not the seal key of this cluster: leave node.seal_key_file unset, and it is brought along"
        );
    }
    Ok(())
}

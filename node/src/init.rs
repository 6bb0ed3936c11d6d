//! `shopnode init`: makes the data directory of a new cluster's first node.

mod first_commands;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use net::Isolated;
use toml::Value;

use crate::cli::InitArguments;
use crate::clock::SystemClock;
use crate::config::{Config, SHIPPED, text_with};
use crate::data_dir::{DataDir, write_private};
use crate::enrolment::{Credentials, establish, first_token};
use crate::identity::Identity;
use crate::node::node_info;
use crate::replica::Replica;
use crate::secrets::SealKey;
use crate::telemetry::Metrics;

/// One voter elects itself within a second; a disk that takes longer than this will not serve a shop.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What the new cluster begins with, beside what every shop needs.
#[derive(Debug, Clone)]
pub struct Founding {
    /// The shop's name in mails and receipts.
    pub store_name: String,
    /// Orders may be paid outside (provider `manual`).
    pub manual_payments: bool,
    /// The demo's catalogue, stock and customers.
    pub demo: bool,
}

/// What is shown once.
#[derive(Debug)]
pub struct Founded {
    pub admin_key: String,
    /// The first join token, good for an hour.
    pub join_token: String,
    /// Where other machines join.
    pub address: String,
}

/// Makes the directory and returns what is printed: the admin's API key, which is shown this once.
///
/// # Errors
/// When the directory holds anything already, or cannot be written.
pub fn init(arguments: &InitArguments) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build()?;
    let text = configuration(arguments)?;
    let root = &arguments.data;
    let store_name = arguments.name.clone().unwrap_or_else(|| "Shop".to_owned());
    let founding = Founding { store_name, manual_payments: false, demo: false };
    let Founded { admin_key, join_token, address } = runtime.block_on(found(root, &text, &founding))?;
    eprintln!("made {}; the admin's API key is shown this once, on standard output", root.display());
    eprintln!("serve it with: shopnode run --data {}", root.display());
    eprintln!(
        "then, within the hour, on one more machine: shopnode join {address} --data DIR --token {join_token}"
    );
    eprintln!("(a token makes one node; `shopctl token create` makes more)");
    Ok(admin_key)
}

/// The text of config.toml: an operator's own if one is in place, else the shipped one with the arguments in it.
pub fn configuration(arguments: &InitArguments) -> Result<String> {
    let file = arguments.data.join("config.toml");
    let mut settings = Vec::new();
    let mut add = |key, value: Option<String>| {
        if let Some(value) = value {
            settings.push((key, Value::from(value)));
        }
    };
    add("http.listen", arguments.http.map(|address| address.to_string()));
    add("cluster.listen", arguments.cluster.map(|address| address.to_string()));
    add("node.zone", arguments.zone.clone());
    add("cluster.name", arguments.name.clone());
    if file.exists() {
        if let Some((key, _)) = settings.first() {
            bail!("{} is there already: set {key} in it, or remove it", file.display());
        }
        return std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()));
    }
    text_with(SHIPPED, &settings).map_err(anyhow::Error::msg)
}

/// Founds a cluster of one node in `root`. The directory becomes a node's with the last
/// step only: whatever ends this before leaves nothing that `run` would serve.
///
/// # Errors
/// When the configuration is refused, the directory is used or cannot be written, or a first command is refused.
pub async fn found(root: &Path, text: &str, founding: &Founding) -> Result<Founded> {
    let config = Config::parse(text, &root.join("config.toml"), std::env::vars())?;
    let directory = DataDir::create(root)?;
    let seal = match &config.node.seal_key_file {
        Some(file) => SealKey::load(Some(file), &directory.secrets())?,
        None => SealKey::create(&directory.secrets())?,
    };
    let identity = Identity::FIRST;
    let transport = Arc::new(Isolated);
    let clock = SystemClock::start();
    let replica = Replica::open(&config, &identity, &directory, transport, clock, &Metrics::new()?).await?;
    replica.bootstrap(node_info(&config)).await?;
    replica.ready(READY_WITHIN).await?;
    let begin = async {
        let admin_key = first_commands::submit(&replica.proposer, &seal, founding).await?;
        let credentials = Credentials::within(&directory.secrets());
        let established = establish(&replica, &config, identity.node, &seal, &clock, &credentials).await?;
        let token = first_token(&replica.proposer, &established).await?;
        Ok::<_, anyhow::Error>((admin_key, established, token))
    };
    let begun = begin.await;
    replica.close().await;
    let (admin_key, established, token) = begun?;

    Identity { cluster: Some(established.cluster), ..identity }.store(root)?;
    // An operator's own file stays as it is: it may be a link to where configuration is kept on this machine.
    if !directory.config_file().exists() {
        write_private(&directory.config_file(), text.as_bytes())?;
    }
    directory.finish()?;
    let address = config.cluster.advertised(None);
    Ok(Founded { admin_key, join_token: token.text(), address })
}

//! `shopnode dev`: a shop on this machine, for trying and developing.
//!
//! The parent makes the nodes' directories, starts a real `shopnode run` on each, and brings along what a shop calls: a
//! card processor that charges nothing, a mail catcher and a catcher of text messages. It changes nothing about how a node runs.

mod child;
mod cluster;
pub mod demo;
mod file;
mod home;
mod ports;
mod settings;
mod welcome;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::cli::DevArguments;
use crate::config::Telemetry;
use crate::init::Founding;
use crate::shutdown::Shutdown;
use crate::{mail_catcher, sandbox, sms_catcher, telemetry};

use cluster::Cluster;
use file::DevFile;
use home::{Home, Secrets};

/// Runs until Ctrl-C.
///
/// # Errors
/// Whatever keeps the shop from starting.
pub fn dev(arguments: &DevArguments) -> Result<()> {
    // One thread, and the main one: children are told of the death of the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Of this process' own; the nodes tell more, by their own configuration.
    let settings = Telemetry { log_filter: "warn".to_owned(), ..Telemetry::default() };
    let _logs = telemetry::install(&settings, "dev", None)?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: &DevArguments) -> Result<()> {
    let home = Home::open(arguments.data.as_deref())?;
    // A shop that is kept needs all of its nodes: most of them must agree.
    let addresses = ports::one_after_the_other(arguments.http, arguments.nodes.max(home.nodes()))?;
    let shutdown = Shutdown::new();
    shutdown.on_signals(Duration::ZERO).context("cannot listen for signals")?;
    let secrets = Secrets::load_or_make(home.root())?;
    let outside = Outside::start(&secrets, &addresses).await?;
    let settings = settings::Settings {
        sandbox_url: outside.sandbox.base_url(),
        smtp: outside.mail.smtp_address(),
        sms_url: outside.sms.base_url(),
        secrets: &secrets,
    };
    let founding =
        Founding { store_name: "Demo Shop".to_owned(), manual_payments: true, demo: !arguments.no_demo };
    let mut cluster = Cluster::new()?;
    let opened = cluster.open(&home, &addresses, &settings, &founding, &shutdown).await;
    let ended = match opened.and_then(|()| tell(arguments, &home, &outside, &cluster)) {
        Ok(()) => {
            cluster.watch(&shutdown).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    // In this order also when something failed: the directory goes last, when nobody writes into it any more.
    cluster.stop().await;
    outside.stop().await;
    drop(home);
    ended
}

/// Tells scripts and people that the shop is open, and where.
fn tell(arguments: &DevArguments, home: &Home, outside: &Outside, cluster: &Cluster) -> Result<()> {
    let file = DevFile {
        admin_token: home.admin_token()?,
        sandbox: outside.sandbox.base_url(),
        sms: outside.sms.base_url(),
        mail: format!("http://{}", outside.mail.http_address()),
        nodes: cluster.entries()?,
    };
    home.write_dev_file(&file)?;
    print!("{}", welcome::text(&file, &home.dev_file(), !arguments.no_demo, home.is_temporary()));
    Ok(())
}

/// The third parties of a shop, in the parent: they outlive a node that is killed.
struct Outside {
    sandbox: sandbox::Handle,
    mail: mail_catcher::Handle,
    sms: sms_catcher::Handle,
}

impl Outside {
    async fn start(secrets: &Secrets, nodes: &[SocketAddr]) -> Result<Outside> {
        let options = sandbox::Options {
            webhook_urls: nodes.iter().map(|node| format!("http://{node}/hooks/sandbox")).collect(),
            webhook_secret: SecretString::from(secrets.webhook.to_string()),
            api_key: SecretString::from(secrets.card_processor.to_string()),
        };
        let sandbox =
            sandbox::serve(internal().await?, options).context("cannot start the card processor")?;
        let mail = mail_catcher::serve(internal().await?, internal().await?)
            .context("cannot start the mail catcher")?;
        let token = SecretString::from(secrets.sms.to_string());
        let sms = sms_catcher::serve(internal().await?, settings::SMS_ACCOUNT.to_owned(), token)
            .context("cannot start the catcher of text messages")?;
        Ok(Outside { sandbox, mail, sms })
    }

    async fn stop(self) {
        self.sandbox.shutdown().await;
        self.mail.shutdown().await;
        self.sms.shutdown().await;
    }
}

/// A listener on a port of the system's choice, for this machine only.
async fn internal() -> Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await.context("cannot listen on this machine")
}

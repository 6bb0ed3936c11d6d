//! What a new cluster is told first.

use anyhow::{Context, Result, bail};
use futures::stream::{self, StreamExt, TryStreamExt};
use shop::broker::{CreateTopic, DEFAULT_PARTITIONS, STANDARD_TOPICS, Settings, UpdateSettings};
use shop::catalog::{Sku, UpsertProducts};
use shop::cluster::RaiseActiveVersion;
use shop::inventory::{CreateLocation, SetStock};
use shop::level::{FIRST_LEVEL, LEVELS};
use shop::user::{self, AddSigningKey, CreateApiKey, Scopes};
use shop::{Actor, Command, Currency, Outcome};

use super::Founding;
use crate::auth::{ApiKeySecret, new_signing_key};
use crate::dev::demo;
use crate::proposer::Proposer;
use crate::secrets::SealKey;

/// Commands of the demo under way at once: enough that one fsync serves many.
const AT_ONCE: usize = 64;

/// What the first location is called until somebody names it.
const FIRST_LOCATION: &str = "Main";

/// Submits them and returns the admin's API key.
pub(super) async fn submit(proposer: &Proposer, seal: &SealKey, founding: &Founding) -> Result<String> {
    for to in FIRST_LEVEL + 1..=LEVELS.most {
        // Nobody has to be waited for: what this program can do, the whole cluster can.
        run(proposer, RaiseActiveVersion { to, program: env!("CARGO_PKG_VERSION").to_owned() }).await?;
    }
    run(proposer, settings(founding)).await?;
    run(proposer, CreateLocation { name: FIRST_LOCATION.to_owned() }).await?;
    run_all(proposer, topics()).await?;
    run(proposer, signing_key(seal)?).await?;
    if founding.demo {
        seed(proposer).await.context("the demo cannot be seeded")?;
    }
    create_admin_key(proposer).await.context("the admin's API key cannot be made")
}

fn settings(founding: &Founding) -> UpdateSettings {
    UpdateSettings {
        if_revision: None,
        settings: Settings {
            store_name: founding.store_name.clone(),
            currency: Currency::EUR,
            manual_payments: founding.manual_payments,
            ..Settings::default()
        },
    }
}

fn topics() -> Vec<CreateTopic> {
    let topic = |name: &&str| CreateTopic {
        name: (*name).to_owned(),
        partitions: DEFAULT_PARTITIONS,
        retention_days: None,
    };
    STANDARD_TOPICS.iter().map(topic).collect()
}

/// The key that signs access tokens. It is made here and leaves sealed.
fn signing_key(seal: &SealKey) -> Result<AddSigningKey> {
    let key = new_signing_key(seal)?;
    Ok(AddSigningKey { key_id: key.id, public_key: key.public, sealed_private_key: key.sealed })
}

async fn create_admin_key(proposer: &Proposer) -> Result<String> {
    let secret = ApiKeySecret::generate()?;
    let command = CreateApiKey {
        name: "admin".to_owned(),
        client: None,
        secret_sha256: secret.hash(),
        scopes: Scopes::EVERY,
        expires_at: None,
    };
    match run(proposer, command).await? {
        Outcome::User(user::Outcome::ApiKey { id }) => Ok(secret.text(id)),
        other => bail!("an unexpected outcome: {other:?}"),
    }
}

async fn seed(proposer: &Proposer) -> Result<()> {
    let goods = demo::demo()?;
    // Stock is of SKUs, so the products come first.
    run_all(proposer, UpsertProducts::chunks(goods.products)).await?;
    run_all(proposer, goods.stock.into_iter().map(set_stock).collect()).await?;
    run_all(proposer, demo::customers()).await
}

fn set_stock((sku, on_hand): (Sku, i64)) -> SetStock {
    SetStock { sku, location: None, on_hand, if_on_hand: None }
}

async fn run_all(proposer: &Proposer, commands: Vec<impl Into<Command>>) -> Result<()> {
    stream::iter(commands)
        .map(|command| run(proposer, command))
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await
}

async fn run(proposer: &Proposer, command: impl Into<Command>) -> Result<Outcome> {
    let command = command.into();
    let name = command.name();
    let reply = proposer.run(Actor::System, command).await?;
    reply
        .result
        .map_err(|rejection| anyhow::anyhow!("{name} is refused: {}: {}", rejection.code, rejection.detail))
}

//! `shopctl client`: who may use the API, and with which keys.

mod view;

use shop::ids::{ApiKeyId, ClientId};
use shop::time::Timestamp;
use shop::user::Scopes;
use shop::user::http::{ApiKeyCreated, ApiKeyInput, ClientCreated, ClientInput, ClientView, ClientsQuery};

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

const CLIENTS: [&str; 3] = ["admin", "v1", "clients"];

/// Make, list and revoke API clients and their keys
#[derive(Debug, clap::Subcommand)]
pub enum Client {
    /// Make a client; its secret is printed once and kept nowhere
    Create {
        /// What people call it, like storefront
        name: String,
        #[command(flatten)]
        grant: Grant,
    },
    /// List clients with their keys
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one client with its keys
    Get { id: ClientId },
    /// Revoke a client, its tokens and its keys
    Revoke { id: ClientId },
    /// Make an API key for a client; it is printed once and kept nowhere
    CreateKey {
        /// The client, like cli_…
        client: ClientId,
        /// What people call the key
        name: String,
        #[command(flatten)]
        grant: Grant,
        /// When it ends, like 2027-01-31T00:00:00Z; never unless given
        #[arg(long, value_name = "TIME")]
        expires_at: Option<Timestamp>,
    },
    /// Revoke an API key
    RevokeKey {
        /// Its id, like key_…
        id: ApiKeyId,
    },
}

/// What is allowed.
#[derive(Debug, clap::Args)]
pub struct Grant {
    /// What it may do, like orders:place; several are separated by commas, and * is everything
    #[arg(long = "scope", value_name = "SCOPES", required = true, value_parser = parse_scopes)]
    scopes: Vec<Scopes>,
}

impl Grant {
    /// All that was given, by one option or several.
    fn scopes(&self) -> Result<Scopes, Failure> {
        let texts: Vec<String> = self.scopes.iter().map(Scopes::to_string).collect();
        parse_scopes(&texts.join(" ")).map_err(Failure::Usage)
    }
}

impl Client {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Create { name, grant } => {
                let body = Payload::json(&ClientInput { name, scopes: grant.scopes()? })?;
                let answer = context.client.post(&CLIENTS, &(), body).await?;
                context.changed(&answer, |made: &ClientCreated| {
                    (format!("made client {}", made.client_id), view::created(made))
                })
            }
            Self::List { paging } => {
                let query = |limit, cursor| ClientsQuery { limit, cursor };
                paging::list(context, &CLIENTS, paging, query, view::list).await
            }
            Self::Get { id } => {
                let answer = context.client.get(&of(&id.to_string()), &()).await?;
                context.output.answer(&answer.body, |client: &ClientView| view::one(client))
            }
            Self::Revoke { id } => {
                let answer = context.client.delete(&of(&id.to_string())).await?;
                context.ended(&answer, &format!("revoked client {id}"))
            }
            Self::CreateKey { client, name, grant, expires_at } => {
                let body = Payload::json(&ApiKeyInput { name, scopes: grant.scopes()?, expires_at })?;
                let client = client.to_string();
                let path = [of(&client).as_slice(), &["keys"]].concat();
                let answer = context.client.post(&path, &(), body).await?;
                context.changed(&answer, |made: &ApiKeyCreated| {
                    (format!("made key {}", made.id), view::key_created(made))
                })
            }
            Self::RevokeKey { id } => {
                let answer = context.client.delete(&["admin", "v1", "keys", &id.to_string()]).await?;
                context.ended(&answer, &format!("revoked key {id}"))
            }
        }
    }
}

fn of(id: &str) -> [&str; 4] {
    let [admin, version, clients] = CLIENTS;
    [admin, version, clients, id]
}

/// Scopes as tokens write them, separated by spaces or commas.
fn parse_scopes(text: &str) -> Result<Scopes, String> {
    text.replace(',', " ").parse::<Scopes>().map_err(|error| error.to_string())
}

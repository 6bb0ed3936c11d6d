//! The nouns, each with its verbs.

mod authority;
mod autopilot;
mod backup;
mod client;
mod explain;
mod group;
mod job;
mod leader;
mod member;
mod node;
mod notification;
mod order;
mod payment;
mod product;
mod profile;
mod sms;
mod status;
mod stock;
mod token;
mod topic;
mod upgrade;
mod words;

use std::path::PathBuf;

use crate::context::Context;
use crate::failure::Failure;

/// What a command is about.
#[derive(Debug, clap::Subcommand)]
pub enum Noun {
    Status(status::Status),
    #[command(subcommand)]
    Product(product::Product),
    #[command(subcommand)]
    Stock(stock::Stock),
    #[command(subcommand)]
    Order(order::Order),
    #[command(subcommand)]
    Payment(payment::Payment),
    #[command(subcommand)]
    Notification(notification::Notification),
    #[command(subcommand)]
    Sms(sms::Sms),
    #[command(subcommand)]
    Client(client::Client),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Authority(authority::Authority),
    #[command(subcommand)]
    Topic(topic::Topic),
    #[command(subcommand)]
    Group(group::Group),
    #[command(subcommand)]
    Member(member::Member),
    #[command(subcommand)]
    Node(node::Node),
    #[command(subcommand)]
    Leader(leader::Leader),
    #[command(subcommand)]
    Autopilot(autopilot::Autopilot),
    #[command(subcommand)]
    Upgrade(upgrade::Upgrade),
    #[command(subcommand)]
    Backup(backup::Backup),
    #[command(subcommand)]
    Job(job::Job),
    Explain(explain::Explain),
    #[command(subcommand)]
    Profile(profile::Profile),
    /// Write man pages and completions into a directory, for packages
    #[command(hide = true)]
    Documents {
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

impl Noun {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Status(verb) => verb.run(context).await,
            Self::Product(verb) => verb.run(context).await,
            Self::Stock(verb) => verb.run(context).await,
            Self::Order(verb) => verb.run(context).await,
            Self::Payment(verb) => verb.run(context).await,
            Self::Notification(verb) => verb.run(context).await,
            Self::Sms(verb) => verb.run(context).await,
            Self::Client(verb) => verb.run(context).await,
            Self::Token(verb) => verb.run(context).await,
            Self::Authority(verb) => verb.run(context).await,
            Self::Topic(verb) => verb.run(context).await,
            Self::Group(verb) => verb.run(context).await,
            Self::Member(verb) => verb.run(context).await,
            Self::Node(verb) => verb.run(context).await,
            Self::Leader(verb) => verb.run(context).await,
            Self::Autopilot(verb) => verb.run(context).await,
            Self::Upgrade(verb) => verb.run(context).await,
            Self::Backup(verb) => verb.run(context).await,
            Self::Job(verb) => verb.run(context).await,
            // These need no shop and were run before one was looked for.
            Self::Explain(_) | Self::Profile(_) | Self::Documents { .. } => Ok(()),
        }
    }
}

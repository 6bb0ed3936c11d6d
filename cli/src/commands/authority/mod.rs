//! `shopctl authority`: whose certificates nodes trust, and how one authority takes another's place.

mod view;

use shop::cluster::http::{AuthoritiesView, AuthorityView, RetireAuthorityInput};

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;

const AUTHORITIES: [&str; 4] = ["admin", "v1", "cluster", "authorities"];

/// List the authorities that vouch for nodes, and replace them
///
/// After `rotate` the new one signs and both are trusted. Nodes renew their certificates by themselves; when `list` shows none with
/// the old one, `retire` ends it.
#[derive(Debug, clap::Subcommand)]
pub enum Authority {
    /// List authorities with the nodes that have a certificate of each
    List,
    /// Make a new authority, which signs from now on; refused while a node does not answer. Join tokens that were made before are
    /// refused from then on
    Rotate,
    /// Retire an authority for good; refused while a node has a certificate of it
    Retire {
        /// As the list has it
        fingerprint: String,
        /// Also while nodes do not answer: one that still has a certificate of it is locked out for good
        #[arg(long)]
        ignore_silent: bool,
    },
}

impl Authority {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let [admin, version, cluster, authorities] = AUTHORITIES;
        match self {
            Self::List => {
                let answer = context.client.get(&AUTHORITIES, &()).await?;
                context.output.answer(&answer.body, |all: &AuthoritiesView| view::all(all))
            }
            Self::Rotate => {
                let answer = context.client.post(&AUTHORITIES, &(), Payload::Nothing).await?;
                context.changed(&answer, |made: &AuthorityView| {
                    (
                        format!("authority {} signs from now on", made.fingerprint),
                        vec![view::list(std::slice::from_ref(made))],
                    )
                })
            }
            Self::Retire { fingerprint, ignore_silent } => {
                let path = [admin, version, cluster, authorities, fingerprint.as_str(), "retire"];
                let body = Payload::json(&RetireAuthorityInput { ignore_silent })?;
                let answer = context.client.post(&path, &(), body).await?;
                context.changed(&answer, |gone: &AuthorityView| {
                    (
                        format!("authority {} is retired", gone.fingerprint),
                        vec![view::list(std::slice::from_ref(gone))],
                    )
                })
            }
        }
    }
}

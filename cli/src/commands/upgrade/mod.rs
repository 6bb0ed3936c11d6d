//! `shopctl upgrade`: a newer program on every node, one after the other, and the end of it.

mod node;
mod view;

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;

use view::Upgrade as View;

/// Bring a newer program to the nodes, one at a time, while the shop sells
#[derive(Debug, clap::Subcommand)]
pub enum Upgrade {
    /// Show which program each node runs, and what is to be done next
    Status,
    /// Take a node out of service, wait for its new program, and bring it back
    #[command(long_about = "Take a node out of service, wait for its new program, and bring it back\n\n\
                      Drains the node, waits until another one leads, and asks for the new program: install the package on \
                      that machine and restart its service. Once the new program is up and has caught up, the node goes \
                      back into service. Cut off, it may be repeated; `shopctl node undrain` gives up.")]
    Node(node::Node),
    /// The same with every node, one after the other, the leader last
    #[command(long_about = "The same with every node, one after the other, the leader last\n\n\
                      Each one is drained, gets the new program, catches up and goes back into service before the next one \
                      is begun; where one of them does not, it ends, and the others stay as they are. It may be repeated: \
                      with --to those that have the new program are passed over. It does not finalize.")]
    All(node::All),
    /// End the upgrade: let the cluster use what every node supports now, with no way back to earlier programs
    Finalize,
}

const PATH: [&str; 4] = ["admin", "v1", "cluster", "upgrade"];

impl Upgrade {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Status => {
                let answer = read(context).await?;
                context.output.answer(&answer.body, View::tables)
            }
            Self::Node(node) => node.run(context).await,
            Self::All(all) => all.run(context).await,
            Self::Finalize => {
                let path = [PATH.as_slice(), &["finalize"]].concat();
                let answer = context.client.post(&path, &(), Payload::Nothing).await.map_err(too_old)?;
                context.changed(&answer, |view: &View| {
                    (format!("the active version is {}", view.active_version), view.tables())
                })
            }
        }
    }
}

async fn read(context: &Context) -> Result<crate::client::Answer, Failure> {
    context.client.get(&PATH, &()).await.map_err(too_old)
}

/// A node that does not know the route is itself to be upgraded.
fn too_old(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(refusal) if refusal.status == 404 => Failure::Failed(
            "the node that answers runs a program that knows nothing of upgrades: upgrade it first \
             (`shopctl node drain`, install and restart, `shopctl node undrain`), or ask another node with --server"
                .to_owned(),
        ),
        failure => failure,
    }
}

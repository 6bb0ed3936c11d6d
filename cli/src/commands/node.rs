//! `shopctl node`: taking a node out of service, and back.

use super::member::order;
use crate::context::Context;
use crate::failure::Failure;

/// Take a node out of service for a while, and bring it back
#[derive(Debug, clap::Subcommand)]
pub enum Node {
    /// Let a node give up the lead and its background work, and tell balancers to send it nothing new
    Drain {
        /// The node's id, like 3
        node: u64,
    },
    /// End the draining of a node
    Undrain {
        /// The node's id, like 3
        node: u64,
    },
    /// Ask a node to give its state new, small files when it is its turn
    Compact {
        /// The node's id, like 3
        node: u64,
    },
}

impl Node {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Drain { node } => order(context, node, "drain", "drains").await,
            Self::Undrain { node } => order(context, node, "undrain", "is back in service").await,
            Self::Compact { node } => order(context, node, "compact", "will compact in its turn").await,
        }
    }
}

//! The cluster: how it is, and what operators order for its nodes. Any node takes an order; the leader carries it out.

mod authorities;
mod autopilot;
mod leader;
mod nodes;
mod upgrade;
mod view;

pub use view::{ClusterView, DigestView, NodeRole, NodeState, NodeView};

use crate::gateway::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = view::routes(routes);
    let routes = nodes::routes(routes);
    let routes = leader::routes(routes);
    let routes = autopilot::routes(routes);
    let routes = authorities::routes(routes);
    upgrade::routes(routes)
}

//! The transport of a cluster of one: there is nobody to talk to.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    error::NetError,
    transport::{BoxFuture, Channel, GroupId, Lane, Listener, NodeId, Route, Service, Transport},
};

/// Reaches nobody and is reached by nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Isolated;

impl Transport for Isolated {
    fn start(&self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async { Ok(()) })
    }

    fn know(&self, _peer: NodeId, _address: &str) {}

    fn call(&self, route: Route, _body: Bytes, _deadline: Instant) -> BoxFuture<'_, Result<Bytes, NetError>> {
        Box::pin(async move { Err(no_peers(route.peer)) })
    }

    fn open(&self, route: Route, _: Lane, _: Instant) -> BoxFuture<'_, Result<Channel, NetError>> {
        Box::pin(async move { Err(no_peers(route.peer)) })
    }

    fn send_datagram(&self, _peer: NodeId, _datagram: Bytes) {}

    fn hear(&self, _listener: Arc<dyn Listener>) {}

    fn serve(&self, _group: GroupId, _service: Arc<dyn Service>) {}

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn no_peers(peer: NodeId) -> NetError {
    NetError::Unreachable { peer, why: "this node runs without a cluster endpoint".into() }
}

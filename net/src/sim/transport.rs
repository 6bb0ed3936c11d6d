//! One node's endpoint on a simulated network.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{
    channel::channel,
    world::{Fate, SimNetwork},
};
use crate::{
    error::NetError,
    transport::{
        BoxFuture, Channel, GroupId, Lane, Listener, MAX_DATAGRAM_BYTES, NodeId, Route, Service, Transport,
    },
};

/// An endpoint, from [`SimNetwork::transport`].
pub struct SimTransport {
    pub(super) network: SimNetwork,
    pub(super) node: NodeId,
    pub(super) life: u64,
}

impl SimTransport {
    async fn call_until(&self, route: Route, body: Bytes, deadline: Instant) -> Result<Bytes, NetError> {
        let (from, peer) = (self.node, route.peer);
        self.travel(from, peer, deadline).await?;
        let Some((service, life)) = self.network.service(peer, route.group) else {
            return Err(down(peer));
        };
        // The peer works on, even when the caller has given up.
        let work = tokio::spawn(async move { service.call(from, route.kind, body).await });
        let answer = work.await.map_err(|_| down(peer))?;
        if !self.network.is_alive(peer, life) {
            return never(peer, deadline).await;
        }
        self.travel(peer, from, deadline).await?;
        answer.map_err(|why| NetError::Refused { peer, why })
    }

    /// One message from `from` to `to`; the caller learns of a loss only by waiting.
    async fn travel(&self, from: NodeId, to: NodeId, deadline: Instant) -> Result<(), NetError> {
        let peer = if from == self.node { to } else { from };
        match self.network.fate(from, to) {
            Fate::Lost => never(peer, deadline).await,
            Fate::Arrives(delay) => {
                sleep(delay).await;
                Ok(())
            }
        }
    }

    async fn open_until(&self, route: Route, deadline: Instant) -> Result<Channel, NetError> {
        let (from, peer) = (self.node, route.peer);
        self.travel(from, peer, deadline).await?;
        let Some((service, peer_life)) = self.network.service(peer, route.group) else {
            return Err(down(peer));
        };
        let (here, there) = channel(&self.network, (from, self.life), (peer, peer_life));
        tokio::spawn(async move { service.channel(from, route.kind, there).await });
        self.travel(peer, from, deadline).await?;
        Ok(here)
    }

    fn check_alive(&self) -> Result<(), NetError> {
        if self.network.is_alive(self.node, self.life) {
            return Ok(());
        }
        Err(NetError::Endpoint("this endpoint has stopped".into()))
    }
}

impl Transport for SimTransport {
    fn start(&self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async { self.check_alive() })
    }

    fn know(&self, _peer: NodeId, _address: &str) {}

    fn call(&self, route: Route, body: Bytes, deadline: Instant) -> BoxFuture<'_, Result<Bytes, NetError>> {
        Box::pin(async move {
            self.check_alive()?;
            let called = self.call_until(route, body, deadline);
            timeout_at(deadline, called).await.unwrap_or_else(|_| Err(late(route.peer)))
        })
    }

    fn open(&self, route: Route, _: Lane, deadline: Instant) -> BoxFuture<'_, Result<Channel, NetError>> {
        Box::pin(async move {
            self.check_alive()?;
            let opened = self.open_until(route, deadline);
            timeout_at(deadline, opened).await.unwrap_or_else(|_| Err(late(route.peer)))
        })
    }

    fn send_datagram(&self, peer: NodeId, datagram: Bytes) {
        if self.check_alive().is_err() || datagram.len() > MAX_DATAGRAM_BYTES {
            return;
        }
        let Fate::Arrives(delay) = self.network.fate(self.node, peer) else { return };
        let (network, from) = (self.network.clone(), self.node);
        tokio::spawn(async move {
            sleep(delay).await;
            if let Some(listener) = network.listener(peer) {
                listener.heard(from, datagram);
            }
        });
    }

    fn hear(&self, listener: Arc<dyn Listener>) {
        self.network.listen(self.node, self.life, listener);
    }

    fn serve(&self, group: GroupId, service: Arc<dyn Service>) {
        self.network.register(self.node, self.life, group, service);
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.network.stop(self.node, self.life) })
    }
}

async fn never<T>(peer: NodeId, deadline: Instant) -> Result<T, NetError> {
    sleep_until(deadline).await;
    Err(late(peer))
}

fn late(peer: NodeId) -> NetError {
    NetError::Timeout { peer, waited: std::time::Duration::ZERO }
}

fn down(peer: NodeId) -> NetError {
    NetError::Unreachable { peer, why: "it is down".into() }
}

//! The long-lived connection to one peer, and how connections are made at all.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{Arc, RwLock},
    time::Duration,
};

use bytes::Bytes;
use quinn::{ClientConfig, Connection, Endpoint};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    datagram::{Waiting, send},
    endpoint::{CLOSE_RENEWED, CLOSE_UNWELCOME},
    hello::{Hello, Said, say},
    register::Register,
    tally::Counters,
};
use crate::{
    error::NetError,
    identity::{ClusterId, node_name},
    transport::{GroupId, NodeId},
};

/// Handshake and hello together.
const DIAL_LIMIT: Duration = Duration::from_secs(2);

/// Pause after a failed dial: doubles from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long a connection that was replaced stays open.
const RETIRE_AFTER: Duration = Duration::from_secs(5);

/// Makes connections as this node.
#[derive(Clone)]
pub(super) struct Dialer {
    pub endpoint: Endpoint,
    /// What connections are made with; replaced when the identity is renewed.
    pub config: Arc<RwLock<ClientConfig>>,
    pub register: Register,
    pub cluster: ClusterId,
    pub node: NodeId,
    /// What this node speaks.
    pub protocols: RangeInclusive<u16>,
}

impl Dialer {
    /// A connection to `peer` whose hello has been answered.
    pub(super) async fn dial(&self, peer: NodeId, address: &str) -> Result<Connection, NetError> {
        let late = || NetError::Unreachable { peer, why: format!("{address} does not answer") };
        timeout(DIAL_LIMIT, self.agree(peer, address)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Dials with the newest protocol, and again with an older one if the peer asks for that.
    async fn agree(&self, peer: NodeId, address: &str) -> Result<Connection, NetError> {
        let mut protocol = *self.protocols.end();
        loop {
            let (connection, said) = self.connect(peer, address, protocol).await?;
            protocol = match said {
                Said::Welcome(agreed) => {
                    return match self.register.enter(peer, &connection, agreed) {
                        true => Ok(connection),
                        false => Err(refused(peer)),
                    };
                }
                // A lesser one each time, so that this ends.
                Said::Again(lesser) => lesser,
            };
            tracing::debug!(peer, protocol, "the peer asks for an older protocol");
            connection.close(CLOSE_UNWELCOME.into(), b"again, in another protocol");
        }
    }

    async fn connect(
        &self,
        peer: NodeId,
        address: &str,
        protocol: u16,
    ) -> Result<(Connection, Said), NetError> {
        if self.register.is_refused(peer) {
            return Err(refused(peer));
        }
        let unreachable = |why: String| NetError::Unreachable { peer, why: format!("{address}: {why}") };
        let resolved: Option<SocketAddr> =
            tokio::net::lookup_host(address).await.map_err(|error| unreachable(error.to_string()))?.next();
        let socket = resolved.ok_or_else(|| unreachable("the name has no address".into()))?;
        let config = self.config.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let connecting = self
            .endpoint
            .connect_with(config, socket, &node_name(self.cluster, peer))
            .map_err(|error| unreachable(error.to_string()))?;
        let connection = connecting.await.map_err(|error| unreachable(error.to_string()))?;
        let hello = Hello { cluster: self.cluster, node: self.node, protocol, group: GroupId::FIRST };
        // `connect` returning proves nothing yet: the peer may not have looked at our certificate.
        let said = say(&connection, peer, hello, &self.protocols).await.inspect_err(|error| {
            if let NetError::Removed { .. } = error {
                self.register.was_removed(peer);
            }
            connection.close(1u32.into(), b"no hello");
        })?;
        Ok((connection, said))
    }
}

fn refused(peer: NodeId) -> NetError {
    NetError::Unreachable { peer, why: "it was removed from the cluster".into() }
}

/// Where a link stands.
#[derive(Debug, Clone)]
enum State {
    /// The first dial is under way.
    Connecting,
    Up(Connection),
    Down(NetError),
}

/// The connection to one peer, as callers see it.
#[derive(Debug)]
pub(super) struct Link {
    pub address: Arc<str>,
    state: watch::Receiver<State>,
    waiting: Waiting,
    renew: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// Starts to keep up a connection, on the current runtime.
    pub(super) fn start(dialer: Dialer, peer: NodeId, address: &str, counters: Counters) -> Link {
        let address: Arc<str> = address.into();
        let (tell, state) = watch::channel(State::Connecting);
        let renew = Arc::new(Notify::new());
        let waiting = Waiting::default();
        let task = tokio::spawn(keep_up(
            dialer,
            peer,
            address.clone(),
            tell,
            (waiting.clone(), renew.clone(), counters),
        ));
        Link { address, state, waiting, renew, task }
    }

    /// Sends a datagram, or keeps it for when the connection is up again.
    pub(super) fn send_datagram(&self, datagram: Bytes) {
        match &*self.state.borrow() {
            State::Up(connection) => send(connection, datagram),
            State::Connecting | State::Down(_) => self.waiting.push(datagram),
        }
    }

    /// Makes a new connection in place of the one that there is, which ends a moment later.
    pub(super) fn renew(&self) {
        self.renew.notify_one();
    }

    /// The connection. Waits only while the very first dial is under way: a peer that is down is said to be down at
    /// once.
    pub(super) fn connection(
        &self,
        peer: NodeId,
        deadline: Instant,
    ) -> impl Future<Output = Result<Connection, NetError>> + Send + use<> {
        let mut state = self.state.clone();
        async move {
            let known = state.wait_for(|state| !matches!(state, State::Connecting));
            match timeout_at(deadline, known).await {
                Ok(Ok(state)) => match &*state {
                    State::Up(connection) => Ok(connection.clone()),
                    State::Down(why) => Err(why.clone()),
                    State::Connecting => Err(NetError::Unreachable { peer, why: "not connected yet".into() }),
                },
                Ok(Err(_)) => Err(NetError::Unreachable { peer, why: "this endpoint has stopped".into() }),
                Err(_) => Err(NetError::Timeout { peer, waited: Duration::ZERO }),
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Dials, waits until the connection is lost, and dials again.
async fn keep_up(
    dialer: Dialer,
    peer: NodeId,
    address: Arc<str>,
    tell: watch::Sender<State>,
    (waiting, renew, counters): (Waiting, Arc<Notify>, Counters),
) {
    let mut pause = RETRY.0;
    let (mut said, mut was_up) = (String::new(), false);
    loop {
        match dialer.dial(peer, &address).await {
            Ok(mut connection) => {
                if std::mem::replace(&mut was_up, true) {
                    counters.reconnected();
                }
                tracing::info!(peer, %address, "connected");
                (pause, said) = (RETRY.0, String::new());
                let why = loop {
                    tell.send_replace(State::Up(connection.clone()));
                    waiting.drain().into_iter().for_each(|datagram| send(&connection, datagram));
                    tokio::select! {
                        why = connection.closed() => break why.to_string(),
                        () = renew.notified() => {}
                    }
                    // The new one first, so that there is always one. If that fails, the old one is good enough.
                    if let Ok(fresh) = dialer.dial(peer, &address).await {
                        retire(std::mem::replace(&mut connection, fresh));
                    }
                };
                tracing::info!(peer, why, "connection lost");
                tell.send_replace(State::Down(NetError::Unreachable { peer, why }));
            }
            Err(error) => {
                // Once for each reason: it is tried again every second.
                let why = error.to_string();
                match &error {
                    NetError::Removed { .. } if said != why => tracing::error!(peer, why, "not connected"),
                    _ => tracing::debug!(peer, why, "not connected"),
                }
                said = why;
                tell.send_replace(State::Down(error));
                pause = (pause * 2).min(RETRY.1);
            }
        }
        sleep(pause).await;
    }
}

/// Closes a connection that another has replaced, once what is under way on it has had its time.
fn retire(connection: Connection) {
    tokio::spawn(async move {
        sleep(RETIRE_AFTER).await;
        connection.close(CLOSE_RENEWED.into(), b"renewed");
    });
}

//! [`Transport`] over the links.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, RwLock},
    time::Duration,
};

use bytes::Bytes;
use quinn::{Connection, Endpoint};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    accept::{Reception, Services, accept},
    datagram::Listening,
    endpoint::{Configs, bind, configs},
    hello::PROTOCOLS,
    link::{Dialer, Link},
    register::{Register, Traffic},
    stream::{OwnConnection, StreamReceiver, channel, lost},
    tally::{Counters, PeerTally},
};
use crate::{
    error::NetError,
    frame::{self, Mode, Opening},
    identity::Identity,
    join::{Door, Registrar},
    transport::{
        BoxFuture, Channel, GroupId, Lane, Listener, MAX_DATAGRAM_BYTES, NodeId, Route, Service, Transport,
    },
};

/// How long closing waits for peers to hear of it.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// What an endpoint is told.
#[derive(Debug, Clone)]
pub struct QuicConfig {
    /// Who this node is.
    pub identity: Identity,
    /// The UDP address to serve and dial from; port 0 takes a free one.
    pub bind: SocketAddr,
    /// What this node speaks: [`PROTOCOLS`](super::PROTOCOLS), but in tests.
    pub protocols: RangeInclusive<u16>,
}

impl QuicConfig {
    /// The same with all that this program speaks.
    pub fn new(identity: Identity, bind: SocketAddr) -> QuicConfig {
        QuicConfig { identity, bind, protocols: PROTOCOLS }
    }
}

/// The transport between real nodes.
pub struct QuicTransport {
    bind: SocketAddr,
    protocols: RangeInclusive<u16>,
    services: Services,
    listening: Listening,
    register: Register,
    door: Arc<Door>,
    state: Mutex<State>,
}

struct State {
    identity: Identity,
    /// Peers' addresses, by whoever told last.
    addresses: BTreeMap<NodeId, String>,
    /// Of the peers whose addresses are known.
    counters: BTreeMap<NodeId, Counters>,
    running: Option<Running>,
}

struct Running {
    dialer: Dialer,
    /// Where tasks belong, whoever calls.
    runtime: Handle,
    links: BTreeMap<NodeId, Link>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTransport").field("bind", &self.bind).finish_non_exhaustive()
    }
}

impl QuicTransport {
    /// An endpoint that is not bound yet: see [`Transport::start`].
    pub fn new(config: QuicConfig) -> QuicTransport {
        let QuicConfig { identity, bind, protocols } = config;
        let state = State { identity, addresses: BTreeMap::new(), counters: BTreeMap::new(), running: None };
        QuicTransport {
            bind,
            protocols,
            services: Services::default(),
            listening: Listening::default(),
            register: Register::default(),
            door: Arc::default(),
            state: Mutex::new(state),
        }
    }

    /// Who answers those that have no certificate yet; until then nobody does.
    pub fn enrol_by(&self, registrar: Arc<dyn Registrar>) {
        self.door.open_to(Some(registrar));
    }

    /// A node of this cluster that refused this one because it was removed, if any has. Its certificate was checked before it said so.
    pub fn removed_by(&self) -> Option<NodeId> {
        self.register.removed_by()
    }

    /// Goes on with a new certificate or with other authorities. New connections are made with it and replace those
    /// that there are; what an authority vouched for that is not trusted any more is closed at once.
    ///
    /// # Errors
    /// [`NetError::Endpoint`] if the identity cannot be used; the old one then stays.
    pub fn renew(&self, identity: Identity) -> Result<(), NetError> {
        let Configs { server, client } = configs(&identity)?;
        let mut state = self.state();
        if let Some(running) = &state.running {
            running.dialer.endpoint.set_server_config(Some(server));
            *running.dialer.config.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = client;
            running.links.values().for_each(Link::renew);
        }
        self.register.close_untrusted(&identity.authorities);
        state.identity = identity;
        Ok(())
    }

    /// What this node proves itself with now.
    pub fn identity(&self) -> Identity {
        self.state().identity.clone()
    }

    /// Peers with an open connection whose hello was answered, in the order of their ids.
    pub fn connected(&self) -> Vec<NodeId> {
        self.register.connected()
    }

    /// How the exchange with each peer goes whose address is known, in the order of their ids. This node is not among them.
    pub fn tally(&self) -> Vec<PeerTally> {
        let (own, counters) = {
            let state = self.state();
            (state.identity.node, state.counters.clone())
        };
        let others = counters.into_iter().filter(|(peer, _)| *peer != own);
        let tally = others.map(|(peer, counters)| {
            let (in_flight, failures, reconnects) = counters.read();
            let Traffic { connections, protocol, round_trip, sent_bytes, received_bytes } =
                self.register.traffic(peer);
            PeerTally {
                peer,
                connected: connections > 0,
                connections,
                protocol,
                round_trip,
                sent_bytes,
                received_bytes,
                in_flight,
                failures,
                reconnects,
            }
        });
        tally.collect()
    }

    /// What is counted of a peer; of one whose address is not known, nothing that anybody sees.
    fn counters(&self, peer: NodeId) -> Counters {
        self.state().counters.get(&peer).cloned().unwrap_or_default()
    }

    /// The address that was bound, once started.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.state().running.as_ref()?.dialer.endpoint.local_addr().ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Maps and handles, changed one at a time.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn run(&self) -> Result<(), NetError> {
        let mut state = self.state();
        if state.running.is_some() {
            return Ok(());
        }
        let (cluster, node) = (state.identity.cluster, state.identity.node);
        let Configs { server, client } = configs(&state.identity)?;
        let endpoint = bind(server, self.bind)?;
        let reception = Reception {
            cluster,
            protocols: self.protocols.clone(),
            services: self.services.clone(),
            listening: self.listening.clone(),
            register: self.register.clone(),
            door: self.door.clone(),
        };
        let accepting = tokio::spawn(accept(endpoint.clone(), reception));
        let config = Arc::new(RwLock::new(client));
        let (register, protocols) = (self.register.clone(), self.protocols.clone());
        let dialer = Dialer { endpoint, config, register, cluster, node, protocols };
        let mut running = Running { dialer, runtime: Handle::current(), links: BTreeMap::new(), accepting };
        for (peer, address) in &state.addresses {
            let counters = state.counters.get(peer).cloned().unwrap_or_default();
            running.link(*peer, address, counters);
        }
        state.running = Some(running);
        Ok(())
    }

    /// The steady connection to `peer`.
    async fn connection(&self, peer: NodeId, deadline: Instant) -> Result<Connection, NetError> {
        let unknown = |why: &str| NetError::Unreachable { peer, why: why.into() };
        let connecting = {
            let state = self.state();
            let running = state.running.as_ref().ok_or_else(|| unknown("this endpoint does not run"))?;
            let link = running.links.get(&peer).ok_or_else(|| unknown("its address is not known"))?;
            link.connection(peer, deadline)
        };
        connecting.await
    }

    /// A connection for one channel.
    async fn bulk_connection(&self, peer: NodeId) -> Result<Connection, NetError> {
        let unknown = |why: &str| NetError::Unreachable { peer, why: why.into() };
        let (dialer, address) = {
            let state = self.state();
            let running = state.running.as_ref().ok_or_else(|| unknown("this endpoint does not run"))?;
            let link = running.links.get(&peer).ok_or_else(|| unknown("its address is not known"))?;
            (running.dialer.clone(), link.address.clone())
        };
        dialer.dial(peer, &address).await
    }

    async fn call_peer(&self, route: Route, body: Bytes, deadline: Instant) -> Result<Bytes, NetError> {
        let peer = route.peer;
        let connection = self.connection(peer, deadline).await?;
        let (mut tx, rx) = connection.open_bi().await.map_err(|error| lost(peer, &error))?;
        let opening = Opening { mode: Mode::Call, group: route.group, kind: route.kind }.encode();
        let mut chunks = [Bytes::copy_from_slice(&opening), frame::encode(&body)?];
        tx.write_all_chunks(&mut chunks).await.map_err(|error| lost(peer, &error))?;
        tx.finish().map_err(|error| lost(peer, &error))?;
        let mut receiver = StreamReceiver::new(peer, rx);
        let [refused] = receiver.prefix().await?;
        let answer = receiver.next().await?;
        let answer = answer.ok_or_else(|| NetError::BadFrame("an answer without a body".into()))?;
        match refused {
            0 => Ok(answer),
            _ => Err(NetError::Refused { peer, why: String::from_utf8_lossy(&answer).into_owned() }),
        }
    }

    async fn open_channel(&self, route: Route, lane: Lane, deadline: Instant) -> Result<Channel, NetError> {
        let peer = route.peer;
        let (connection, own) = match lane {
            Lane::Steady => (self.connection(peer, deadline).await?, None),
            Lane::Bulk => {
                let connection = self.bulk_connection(peer).await?;
                (connection.clone(), Some(OwnConnection(connection)))
            }
        };
        let (mut tx, rx) = connection.open_bi().await.map_err(|error| lost(peer, &error))?;
        let opening = Opening { mode: Mode::Channel, group: route.group, kind: route.kind };
        tx.write_all(&opening.encode()).await.map_err(|error| lost(peer, &error))?;
        Ok(channel(peer, tx, StreamReceiver::new(peer, rx), own))
    }
}

impl Running {
    fn link(&mut self, peer: NodeId, address: &str, counters: Counters) {
        let same = self.links.get(&peer).is_some_and(|link| *link.address == *address);
        if !same && peer != self.dialer.node {
            let _in_runtime = self.runtime.enter();
            self.links.insert(peer, Link::start(self.dialer.clone(), peer, address, counters));
        }
    }
}

impl Transport for QuicTransport {
    fn start(&self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async { self.run() })
    }

    fn know(&self, peer: NodeId, address: &str) {
        if self.register.is_refused(peer) {
            return;
        }
        let mut state = self.state();
        state.addresses.insert(peer, address.to_owned());
        let counters = state.counters.entry(peer).or_default().clone();
        if let Some(running) = &mut state.running {
            running.link(peer, address, counters);
        }
    }

    fn call(&self, route: Route, body: Bytes, deadline: Instant) -> BoxFuture<'_, Result<Bytes, NetError>> {
        Box::pin(async move {
            let started = Instant::now();
            let counters = self.counters(route.peer);
            let under_way = counters.begin();
            let called = timeout_at(deadline, self.call_peer(route, body, deadline)).await;
            let called = called.unwrap_or_else(|_| Err(late(route.peer, started)));
            drop(under_way);
            counters.ended(&called);
            called
        })
    }

    fn open(&self, route: Route, lane: Lane, deadline: Instant) -> BoxFuture<'_, Result<Channel, NetError>> {
        Box::pin(async move {
            let started = Instant::now();
            let opened = timeout_at(deadline, self.open_channel(route, lane, deadline)).await;
            let opened = opened.unwrap_or_else(|_| Err(late(route.peer, started)));
            self.counters(route.peer).ended(&opened);
            opened
        })
    }

    fn send_datagram(&self, peer: NodeId, datagram: Bytes) {
        let state = self.state();
        if let Some(link) = state.running.as_ref().and_then(|running| running.links.get(&peer))
            && datagram.len() <= MAX_DATAGRAM_BYTES
        {
            link.send_datagram(datagram);
        }
    }

    fn hear(&self, listener: Arc<dyn Listener>) {
        *self.listening.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(listener);
    }

    fn serve(&self, group: GroupId, service: Arc<dyn Service>) {
        let mut services = self.services.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        services.insert(group, service);
    }

    fn refuse(&self, node: NodeId) {
        let link = {
            let mut state = self.state();
            state.addresses.remove(&node);
            state.counters.remove(&node);
            state.running.as_mut().and_then(|running| running.links.remove(&node))
        };
        drop(link);
        if self.register.refuse(node) {
            tracing::info!(peer = node, "removed from the cluster: refused");
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let running = self.state().running.take();
            let services = {
                let mut services = self.services.write().unwrap_or_else(|poisoned| poisoned.into_inner());
                std::mem::take(&mut *services)
            };
            // Outside the lock: what a service holds may reach for the network as it goes away.
            drop(services);
            self.listening.write().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            self.door.open_to(None);
            if let Some(running) = running {
                close(running).await;
            }
        })
    }
}

async fn close(running: Running) {
    let Running { dialer, links, accepting, .. } = running;
    accepting.abort();
    // It ends by the abort; waiting for it drops its hold on the socket.
    let _ = accepting.await;
    drop(links);
    let endpoint: Endpoint = dialer.endpoint;
    endpoint.close(0u32.into(), b"stopping");
    // Peers that do not hear of it find out by silence.
    let _ = tokio::time::timeout(CLOSE_LIMIT, endpoint.wait_idle()).await;
}

fn late(peer: NodeId, started: Instant) -> NetError {
    NetError::Timeout { peer, waited: started.elapsed() }
}

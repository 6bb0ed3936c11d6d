//! What peers ask of this node.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, RwLock},
    time::Duration,
};

use bytes::Bytes;
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, crypto::rustls::HandshakeData};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    datagram::{Listening, listen},
    endpoint::{CLOSE_UNWELCOME, JOIN_ALPN},
    hello::{Verdict, hear},
    register::{Register, peer_certificate},
    stream::{StreamReceiver, channel, lost},
};
use crate::{
    error::NetError,
    frame::{Mode, Opening, encode_answer},
    identity::{ClusterId, node_in},
    join::Door,
    transport::{GroupId, NodeId, Service},
};

/// Handshake and hello must be done by then.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// A request must have arrived by then.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// Who answers for which group.
pub(super) type Services = Arc<RwLock<BTreeMap<GroupId, Arc<dyn Service>>>>;

/// Greetings under way above which an address has to prove that it can hear, and above which nobody is heard.
const BUSY_GREETINGS: usize = 64;
const MAX_GREETINGS: usize = 512;

/// What everyone who comes in is measured by.
#[derive(Clone)]
pub(super) struct Reception {
    pub cluster: ClusterId,
    /// What this node speaks.
    pub protocols: RangeInclusive<u16>,
    pub services: Services,
    pub listening: Listening,
    pub register: Register,
    pub door: Arc<Door>,
}

/// Accepts connections until the endpoint is closed.
pub(super) async fn accept(endpoint: Endpoint, reception: Reception) {
    let greetings = Arc::new(Semaphore::new(MAX_GREETINGS));
    while let Some(incoming) = endpoint.accept().await {
        let under_way = MAX_GREETINGS - greetings.available_permits();
        if under_way >= BUSY_GREETINGS && !incoming.remote_address_validated() && incoming.may_retry() {
            // An error means that it has proved it meanwhile, and will come again.
            let _ = incoming.retry();
            continue;
        }
        let Ok(greeting) = greetings.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        tokio::spawn(greet(incoming, reception.clone(), greeting));
    }
}

/// Who came in.
enum Guest {
    Node {
        connection: Connection,
        peer: NodeId,
        protocol: u16,
    },
    /// Has no certificate and wants to ask for one.
    Stranger(Connection),
}

async fn greet(incoming: Incoming, reception: Reception, greeting: OwnedSemaphorePermit) {
    let from = incoming.remote_address();
    let greeted = timeout(GREETING_LIMIT, welcome(incoming, &reception)).await;
    drop(greeting);
    match greeted {
        Ok(Ok(Some(Guest::Node { connection, peer, protocol }))) => {
            if reception.register.enter(peer, &connection, protocol) {
                tracing::info!(peer, %from, protocol, "peer connected");
                tokio::spawn(listen(connection.clone(), peer, reception.listening));
                serve(connection, peer, reception.services).await;
            }
        }
        Ok(Ok(Some(Guest::Stranger(connection)))) => reception.door.serve(connection).await,
        Ok(Ok(None)) => tracing::warn!(%from, "peer turned away"),
        Ok(Err(error)) => tracing::debug!(%from, error = %error, "connection failed"),
        Err(_) => tracing::debug!(%from, "no hello in time"),
    }
}

/// Who it is that came in, if it may.
async fn welcome(incoming: Incoming, reception: &Reception) -> Result<Option<Guest>, NetError> {
    let failed = |error: quinn::ConnectionError| NetError::Endpoint(error.to_string());
    let connection = incoming.await.map_err(failed)?;
    if protocol(&connection).as_deref() == Some(JOIN_ALPN) {
        return Ok(Some(Guest::Stranger(connection)));
    }
    let certified =
        peer_certificate(&connection).and_then(|certificate| node_in(reception.cluster, &certificate));
    let Some(peer) = certified else {
        connection.close(CLOSE_UNWELCOME.into(), b"no certificate of a node of this cluster");
        return Ok(None);
    };
    let first = connection.accept_bi().await.map_err(failed)?;
    let removed = reception.register.is_refused(peer);
    let answer = hear(first, reception.cluster, peer, removed, &reception.protocols).await?;
    if answer.verdict == Verdict::Welcome {
        return Ok(Some(Guest::Node { connection, peer, protocol: answer.protocol }));
    }
    connection.close(CLOSE_UNWELCOME.into(), b"not welcome");
    Ok(None)
}

/// The protocol that TLS has agreed on (RFC 7301).
fn protocol(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

async fn serve(connection: Connection, peer: NodeId, services: Services) {
    while let Ok((tx, rx)) = connection.accept_bi().await {
        let services = services.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(peer, tx, rx, &services).await {
                tracing::debug!(peer, error = %error, "request failed");
            }
        });
    }
}

async fn answer(
    peer: NodeId,
    mut tx: SendStream,
    rx: RecvStream,
    services: &Services,
) -> Result<(), NetError> {
    let mut receiver = StreamReceiver::new(peer, rx);
    let late = || NetError::Timeout { peer, waited: REQUEST_LIMIT };
    let opening = timeout(REQUEST_LIMIT, receiver.prefix()).await.map_err(|_| late())??;
    let opening = Opening::decode(opening)?;
    let service = {
        let services = services.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        services.get(&opening.group).cloned()
    };
    match (opening.mode, service) {
        (Mode::Channel, Some(service)) => {
            service.channel(peer, opening.kind, channel(peer, tx, receiver, None)).await;
            Ok(())
        }
        // Dropping the stream is the answer.
        (Mode::Channel, None) => Ok(()),
        (Mode::Call, service) => {
            let request = timeout(REQUEST_LIMIT, receiver.next()).await.map_err(|_| late())??;
            let answer = match (request, service) {
                (Some(request), Some(service)) => service.call(peer, opening.kind, request).await,
                (None, _) => Err("a call without a request".into()),
                (_, None) => Err(format!("this node has no group {}", opening.group.0)),
            };
            write_answer(&mut tx, peer, answer).await
        }
    }
}

async fn write_answer(
    tx: &mut SendStream,
    peer: NodeId,
    answer: Result<Bytes, String>,
) -> Result<(), NetError> {
    tx.write_chunk(encode_answer(&answer)?).await.map_err(|error| lost(peer, &error))?;
    tx.finish().map_err(|error| lost(peer, &error))
}

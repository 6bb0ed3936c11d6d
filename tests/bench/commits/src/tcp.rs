//! A transport over plain TCP, one connection for each call or channel: no certificates, no encryption. Only for showing
//! what the real one costs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use net::frame::{self, Mode, OPENING_BYTES, Opening};
use net::{
    BoxFuture, Channel, FrameReceiver, FrameSender, GroupId, Lane, Listener, NetError, NodeId, Route,
    Service, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

#[derive(Clone)]
pub struct TcpTransport(Arc<Inner>);

struct Inner {
    node: NodeId,
    bind: SocketAddr,
    peers: Mutex<HashMap<NodeId, String>>,
    services: Mutex<HashMap<GroupId, Arc<dyn Service>>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl TcpTransport {
    pub fn new(node: NodeId, bind: SocketAddr) -> TcpTransport {
        TcpTransport(Arc::new(Inner {
            node,
            bind,
            peers: Mutex::default(),
            services: Mutex::default(),
            listening: Mutex::default(),
        }))
    }

    /// Connects and says who asks and for what.
    async fn dial(&self, route: Route, mode: Mode, deadline: Instant) -> Result<TcpStream, NetError> {
        let unreachable = |why: String| NetError::Unreachable { peer: route.peer, why };
        let address = lock(&self.0.peers).get(&route.peer).cloned();
        let address = address.ok_or_else(|| unreachable("its address is not known".into()))?;
        let connected = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let opening = Opening { mode, group: route.group, kind: route.kind }.encode();
            stream.write_all(&[&self.0.node.to_be_bytes()[..], &opening[..]].concat()).await?;
            std::io::Result::Ok(stream)
        };
        match timeout_at(deadline, connected).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable("no connection in time".into())),
        }
    }

    async fn serve_one(self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let from = stream.read_u64().await?;
        let mut opening = [0; OPENING_BYTES];
        stream.read_exact(&mut opening).await?;
        let Ok(opening) = Opening::decode(opening) else { return Ok(()) };
        let Some(service) = lock(&self.0.services).get(&opening.group).cloned() else { return Ok(()) };
        let Channel { mut sender, mut receiver } = channel(from, stream);
        match opening.mode {
            Mode::Channel => service.channel(from, opening.kind, Channel { sender, receiver }).await,
            Mode::Call => {
                if let Ok(Some(body)) = receiver.receive().await {
                    let answer = service.call(from, opening.kind, body).await;
                    let told = answer.unwrap_or_else(|why| Bytes::from(format!("refused: {why}")));
                    // Whoever asked has gone, or gets it.
                    let _ = sender.send(told).await;
                }
            }
        }
        Ok(())
    }
}

impl Transport for TcpTransport {
    fn start(&self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async {
            let listener =
                TcpListener::bind(self.0.bind).await.map_err(|e| NetError::Endpoint(e.to_string()))?;
            let transport = self.clone();
            *lock(&self.0.listening) = Some(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(transport.clone().serve_one(stream));
                }
            }));
            Ok(())
        })
    }

    fn know(&self, peer: NodeId, address: &str) {
        lock(&self.0.peers).insert(peer, address.to_owned());
    }

    fn call(&self, route: Route, body: Bytes, deadline: Instant) -> BoxFuture<'_, Result<Bytes, NetError>> {
        Box::pin(async move {
            let mut channel = channel(route.peer, self.dial(route, Mode::Call, deadline).await?);
            let exchange = async {
                channel.sender.send(body).await?;
                channel.receiver.receive().await
            };
            let ended = || NetError::Lost { peer: route.peer, why: "it hung up".into() };
            timeout_at(deadline, exchange).await.map_err(|_| ended())??.ok_or_else(ended)
        })
    }

    fn open(&self, route: Route, _: Lane, deadline: Instant) -> BoxFuture<'_, Result<Channel, NetError>> {
        Box::pin(async move { Ok(channel(route.peer, self.dial(route, Mode::Channel, deadline).await?)) })
    }

    fn send_datagram(&self, _peer: NodeId, _datagram: Bytes) {}

    fn hear(&self, _listener: Arc<dyn Listener>) {}

    fn serve(&self, group: GroupId, service: Arc<dyn Service>) {
        lock(&self.0.services).insert(group, service);
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(listening) = lock(&self.0.listening).take() {
                listening.abort();
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn channel(peer: NodeId, stream: TcpStream) -> Channel {
    let (read, write) = stream.into_split();
    let receiver = Receiver { peer, read, arrived: BytesMut::with_capacity(64 << 10) };
    Channel { sender: Box::new(Sender { peer, write }), receiver: Box::new(receiver) }
}

struct Sender {
    peer: NodeId,
    write: OwnedWriteHalf,
}

struct Receiver {
    peer: NodeId,
    read: OwnedReadHalf,
    arrived: BytesMut,
}

fn lost(peer: NodeId, error: &std::io::Error) -> NetError {
    NetError::Lost { peer, why: error.to_string() }
}

impl FrameSender for Sender {
    fn send(&mut self, body: Bytes) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async move {
            let frame = frame::encode(&body)?;
            self.write.write_all(&frame).await.map_err(|error| lost(self.peer, &error))
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async move { self.write.shutdown().await.map_err(|error| lost(self.peer, &error)) })
    }
}

impl FrameReceiver for Receiver {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, NetError>> {
        Box::pin(async move {
            loop {
                if let Some((prefix, rest)) = self.arrived.split_first_chunk::<4>() {
                    let length = frame::length(*prefix)?;
                    if rest.len() >= length {
                        self.arrived.advance(4);
                        return Ok(Some(self.arrived.split_to(length).freeze()));
                    }
                }
                let read = self.read.read_buf(&mut self.arrived).await;
                if read.map_err(|error| lost(self.peer, &error))? == 0 {
                    return Ok(None);
                }
            }
        })
    }
}

//! `KV/Put` of etcd's API, version 3: a key of 16 bytes and a value of 256.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::Result;
use bytes::Bytes;

use crate::closed_loop::{Client, Work};
use crate::grpc::{Channel, framed};
use crate::order::mixed;

const PATH: &str = "/etcdserverpb.KV/Put";
const VALUE: [u8; 256] = [b'v'; 256];
const KEYS: u64 = 100_000;
/// Clients share this many connections to each server at most, as clients of gRPC do.
const CONNECTIONS: usize = 16;

pub struct Puts {
    to: Vec<String>,
    /// By server and a number below [`CONNECTIONS`].
    channels: RefCell<HashMap<(usize, usize), Channel>>,
}

impl Puts {
    pub fn new(to: Vec<String>) -> Puts {
        Puts { to, channels: RefCell::default() }
    }
}

impl Work for Puts {
    type Client = Putter;

    fn servers(&self) -> usize {
        self.to.len()
    }

    async fn connect(&self, client: usize, server: usize) -> Result<Putter> {
        let place = (server, client / self.to.len() % CONNECTIONS);
        let known = self.channels.borrow().get(&place).cloned().filter(Channel::is_open);
        let channel = match known {
            Some(channel) => channel,
            None => {
                let channel = Channel::open(&self.to[server], PATH).await?;
                self.channels.borrow_mut().insert(place, channel.clone());
                channel
            }
        };
        Ok(Putter { channel, state: client as u64 })
    }
}

pub struct Putter {
    channel: Channel,
    state: u64,
}

impl Client for Putter {
    async fn operate(&mut self, _turn: u64) -> Result<()> {
        self.channel.call(put(mixed(&mut self.state) % KEYS)).await
    }
}

/// `PutRequest { bytes key = 1; bytes value = 2; }`, framed.
fn put(number: u64) -> Bytes {
    let mut message = Vec::with_capacity(300);
    for (field, bytes) in [(1u8, format!("bench/{number:010}").as_bytes()), (2, VALUE.as_slice())] {
        message.push(field << 3 | 2);
        varint(&mut message, bytes.len());
        message.extend_from_slice(bytes);
    }
    framed(&message)
}

fn varint(into: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_is_what_protobuf_says() {
        let bytes = put(7);
        assert_eq!(bytes[..7], [0, 0, 0, 1, 21, 0x0a, 16]);
        assert_eq!(&bytes[7..23], b"bench/0000000007");
        assert_eq!(bytes[23..26], [0x12, 0x80, 0x02]);
        assert_eq!(bytes.len(), 5 + 277);
    }
}

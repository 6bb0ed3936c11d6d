//! What each node admitted, told to the others twice a second, so that a limit holds for the cluster.
//!
//! ```text
//! message  version u8 = 1 | entries
//! entry    class u8 | requests u32 BE | caller: tag u8, then
//!            0 IPv4  u64 BE   1 IPv6 /64  u64 BE   2 client  16 bytes   3 everybody  nothing
//! ```
//!
//! These bytes are a contract between nodes of different versions; the tests below pin them. A message that is lost is not
//! sent again: then what it told of is admitted once more.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use shop::ids::ClientId;

use super::{Caller, RateLimits};
use crate::peers::Peers;

const VERSION: u8 = 1;
/// From one message to the next.
const ROUND: Duration = Duration::from_millis(500);
/// Callers in one message; those beyond it are in the next.
const MOST_ENTRIES: usize = 4_000;

/// Hears what others admitted, and tells them what this node did, as long as it runs.
pub async fn exchange(limits: Arc<RateLimits>, peers: Peers) {
    let hearing = limits.clone();
    peers.hear_spent(move |message| hear(&hearing, message));
    loop {
        tokio::time::sleep(ROUND).await;
        let spent = limits.take_untold(MOST_ENTRIES);
        if !spent.is_empty() {
            peers.tell_spent(encode(&spent)).await;
        }
    }
}

/// So many requests of a caller in a class, by its place in [`RateLimits`].
type Spent = (u8, Caller, u32);

fn hear(limits: &RateLimits, message: Bytes) {
    for (class, caller, requests) in decode(message) {
        limits.charge_elsewhere(class, caller, requests);
    }
}

fn encode(spent: &[Spent]) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + spent.len() * 22);
    out.put_u8(VERSION);
    for (class, caller, requests) in spent {
        out.put_u8(*class);
        out.put_u32(*requests);
        match caller {
            Caller::Address(address, is_v6) => {
                out.put_u8(u8::from(*is_v6));
                out.put_u64(*address);
            }
            Caller::Client(client) => {
                out.put_u8(2);
                out.put_slice(&client.0);
            }
            Caller::Everybody => out.put_u8(3),
        }
    }
    out.freeze()
}

/// What can be read of a message; the rest counts as lost.
fn decode(mut message: Bytes) -> Vec<Spent> {
    let mut spent = Vec::new();
    if message.try_get_u8() == Ok(VERSION) {
        while spent.len() < MOST_ENTRIES
            && let Some(entry) = decode_entry(&mut message)
        {
            spent.push(entry);
        }
    }
    spent
}

fn decode_entry(message: &mut Bytes) -> Option<Spent> {
    let (class, requests) = (message.try_get_u8().ok()?, message.try_get_u32().ok()?);
    let caller = match message.try_get_u8().ok()? {
        tag @ (0 | 1) => Caller::Address(message.try_get_u64().ok()?, tag == 1),
        2 => {
            let mut id = [0; 16];
            message.try_copy_to_slice(&mut id).ok()?;
            Caller::Client(ClientId(id))
        }
        3 => Caller::Everybody,
        _ => return None,
    };
    Some((class, caller, requests))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use shop::ids::ClientId;

    use super::super::RouteClass;
    use super::{Caller, RateLimits, decode, encode, exchange};
    use crate::config::{RateLimit, RateLimitClass};
    use crate::replica::tests::cluster::{Cluster, until};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_spent_at_one_node_is_gone_at_the_others() {
        let cluster = Cluster::over_quic(3).await;
        let client = RateLimitClass { per_minute: 1, burst: 5 };
        let limits: Vec<Arc<RateLimits>> = cluster
            .ids()
            .map(|_| Arc::new(RateLimits::new(&RateLimit { client, ..RateLimit::default() })))
            .collect();
        let tasks: Vec<_> = cluster
            .ids()
            .zip(&limits)
            .map(|(id, limits)| tokio::spawn(exchange(limits.clone(), cluster.replica(id).peers.clone())))
            .collect();
        let spender = ClientId([1; 16]);
        for _ in 0..5 {
            limits[0].charge_client(spender, RouteClass::Read).unwrap();
        }
        for others in &limits[1..] {
            let keyed = others.client.as_ref().unwrap();
            until("it is not heard of", || keyed.knows(Caller::Client(spender))).await;
            assert!(others.charge_client(spender, RouteClass::Read).is_err());
        }
        assert!(limits[1].charge_client(ClientId([2; 16]), RouteClass::Read).is_ok());
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        cluster.close().await;
    }

    #[test]
    fn the_bytes_are_pinned() {
        let spent = [
            (0, Caller::Address(0x0a00_0001, false), 3),
            (1, Caller::Address(7, true), 258),
            (6, Caller::Client(ClientId([9; 16])), 1),
            (2, Caller::Everybody, 4),
        ];
        let mut expect = vec![1];
        expect.extend([0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0x0a, 0, 0, 1]);
        expect.extend([1, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
        expect.extend([6, 0, 0, 0, 1, 2]);
        expect.extend([9; 16]);
        expect.extend([2, 0, 0, 0, 4, 3]);
        assert_eq!(encode(&spent).as_ref(), expect);
        assert_eq!(decode(encode(&spent)), spent);
        // What comes after something strange is lost, not guessed at.
        let cut = Bytes::from(expect).slice(..20);
        assert_eq!(decode(cut), spent[..1]);
        assert_eq!(decode(Bytes::from_static(&[2, 0])), []);
    }
}

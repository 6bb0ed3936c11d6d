//! Orders of so many lines, each another SKU, all equally likely.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;

use anyhow::{Result, ensure};

use crate::Shop;
use crate::closed_loop::{Client, Work};
use crate::http::Connection;

const BEFORE_LINES: &str = r#"{"currency":"EUR","email":"ada@example.com","lines":["#;
const AFTER_LINES: &str = concat!(
    r#"],"shipping_address":{"name":"Ada","line1":"1 Main St","city":"Berlin","postal_code":"10115","country":"DE"},"#,
    r#""payment":{"provider":"manual"}}"#
);

pub struct Orders {
    to: Vec<String>,
    token: String,
    skus: u32,
    lines: usize,
}

impl Orders {
    pub fn new(shop: &Shop, lines: usize) -> Result<Orders> {
        ensure!((1..=20).contains(&lines) && shop.skus as usize >= lines, "1 to 20 lines, and as many SKUs");
        Ok(Orders { to: shop.to.clone(), token: shop.token.clone(), skus: shop.skus, lines })
    }
}

impl Work for Orders {
    type Client = Buyer;

    fn servers(&self) -> usize {
        self.to.len()
    }

    async fn connect(&self, client: usize, server: usize) -> Result<Buyer> {
        let address = &self.to[server];
        Ok(Buyer {
            connection: Connection::open(address).await?,
            head: format!(
                "POST /store/v1/orders HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
                 content-type: application/json\r\nidempotency-key: ",
                self.token
            ),
            // No key is used twice: not by another client, nor by another process.
            key: format!("bench-{:016x}-{client}", random()),
            seed: random(),
            skus: self.skus,
            lines: self.lines,
            body: Vec::new(),
            request: Vec::new(),
        })
    }
}

pub struct Buyer {
    connection: Connection,
    /// Up to where the idempotency key follows.
    head: String,
    key: String,
    seed: u64,
    skus: u32,
    lines: usize,
    body: Vec<u8>,
    request: Vec<u8>,
}

impl Client for Buyer {
    async fn operate(&mut self, turn: u64) -> Result<()> {
        self.body.clear();
        self.body.extend_from_slice(BEFORE_LINES.as_bytes());
        for (place, sku) in skus_of(self.seed, turn, self.lines, self.skus).into_iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(self.body, r#"{comma}{{"sku":"BENCH-{sku}","quantity":1}}"#)?;
        }
        self.body.extend_from_slice(AFTER_LINES.as_bytes());
        self.request.clear();
        let length = self.body.len();
        write!(self.request, "{}{}-{turn}\r\ncontent-length: {length}\r\n\r\n", self.head, self.key)?;
        self.request.extend_from_slice(&self.body);
        self.connection.exchange(&self.request).await?.expect(201)
    }
}

/// The same for the same turn, so that an order can be sent again as it was.
fn skus_of(seed: u64, turn: u64, lines: usize, skus: u32) -> Vec<u32> {
    let mut state = seed.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut chosen = Vec::with_capacity(lines);
    while chosen.len() < lines {
        let sku = (mixed(&mut state) % u64::from(skus)) as u32;
        if !chosen.contains(&sku) {
            chosen.push(sku);
        }
    }
    chosen
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Another number each time.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_of_different_skus_and_repeatable() {
        for turn in 0..1_000 {
            let mut skus = skus_of(7, turn, 3, 5);
            assert_eq!(skus, skus_of(7, turn, 3, 5));
            skus.sort_unstable();
            skus.dedup();
            assert_eq!(skus.len(), 3);
        }
        assert_eq!(skus_of(1, 2, 1, 1), [0]);
    }
}

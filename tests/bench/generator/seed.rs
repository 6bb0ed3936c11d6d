//! The catalogue that is ordered from: products of one variant each, with stock that never runs out.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::Shop;
use crate::closed_loop::{Client, Work, measure};
use crate::http::Connection;

const CLIENTS: usize = 32;
const WITHIN: Duration = Duration::from_secs(1_800);
const ON_HAND: u32 = 1_000_000_000;

/// Makes each SKU once.
pub async fn run(shop: &Shop) -> Result<Value> {
    let seeds = Seeds { shop, next: Rc::new(Cell::new(0)) };
    measure(&seeds, CLIENTS, WITHIN, Some(shop.skus.into())).await
}

struct Seeds<'a> {
    shop: &'a Shop,
    next: Rc<Cell<u32>>,
}

impl Work for Seeds<'_> {
    type Client = Seeder;

    fn servers(&self) -> usize {
        self.shop.to.len()
    }

    async fn connect(&self, _client: usize, server: usize) -> Result<Seeder> {
        let address = &self.shop.to[server];
        Ok(Seeder {
            connection: Connection::open(address).await?,
            fields: format!(
                "host: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
                self.shop.token
            ),
            next: self.next.clone(),
        })
    }
}

struct Seeder {
    connection: Connection,
    fields: String,
    next: Rc<Cell<u32>>,
}

impl Client for Seeder {
    async fn operate(&mut self, _turn: u64) -> Result<()> {
        let number = self.next.replace(self.next.get() + 1);
        let sku = format!("BENCH-{number}");
        let product = json!({
            "title": format!("Product {number}"), "slug": format!("bench-{number}"),
            "status": "published", "category": "tea",
            "variants": [{"sku": sku, "options": {"size": "100 g"}, "prices": [{"amount": 999, "currency": "EUR"}]}],
        });
        self.post("/admin/v1/products", &product, 201).await?;
        self.post("/admin/v1/stock/set", &json!({"sku": sku, "on_hand": ON_HAND}), 200).await
    }
}

impl Seeder {
    async fn post(&mut self, path: &str, body: &Value, status: u16) -> Result<()> {
        let (fields, body) = (&self.fields, body.to_string());
        let key = crate::order::random();
        let request = format!(
            "POST {path} HTTP/1.1\r\n{fields}idempotency-key: seed-{key:016x}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.connection.exchange(request.as_bytes()).await?.expect(status)
    }
}

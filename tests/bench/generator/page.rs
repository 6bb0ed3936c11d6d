//! Reading pages.

use std::io::Write;

use anyhow::Result;

use crate::closed_loop::{Client, Work};
use crate::http::Connection;
use crate::order::mixed;

pub struct Pages {
    to: Vec<String>,
    /// The path before and after the number.
    path: (String, String),
    skus: u32,
    authorization: String,
}

impl Pages {
    pub fn new(to: Vec<String>, path: &str, skus: u32, token: Option<&str>) -> Pages {
        let (before, after) = path.split_once("{}").unwrap_or((path, ""));
        let authorization = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
        Pages { to, path: (before.to_owned(), after.to_owned()), skus: skus.max(1), authorization }
    }
}

impl Work for Pages {
    type Client = Reader;

    fn servers(&self) -> usize {
        self.to.len()
    }

    async fn connect(&self, client: usize, server: usize) -> Result<Reader> {
        let address = &self.to[server];
        let has_number = self.skus > 1;
        Ok(Reader {
            connection: Connection::open(address).await?,
            before: format!("GET {}", self.path.0),
            after: format!(
                "{} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n{}\r\n",
                self.path.1, self.authorization
            ),
            numbers: has_number.then_some(self.skus),
            state: client as u64,
            request: Vec::new(),
        })
    }
}

pub struct Reader {
    connection: Connection,
    before: String,
    after: String,
    numbers: Option<u32>,
    state: u64,
    request: Vec<u8>,
}

impl Client for Reader {
    async fn operate(&mut self, _turn: u64) -> Result<()> {
        self.request.clear();
        self.request.extend_from_slice(self.before.as_bytes());
        if let Some(count) = self.numbers {
            write!(self.request, "{}", mixed(&mut self.state) % u64::from(count))?;
        }
        self.request.extend_from_slice(self.after.as_bytes());
        self.connection.exchange(&self.request).await?.expect(200)
    }
}

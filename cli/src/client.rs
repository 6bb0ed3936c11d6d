//! Talks to the shop over HTTP. Reads are repeated when an answer is lost; changes carry an idempotency key, are
//! repeated with the same one, and end as done, refused or *unknown*, never as a guess.

mod wire;

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::failure::Failure;
use crate::interrupt::{Interrupt, Meaning};
use crate::output::Output;
use crate::retry::{self, Verdict};
use crate::target::Target;

pub use wire::{Answer, Payload};
use wire::{Request, Seen, pairs};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most attempts of one read.
const READ_ATTEMPTS: u32 = 4;
/// The most attempts of one change, whatever the deadline.
const CHANGE_ATTEMPTS: u32 = 100;

/// A shop, as seen from here.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    servers: Vec<Url>,
    /// The server that answered last; the others are tried when it cannot be reached.
    current: std::cell::Cell<usize>,
    deadline: Duration,
    key: Option<String>,
    output: Output,
    interrupt: Interrupt,
}

/// How requests are made.
#[derive(Debug)]
pub struct Settings {
    /// For everything that one change may take, repetitions included.
    pub deadline: Duration,
    /// The `Idempotency-Key` of the change, if the person repeats one.
    pub key: Option<String>,
}

impl Client {
    pub fn new(
        target: Target,
        settings: Settings,
        output: Output,
        interrupt: Interrupt,
    ) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("cannot make requests: {error}"));
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        if let Some(token) = &target.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
                .map_err(|error| wrong(&error))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let loopback = target.servers.iter().all(is_loopback);
        if target.token.is_some()
            && !loopback
            && target.servers.iter().any(|server| server.scheme() == "http")
        {
            output.say("warning: the token is sent over http, where others on the way can read it");
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("shopctl/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect could carry the credential elsewhere; the API makes none.
            .redirect(reqwest::redirect::Policy::none());
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| wrong(&error))?;
        let Settings { deadline, key } = settings;
        Ok(Self {
            http,
            servers: target.servers,
            current: std::cell::Cell::new(0),
            deadline,
            key,
            output,
            interrupt,
        })
    }

    /// Reads. Repeated a few times if the answer is lost: it changes nothing.
    pub async fn get(&self, path: &[&str], query: &impl Serialize) -> Result<Answer, Failure> {
        let query = pairs(query)?;
        let request = Request {
            method: Method::GET,
            path,
            query,
            payload: Payload::Nothing,
            headers: HeaderMap::new(),
        };
        let end = Instant::now() + self.deadline;
        let mut last = Failure::Unreachable("no answer came in time".into());
        for attempt in 0..READ_ATTEMPTS {
            let retry_after = match self.attempt(&request, end).await? {
                Seen::Answer(answer) => return Ok(answer),
                Seen::NotSent(reason) => return Err(Failure::Unreachable(reason)),
                Seen::Refused(refusal) if refusal.status == 429 => {
                    let wait = refusal.retry_after.or(Some(1));
                    last = Failure::Refused(Box::new(refusal));
                    wait
                }
                Seen::Refused(refusal) => return Err(Failure::Refused(Box::new(refusal))),
                Seen::Lost(reason) => {
                    last = Failure::Unreachable(reason);
                    None
                }
            };
            if attempt + 1 == READ_ATTEMPTS || !self.sleep(attempt, retry_after, end).await {
                break;
            }
        }
        Err(last)
    }

    /// As [`Client::get`], for watching what goes on: servers that are away or not ready are waited for, until the
    /// deadline.
    pub async fn watch(&self, path: &[&str], query: &impl Serialize) -> Result<Answer, Failure> {
        let end = Instant::now() + self.deadline;
        for attempt in 0.. {
            let failure = match self.get(path, query).await {
                Err(failure) if failure.may_pass() => failure,
                done => return done,
            };
            if attempt == 0 {
                self.output.say(&format!("waiting for the shop: {failure}"));
            }
            if !self.sleep(attempt, None, end).await {
                return Err(failure);
            }
        }
        Err(Failure::Unreachable("no answer came in time".into()))
    }

    /// Changes something by POST, with an idempotency key.
    pub async fn post(
        &self,
        path: &[&str],
        query: &impl Serialize,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let query = pairs(query)?;
        let key = self.key.clone().unwrap_or_else(fresh_key);
        let value = HeaderValue::from_str(&key)
            .map_err(|_| Failure::Usage("--idempotency-key takes visible ASCII characters".into()))?;
        let headers = HeaderMap::from_iter([(HeaderName::from_static("idempotency-key"), value)]);
        self.change(Request { method: Method::POST, path, query, payload, headers }, Some(key)).await
    }

    /// Replaces settings. Repeating that does no harm, so it has no key.
    pub async fn put(&self, path: &[&str], payload: Payload) -> Result<Answer, Failure> {
        let request =
            Request { method: Method::PUT, path, query: Vec::new(), payload, headers: HeaderMap::new() };
        self.change(request, None).await
    }

    /// Revokes or deletes. Repeating that does no harm, so it has no key.
    pub async fn delete(&self, path: &[&str]) -> Result<Answer, Failure> {
        let request = Request {
            method: Method::DELETE,
            path,
            query: Vec::new(),
            payload: Payload::Nothing,
            headers: HeaderMap::new(),
        };
        self.change(request, None).await
    }

    async fn change(&self, request: Request<'_>, key: Option<String>) -> Result<Answer, Failure> {
        let end = Instant::now() + self.deadline;
        // Why the outcome is in doubt: set once an attempt may have been carried out.
        let mut doubt: Option<String> = None;
        let mut refused = None;
        let unknown = |reason: String| Failure::Unknown { key: key.clone(), reason };
        for attempt in 0..CHANGE_ATTEMPTS {
            self.interrupt.means(Meaning::InDoubt(key.clone()));
            let seen = self.attempt(&request, end).await?;
            self.interrupt.means(if doubt.is_some() { Meaning::InDoubt(key.clone()) } else { Meaning::Stop });
            let retry_after = match seen {
                Seen::Answer(answer) => {
                    self.interrupt.means(Meaning::Stop);
                    return Ok(answer);
                }
                Seen::NotSent(reason) => match &doubt {
                    None => return Err(Failure::Unreachable(reason)),
                    Some(_) => None,
                },
                Seen::Lost(reason) => {
                    self.say_once(&doubt, &reason, key.as_deref());
                    doubt = Some(reason);
                    None
                }
                Seen::Refused(refusal) => match retry::judge(&refusal, doubt.is_some()) {
                    Verdict::Final => return Err(Failure::Refused(Box::new(refusal))),
                    Verdict::StillUnknown => return Err(unknown(refusal.to_string())),
                    Verdict::Later => {
                        let wait = refusal.retry_after.or(Some(1));
                        refused = Some(refusal);
                        wait
                    }
                    Verdict::InDoubt => {
                        let reason = refusal.to_string();
                        self.say_once(&doubt, &reason, key.as_deref());
                        doubt = Some(reason);
                        refusal.retry_after
                    }
                },
            };
            if doubt.is_some() {
                self.interrupt.means(Meaning::InDoubt(key.clone()));
            }
            if !self.sleep(attempt, retry_after, end).await {
                break;
            }
        }
        match (doubt, refused) {
            (None, Some(refusal)) => Err(Failure::Refused(Box::new(refusal))),
            (doubt, _) => Err(unknown(doubt.unwrap_or_else(|| "the deadline passed".into()))),
        }
    }

    fn say_once(&self, doubt: &Option<String>, reason: &str, key: Option<&str>) {
        if doubt.is_none() {
            let with = key.map_or(String::new(), |key| format!(" with the same Idempotency-Key ({key})"));
            self.output.say(&format!("no answer yet ({reason}): asking again{with}"));
        }
    }

    /// Waits before the next attempt; false if the deadline would pass meanwhile.
    async fn sleep(&self, attempt: u32, retry_after: Option<u64>, end: Instant) -> bool {
        let pause = retry::pause(attempt, rand::random(), retry_after);
        if Instant::now() + pause >= end {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// Sends the request once: to the current server, or to the next that can be connected to.
    async fn attempt(&self, request: &Request<'_>, end: Instant) -> Result<Seen, Failure> {
        let mut refused = Vec::new();
        for step in 0..self.servers.len() {
            let index = (self.current.get() + step) % self.servers.len();
            let Some(server) = self.servers.get(index) else { break };
            match wire::send(&self.http, server, request, end).await? {
                Seen::NotSent(reason) => refused.push(reason),
                seen => {
                    // An answer that was lost is asked for elsewhere next time: the key is known on every node.
                    let next = if matches!(seen, Seen::Lost(_)) { index + 1 } else { index };
                    self.current.set(next % self.servers.len());
                    return Ok(seen);
                }
            }
        }
        Ok(Seen::NotSent(refused.join("; ")))
    }
}

/// A fresh key: a random UUID (RFC 9562, version 4).
fn fresh_key() -> String {
    let random = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{random:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn is_loopback(server: &Url) -> bool {
    match server.host_str() {
        Some("localhost") => true,
        Some(host) => {
            host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_is_a_version_4_uuid() {
        let key = fresh_key();
        assert_eq!((key.len(), key.matches('-').count()), (36, 4), "{key}");
        assert_eq!(key.as_bytes()[14], b'4', "{key}");
        assert!(matches!(key.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{key}");
        assert_ne!(key, fresh_key());
    }

    #[test]
    fn loopback_is_recognised() {
        let check =
            |url: &str, expect: bool| assert_eq!(is_loopback(&Url::parse(url).unwrap()), expect, "{url}");
        check("http://127.0.0.1:8080", true);
        check("http://[::1]:8080", true);
        check("http://localhost", true);
        check("http://192.0.2.1", false);
        check("http://localhost.example", false);
    }
}

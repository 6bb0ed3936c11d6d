//! A sandbox of a test's own, an adapter for it, and the words the tests use.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use shop::{Currency, Money};
use tokio::net::TcpListener;

use crate::effects::provider::{Authorize, CaptureMode, IdempotencyKey, Operation};
use crate::effects::stripe::{Stripe, StripeConfig};
use crate::sandbox::{self, Handle, Options};

pub(super) const KEY: &str = "sk_sandbox";
pub(super) const WEBHOOK_SECRET: &str = "whsec_sandbox";

pub(super) struct Bench {
    sandbox: Handle,
    pub stripe: Stripe,
    http: reqwest::Client,
}

impl Bench {
    pub(super) async fn start() -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options {
            webhook_urls: Vec::new(),
            webhook_secret: SecretString::from(WEBHOOK_SECRET),
            api_key: SecretString::from(KEY),
        };
        let sandbox = sandbox::serve(listener, options).unwrap();
        let stripe = adapter(&sandbox.base_url(), KEY, Duration::from_secs(10));
        Bench { sandbox, stripe, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// An adapter with another deadline or key.
    pub(super) fn adapter(&self, key: &str, total_timeout: Duration) -> Stripe {
        adapter(&self.sandbox.base_url(), key, total_timeout)
    }

    /// Tells the sandbox what to do.
    pub(super) async fn control(&self, control: Value) -> Value {
        let response = self
            .http
            .post(format!("{}/sandbox/control", self.sandbox.base_url()))
            .json(&control)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{control}");
        response.json().await.unwrap()
    }

    pub(super) async fn fault(&self, fault: &str) {
        self.control(json!({"faults": [{"fault": fault}]})).await;
    }

    /// What the ledger says, in short: `charge 1998`, `refund 500`…
    pub(super) async fn ledger(&self) -> Vec<String> {
        let ledger = self.ledger_entries().await;
        let line = |entry: &Value| format!("{} {}", entry["kind"].as_str().unwrap(), entry["amount"]);
        ledger.iter().map(line).collect()
    }

    pub(super) async fn ledger_entries(&self) -> Vec<Value> {
        let url = format!("{}/sandbox/ledger", self.sandbox.base_url());
        let ledger: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        ledger["data"].as_array().unwrap().clone()
    }

    /// What the holder of the card does on the bank's page.
    pub(super) async fn bank_page(&self, url: &str, outcome: &str) -> u16 {
        let form = [("outcome", outcome)];
        self.http.post(url).form(&form).send().await.unwrap().status().as_u16()
    }

    pub(super) async fn get(&self, url: &str) -> (u16, String) {
        let response = self.http.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(super) fn base_url(&self) -> String {
        self.sandbox.base_url()
    }
}

fn adapter(base_url: &str, key: &str, total_timeout: Duration) -> Stripe {
    let config = StripeConfig::new("sandbox", base_url, SecretString::from(key));
    Stripe::new(StripeConfig { total_timeout, ..config }).unwrap()
}

pub(super) fn euro(amount: i64) -> Money {
    Money::new(amount, Currency::EUR)
}

pub(super) fn key(operation: Operation) -> IdempotencyKey {
    IdempotencyKey::new("pay_1", operation, 1)
}

/// 19.98 EUR from this card, at once.
pub(super) fn authorize(method: &str) -> Authorize {
    Authorize {
        key: key(Operation::Authorize),
        attempt_id: "pay_1".to_owned(),
        order_id: "ord_1".to_owned(),
        amount: euro(1998),
        method: method.to_owned(),
        capture: CaptureMode::Automatic,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }
}

pub(super) fn reserve(method: &str) -> Authorize {
    Authorize { capture: CaptureMode::Manual, ..authorize(method) }
}

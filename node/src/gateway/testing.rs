//! A gateway over the real domain in memory, without a log: what unit tests of routes and layers talk to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use shop::ids::{ApiKeyId, ClientId};
use shop::level::FIRST_LEVEL;
use shop::payment::http::Providers;
use shop::user::{self, AddSigningKey, CreateApiKey, CreateClient, Scopes};
use shop::{Actor, Command, EntryInfo, Envelope, Outcome, Reply, Shop};
use storage::{BlobHash, BlobStore, Fault, MemoryEngine, Store, View};

use super::app::{App, Consistency, Core, Parts, Unserved};
use super::pipeline::Pipeline;
use crate::api::SigningSecretsOf;
use crate::api::cluster::ClusterView;
use crate::auth::{ApiKeySecret, Keys, Known, changes_signing, new_signing_key};
use crate::backup::Keeper;
use crate::blobs::Image;
use crate::clock::{SystemClock, random};
use crate::config::Config;
use crate::effects::stripe::webhook::SigningSecrets;
use crate::membership::{Order, Refusal};
use crate::secrets::SealKey;
use crate::telemetry::Metrics;

/// The domain, applied on the spot.
pub struct Direct {
    store: Arc<Store>,
    blobs: Arc<BlobStore>,
    shop: Mutex<(Shop, u64)>,
    known: Known,
    /// Apart from the lock: it is asked for inside views, and a commit under the lock waits for views to end.
    applied: AtomicU64,
    clock: SystemClock,
    /// How far the log's time is behind the clock.
    pub behind_ms: AtomicU64,
    /// The first until a test raises it.
    pub active_version: AtomicU32,
    /// What is answered instead of carrying commands out, when a test says so.
    pub refuse: Mutex<Option<Unserved>>,
    /// Whose certificates the nodes have, as they say.
    pub signers: Mutex<BTreeMap<u64, Option<[u8; 32]>>>,
    /// The heartbeats that came, as `group/member`.
    pub heartbeats: Mutex<Vec<String>>,
    /// Held by a test to keep commands waiting.
    pub gate: Arc<tokio::sync::RwLock<()>>,
}

impl Direct {
    pub fn apply(&self, envelope: &Envelope) -> Reply {
        let mut shop = self.shop.lock().unwrap_or_else(PoisonError::into_inner);
        shop.1 += 1;
        let entry = EntryInfo {
            index: shop.1,
            now_ms: self.clock.now_ms() - self.behind_ms.load(Ordering::Relaxed),
            seed: random().unwrap(),
            active_version: self.active_version.load(Ordering::Relaxed),
        };
        let payload = envelope.encode().unwrap();
        let mut tx = self.store.begin();
        let reply = shop.0.apply(&mut tx, &entry, &payload).unwrap();
        self.store.commit(tx).unwrap();
        self.known.committed(&shop.0.take_emitted());
        if changes_signing(&envelope.command) {
            self.known.signing_changed();
        }
        self.applied.store(entry.index, Ordering::Release);
        reply
    }
}

impl Direct {
    /// The index of the last command.
    pub fn applied_now(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// The digest of all records.
    pub fn store_digest(&self) -> String {
        format!("{:?}", self.store.digest())
    }
}

impl Core for Direct {
    fn submit(&self, envelope: Envelope, _: Instant) -> BoxFuture<'_, Result<Reply, Unserved>> {
        Box::pin(async move {
            let _open = self.gate.read().await;
            if let Some(unserved) = *self.refuse.lock().unwrap() {
                return Err(unserved);
            }
            Ok(self.apply(&envelope))
        })
    }

    fn barrier(
        &self,
        _: Consistency,
        min_index: Option<u64>,
        _: Instant,
    ) -> BoxFuture<'_, Result<(), Unserved>> {
        Box::pin(async move {
            let applied = self.applied.load(Ordering::Acquire);
            if min_index.is_some_and(|wanted| wanted > applied) {
                Err(Unserved::IndexNotReached)
            } else {
                Ok(())
            }
        })
    }

    fn applied_index(&self, _: &View<'_>) -> Result<u64, Fault> {
        Ok(self.applied.load(Ordering::Acquire))
    }

    fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn known(&self) -> &Known {
        &self.known
    }

    fn unready(&self) -> Vec<String> {
        self.refuse.lock().unwrap().map(|unserved| format!("{unserved:?}")).into_iter().collect()
    }

    fn metrics_text(&self) -> Result<String, prometheus::Error> {
        Ok(String::new())
    }

    fn active_version(&self) -> u32 {
        self.active_version.load(Ordering::Relaxed)
    }

    fn silence(&self) -> Option<Duration> {
        Some(Duration::from_millis(7))
    }

    fn cluster(&self) -> BoxFuture<'_, ClusterView> {
        Box::pin(async move {
            ClusterView {
                name: "shop".into(),
                leader: Some(1),
                term: 1,
                commit_index: 0,
                active_version: self.active_version(),
                nodes: Vec::new(),
            }
        })
    }

    fn compact(&self, _node: u64, _deadline: Instant) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn signers(&self) -> BoxFuture<'_, BTreeMap<u64, Option<[u8; 32]>>> {
        Box::pin(std::future::ready(self.signers.lock().unwrap().clone()))
    }

    fn new_authority(&self) -> anyhow::Result<shop::cluster::AddAuthority> {
        let fingerprint = random()?;
        Ok(shop::cluster::AddAuthority { fingerprint, certificate_der: vec![1], sealed_key: vec![2] })
    }

    fn heartbeat<'a>(
        &'a self,
        group: &'a str,
        member: &'a str,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<(), Unserved>> {
        Box::pin(async move {
            match *self.refuse.lock().unwrap() {
                Some(unserved) => Err(unserved),
                None => {
                    self.heartbeats.lock().unwrap().push(format!("{group}/{member}"));
                    Ok(())
                }
            }
        })
    }

    fn blobs(&self) -> &Arc<BlobStore> {
        &self.blobs
    }

    fn keep_image(&self, bytes: Bytes) -> BoxFuture<'_, Result<BlobHash, Unserved>> {
        Box::pin(async move {
            match *self.refuse.lock().unwrap() {
                Some(unserved) => Err(unserved),
                None => Ok(self.blobs.put(&bytes).unwrap()),
            }
        })
    }

    fn image(&self, hash: BlobHash) -> BoxFuture<'_, Result<Option<Image>, Unserved>> {
        Box::pin(async move { Ok(Image::find(&self.blobs, hash).unwrap()) })
    }

    fn confirm_images(&self, hashes: Vec<BlobHash>) -> BoxFuture<'_, Result<Vec<BlobHash>, Unserved>> {
        Box::pin(async move { Ok(hashes.into_iter().filter(|hash| !self.blobs.contains(*hash)).collect()) })
    }

    fn gather_images(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn order(&self, _order: Order, _deadline: Instant) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The secret that webhooks of tests are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_test";

fn signing() -> SigningSecrets {
    SigningSecrets { current: SecretString::from(WEBHOOK_SECRET), previous: None }
}

/// A gateway and the domain behind it.
pub struct Bench {
    pub app: App,
    pub core: Arc<Direct>,
    pub pipeline: Pipeline,
    /// An API key of the staff with every scope.
    pub admin: String,
    /// Holds the seal key and the blobs.
    _directory: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With another configuration.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.rate_limit.enabled = false;
        change(&mut config);
        let directory = tempfile::tempdir().unwrap();
        let blobs = directory.path().join("blobs");
        std::fs::create_dir(&blobs).unwrap();
        let seal = Arc::new(SealKey::create(directory.path()).unwrap());
        let clock = SystemClock::start();
        let core = Arc::new(Direct {
            store: Arc::new(Store::open(Arc::new(MemoryEngine::new())).unwrap()),
            blobs: Arc::new(BlobStore::open(&blobs).unwrap()),
            shop: Mutex::new((Shop::telling(), 0)),
            known: Known::default(),
            applied: AtomicU64::new(0),
            behind_ms: AtomicU64::new(0),
            active_version: AtomicU32::new(FIRST_LEVEL),
            clock,
            refuse: Mutex::new(None),
            signers: Mutex::default(),
            heartbeats: Mutex::default(),
            gate: Arc::new(tokio::sync::RwLock::new(())),
        });
        let app = App::new(Parts {
            core: core.clone(),
            node: 1,
            clock,
            metrics: Metrics::new().unwrap(),
            keys: Keys::new(seal.clone(), "shop", None).unwrap(),
            http: config.http,
            rate_limit: config.rate_limit,
            balance: config.balance,
            providers: Providers { sandbox: true, stripe: true },
            backups: Arc::new(Keeper {
                settings: config.backup,
                seal: seal.clone(),
                cluster: "shop".to_owned(),
                cluster_id: String::new(),
                node: 1,
            }),
            webhooks: SigningSecretsOf { stripe: Some(signing()), sandbox: None },
        });
        app.jobs.lost_are_ended();
        let pipeline = Pipeline::new(app.clone());
        let mut bench = Self { app, core, pipeline, admin: String::new(), _directory: directory };
        let key = new_signing_key(&seal).unwrap();
        bench.run(AddSigningKey { key_id: key.id, public_key: key.public, sealed_private_key: key.sealed });
        bench.admin = bench.key(None, Scopes::EVERY);
        bench
    }

    /// Carries a command out as the system.
    pub fn run(&self, command: impl Into<Command>) -> Outcome {
        let envelope = Envelope {
            store: 1,
            request: shop::ids::RequestId(random().unwrap()),
            actor: Actor::System,
            trace: None,
            dedupe: shop::command::Dedupe::Idempotent,
            command: command.into(),
        };
        self.core.apply(&envelope).result.unwrap()
    }

    /// A fresh API key.
    pub fn key(&self, client: Option<ClientId>, scopes: Scopes) -> String {
        let secret = ApiKeySecret::generate().unwrap();
        let outcome = self.run(CreateApiKey {
            name: "test".into(),
            client,
            secret_sha256: secret.hash(),
            scopes,
            expires_at: None,
        });
        match outcome {
            Outcome::User(user::Outcome::ApiKey { id }) => secret.text(id),
            other => panic!("{other:?}"),
        }
    }

    /// A fresh client, and a key of it.
    pub fn client(&self, scopes: &str) -> (ClientId, String) {
        let scopes: Scopes = scopes.parse().unwrap();
        let outcome = self.run(CreateClient { name: "test".into(), scopes, secret_hash: "none".into() });
        match outcome {
            Outcome::User(user::Outcome::Client { id }) => (id, self.key(Some(id), scopes)),
            other => panic!("{other:?}"),
        }
    }

    /// The id of a key's text.
    pub fn key_id(text: &str) -> ApiKeyId {
        ApiKeySecret::parse(text).unwrap().0
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.pipeline.answer(request).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// `"GET /path"` with header fields as `"name: value"`, by the staff's key.
    pub async fn admin(&self, line: &str, fields: &[&str], body: &str) -> Answer {
        let authorization = format!("authorization: Bearer {}", self.admin);
        let mut fields = fields.to_vec();
        fields.push(&authorization);
        self.call(line, &fields, body).await
    }

    /// `"GET /path"` with header fields as `"name: value"`; a body is JSON unless a field says otherwise.
    pub async fn call(&self, line: &str, fields: &[&str], body: &str) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path).header("host", "shop.example");
        if !body.is_empty() && !fields.iter().any(|field| field.starts_with("content-type")) {
            request = request.header("content-type", "application/json");
        }
        for field in fields {
            let (name, value) = field.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem; the code is empty when it is none.
    pub fn verdict(&self) -> (u16, String) {
        let is_problem = self.header("content-type") == super::problem::PROBLEM_JSON;
        let code = if is_problem { self.json()["code"].as_str().unwrap().to_owned() } else { String::new() };
        (self.status.as_u16(), code)
    }

    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }
}

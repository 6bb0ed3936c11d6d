//! One shop's day: set up, filled, sold from, paid, refused, shipped, refunded, erased, trimmed.

use shop::actor::Caller;
use shop::broker::{
    AcquireLease, CommitOffsets, CreateJob, CreateTopic, Fence, FinishJob, JobKind, JobStatus, JoinGroup,
    LeaveGroup, Position, Progress, PublishEvent, ReportJob, ResetOffset, STANDARD_TOPICS, Settings,
    TrimEvents, TrimReplies, UpdateSettings,
};
use shop::cart::{self, AddItem, CreateCart};
use shop::catalog::{
    Backorder, Content, CreateCategory, CreateProduct, DeleteProduct, Status, UpdateCategory, UpdateProduct,
    UpsertProducts, VariantContent,
};
use shop::command::{Dedupe, Envelope, Trace};
use shop::ids::{CustomerId, FulfilmentId, OrderId, PaymentId, ProductId, RequestId};
use shop::inventory::{AdjustStock, CreateLocation, SetStock};
use shop::level::FIRST_LEVEL;
use shop::order::{
    self, CancelOrder, DeliverFulfilment, ExpireOrder, FulfilOrder, LineRequest, PlaceOrder, Tracking, Wanted,
};
use shop::payment::{
    Call, CaptureMode, Choice, MarkSending, Observe, Operation, PaymentReport, PaymentStatus, Provider,
    Report, ReportNoAnswer, RequestRefund, Source,
};
use shop::user::{
    self, AddSigningKey, Address, CreateApiKey, CreateClient, CreateCustomer, EraseCustomer, Personal,
    RetireSigningKey, RevokeApiKey, RevokeClient, Scope, Scopes, UpdateCustomer,
};
use shop::{Actor, Command, Currency, EntryInfo, Money, Outcome, Private, Rejection, catalog};

use crate::{Entry, Replay};

const BEGIN_MILLIS: u64 = 1_795_359_600_000;
pub const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// Plays commands and keeps them as log entries.
pub struct Player {
    replay: Replay,
    entries: Vec<Entry>,
    pub now_ms: u64,
}

impl Player {
    pub fn new() -> Self {
        Self { replay: Replay::new(), entries: Vec::new(), now_ms: BEGIN_MILLIS }
    }

    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    pub fn play(&mut self, command: impl Into<Command>, dedupe: Dedupe) -> Result<Outcome, Rejection> {
        let index = self.entries.len() as u64 + 1;
        let mut number = [0; 16];
        number[8..].copy_from_slice(&index.to_be_bytes());
        let envelope = Envelope {
            store: 1,
            request: RequestId(number),
            actor: if index.is_multiple_of(2) { Actor::System } else { Actor::Guest },
            trace: index.is_multiple_of(3).then_some(Trace { trace_id: number, span_id: [1; 8], flags: 1 }),
            dedupe,
            command: command.into(),
        };
        let payload = envelope.encode().expect("an envelope");
        let info = EntryInfo { index, now_ms: self.now_ms, seed: number, active_version: FIRST_LEVEL };
        self.entries.push(Entry { info, payload });
        self.now_ms += 1_000;
        let last = self.entries.len() - 1;
        let mut replies = self.replay.run(&self.entries[last..]);
        replies.pop().expect("a reply").result
    }

    pub fn ok(&mut self, command: impl Into<Command>) -> Outcome {
        self.play(command, Dedupe::Request).expect("the step is carried out")
    }

    pub fn refused(&mut self, command: impl Into<Command>, code: &str) {
        let rejection = self.play(command, Dedupe::Idempotent).expect_err("the step is refused");
        assert_eq!(rejection.code.as_str(), code);
    }
}

pub fn line(sku: &str, quantity: u32) -> LineRequest {
    LineRequest { sku: sku.parse().expect("a SKU"), quantity }
}

fn content(name: &str, amount: i64) -> Content {
    Content {
        title: format!("Tea {name}"),
        slug: name.parse().expect("a slug"),
        description: "Fresh".into(),
        status: Status::Published,
        category: Some("tea".parse().expect("a slug")),
        category_title: Some("Tea".into()),
        vendor: None,
        tags: vec!["fresh".into()],
        options: vec!["size".into()],
        variants: vec![VariantContent {
            sku: format!("{name}-1").parse().expect("a SKU"),
            options: vec!["100 g".into()],
            prices: vec![Money::new(amount, Currency::EUR)],
            backorder: Backorder::Refuse,
        }],
        images: Vec::new(),
    }
}

pub fn fence() -> Fence {
    Fence { queue: "payments".into(), epoch: 1 }
}

fn personal(email: &str) -> Private<Personal> {
    Private(Personal { email: email.into(), name: Some("Ada".into()), phone: None, addresses: Vec::new() })
}

pub fn order(wanted: Wanted, customer: Option<CustomerId>) -> PlaceOrder {
    let address = Address {
        name: "Ada".into(),
        line1: "1 Main St".into(),
        line2: None,
        city: "Berlin".into(),
        region: None,
        postal_code: Some("10115".into()),
        country: "DE".into(),
        phone: None,
    };
    PlaceOrder {
        wanted,
        owner: None,
        customer,
        personal: Private(order::Personal {
            email: "ada@example.com".into(),
            shipping_address: Some(address),
            billing_address: None,
        }),
        expected_total: None,
        payment: Some(Choice {
            provider: Provider::Sandbox,
            method: "card_ok".into(),
            capture: Some(CaptureMode::Automatic),
        }),
    }
}

pub fn lines(lines: &[(&str, u32)]) -> Wanted {
    let lines = lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
    Wanted::Lines { currency: Currency::EUR, lines }
}

/// The log of the whole day.
pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    let (kept, draft) = fill(&mut player);
    let customer = know_users(&mut player);
    sell(&mut player, customer);
    crate::money::play(&mut player);
    consume(&mut player);
    tidy_up(&mut player, customer, kept, draft);
    player.into_entries()
}

pub fn set_up(player: &mut Player) {
    for name in STANDARD_TOPICS {
        player.ok(CreateTopic { name: name.into(), partitions: 8, retention_days: None });
    }
    player.refused(
        CreateTopic { name: "orders".into(), partitions: 1, retention_days: None },
        "already_exists",
    );
    player.ok(CreateLocation { name: "Main".into() });
    let settings = Settings { store_name: "Tea".into(), hold_minutes: 10, ..Settings::default() };
    player.ok(UpdateSettings { if_revision: Some(0), settings });
    player.ok(AcquireLease { queue: "payments".into(), holder: 1 });
}

/// The products that are kept and not.
pub fn fill(player: &mut Player) -> (ProductId, ProductId) {
    player.ok(CreateCategory { slug: "pots".parse().expect("a slug"), title: "Pots".into() });
    let slug = "pots".parse().expect("a slug");
    player.ok(UpdateCategory { slug, if_revision: Some(1), title: "Tea pots".into() });
    let created = |outcome| match outcome {
        Outcome::Catalog(catalog::Outcome::Product { id, .. }) => id,
        other => panic!("{other:?}"),
    };
    let kept = created(player.ok(CreateProduct { content: content("sencha", 999) }));
    let draft = Content { status: Status::Draft, ..content("draft", 100) };
    let draft = created(player.ok(CreateProduct { content: draft }));
    player.refused(CreateProduct { content: content("sencha", 1) }, "already_exists");
    player.ok(UpsertProducts {
        products: vec![content("assam", 850), content("sencha", 999), content("rooibos", 1)],
    });
    player.ok(UpdateProduct { id: kept, if_revision: 1, content: content("sencha", 1_099) });
    player.refused(
        UpdateProduct { id: kept, if_revision: 1, content: content("sencha", 1) },
        "precondition_failed",
    );
    for (sku, on_hand) in [("sencha-1", 10), ("assam-1", 3), ("rooibos-1", 5)] {
        let sku = sku.parse().expect("a SKU");
        player.ok(SetStock { sku, location: None, on_hand, if_on_hand: None });
    }
    let sku = "sencha-1".parse().expect("a SKU");
    player.ok(AdjustStock { sku, location: None, by: -1, reason: Some("damaged".into()) });
    (kept, draft)
}

fn know_users(player: &mut Player) -> CustomerId {
    let scopes = Scopes::of(&[Scope::OrdersPlace, Scope::CatalogRead]);
    let client =
        match player.ok(CreateClient { name: "shop".into(), scopes, secret_hash: "$argon2id$x".into() }) {
            Outcome::User(user::Outcome::Client { id }) => id,
            other => panic!("{other:?}"),
        };
    let key = |client, scopes| CreateApiKey {
        name: "key".into(),
        client,
        secret_sha256: [7; 32],
        scopes,
        expires_at: None,
    };
    let made = player.ok(key(Some(client), scopes));
    player.ok(key(None, Scopes::EVERY));
    player.refused(key(Some(client), Scopes::EVERY), "invalid_value");
    if let Outcome::User(user::Outcome::ApiKey { id }) = made {
        player.ok(RevokeApiKey { id });
    }
    player.ok(RevokeClient { id: client });
    for key_id in ["k1", "k2"] {
        let key_id = key_id.into();
        player.ok(AddSigningKey { key_id, public_key: [5; 32], sealed_private_key: vec![6; 60] });
    }
    player.ok(RetireSigningKey { key_id: "k1".into() });
    let customer = match player.ok(CreateCustomer { owner: None, personal: personal("ada@example.com") }) {
        Outcome::User(user::Outcome::Customer { id, .. }) => id,
        other => panic!("{other:?}"),
    };
    player.refused(CreateCustomer { owner: None, personal: personal("ada@example.com") }, "already_exists");
    let personal = personal("ada@new.example");
    player.ok(UpdateCustomer { id: customer, client: None, if_revision: 1, personal });
    customer
}

fn sell(player: &mut Player, customer: CustomerId) {
    let cart = CreateCart { owner: None, currency: Currency::EUR, items: vec![line("sencha-1", 1)] };
    let cart = match player.ok(cart) {
        Outcome::Cart(cart::Outcome::Cart(id, _)) => id,
        other => panic!("{other:?}"),
    };
    let item = line("assam-1", 2);
    player.ok(AddItem { cart, caller: Caller::Shopper(None), revision: None, item });
    let dedupe = Dedupe::Key { scope: [1; 32], fingerprint: [2; 32] };
    let place = order(Wanted::Cart { cart, revision: None }, Some(customer));
    let first = placed(player.play(place.clone(), dedupe.clone()));
    assert_eq!(placed(player.play(place.clone(), dedupe)), first, "the same key, the same order");
    let other_body = Dedupe::Key { scope: [1; 32], fingerprint: [3; 32] };
    assert!(player.play(place, other_body).is_err());
    pay(player, first);
    player.ok(FulfilOrder {
        order: first,
        lines: Vec::new(),
        tracking: Some(Tracking { carrier: "DHL".into(), number: "1".into(), url: None }),
    });
    player.ok(DeliverFulfilment { fulfilment: FulfilmentId::of(first, 1) });
    player.ok(RequestRefund { payment: PaymentId::of(first, 1), amount: Some(100) });

    player.refused(order(lines(&[("assam-1", 2)]), None), "out_of_stock");
    player.refused(order(lines(&[("unknown", 1)]), None), "sku_not_sellable");
    let canceled = placed(player.play(order(lines(&[("rooibos-1", 2)]), None), Dedupe::Request));
    player.ok(CancelOrder { order: canceled, caller: Caller::Staff });
    let unpaid = PlaceOrder { payment: None, ..order(lines(&[("rooibos-1", 1), ("sencha-1", 1)]), None) };
    let unpaid = placed(player.play(unpaid, Dedupe::Request));
    player.now_ms += 11 * 60 * 1_000;
    player.ok(ExpireOrder { fence: fence(), order: unpaid });
    let unknown = placed(player.play(order(lines(&[("sencha-1", 1)]), Some(customer)), Dedupe::Request));
    let call = Call { payment: PaymentId::of(unknown, 1), operation: Operation::Authorize, sequence: 1 };
    player.ok(MarkSending { fence: fence(), call });
    player.ok(ReportNoAnswer { fence: fence(), call });
}

pub fn placed(result: Result<Outcome, Rejection>) -> OrderId {
    match result {
        Ok(Outcome::Order(order::Outcome::Order(id, _))) => id,
        other => panic!("{other:?}"),
    }
}

pub fn pay(player: &mut Player, order: OrderId) {
    let payment = PaymentId::of(order, 1);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    player.ok(MarkSending { fence: fence(), call });
    let amount = 1_099 + 2 * 850;
    let report = Report::Payment(PaymentReport {
        payment: Some(payment),
        object: "pi_1".into(),
        status: PaymentStatus::Captured,
        amount: Money::new(amount, Currency::EUR),
        authorized: amount,
        captured: amount,
        next_action: None,
        failure: None,
    });
    let provider = Provider::Sandbox;
    let answer = Observe { fence: Some(fence()), provider, source: Source::Answer, report };
    player.ok(answer.clone());
    player.ok(Observe { fence: None, source: Source::Webhook, ..answer });
}

fn consume(player: &mut Player) {
    player.ok(CreateTopic { name: "acme".into(), partitions: 2, retention_days: Some(60) });
    let (topic, kind, key) = ("acme".to_owned(), "acme.seen.v1".to_owned(), "k".to_owned());
    player.ok(PublishEvent { topic, kind, key, data: "{}".into() });
    for member in ["b", "a"] {
        player.ok(JoinGroup { group: "g".into(), member: member.into() });
    }
    let position = |seq| Position { topic: "orders".into(), partition: 3, seq };
    player.ok(CommitOffsets { group: "g".into(), epoch: 2, positions: vec![position(20)] });
    player.ok(ResetOffset { group: "g".into(), position: position(10) });
    player
        .refused(CommitOffsets { group: "g".into(), epoch: 2, positions: vec![position(20)] }, "stale_epoch");
    player.ok(LeaveGroup { group: "g".into(), member: "b".into() });
}

fn tidy_up(player: &mut Player, customer: CustomerId, kept: ProductId, draft: ProductId) {
    let job = CreateJob { kind: JobKind::ProductImport, node: 1, dry_run: false, total: 3 };
    if let Outcome::Broker(shop::broker::Outcome::Job { id }) = player.ok(job) {
        let progress = Progress { total: 3, done: 3, created: 2, unchanged: 1, ..Progress::default() };
        player.ok(ReportJob { id, progress, errors: Vec::new() });
        player.ok(FinishJob { id, status: JobStatus::Completed, detail: None });
    }
    player.ok(EraseCustomer { id: customer, client: None, orders_after: None });
    player.refused(DeleteProduct { id: kept, if_revision: None }, "conflict");
    player.ok(DeleteProduct { id: draft, if_revision: None });
    player.now_ms += 31 * DAY_MILLIS;
    player.ok(TrimReplies { fence: fence(), keys: vec![[1; 32], [9; 32]] });
    player.ok(TrimEvents { fence: fence(), below: u64::MAX });
    player.refused(AcquireLease { queue: String::new(), holder: 1 }, "invalid_value");
}

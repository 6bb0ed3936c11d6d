//! A shop with two things to sell, for the tests of orders and payments.

use storage::{Read, Scope};

use crate::broker::{AcquireLease, Fence, Settings, UpdateSettings};
use crate::catalog::commands::fixtures::tea;
use crate::catalog::{Backorder, CreateProduct, Sku};
use crate::ids::{LocationId, OrderId, PaymentId};
use crate::inventory::{self, CreateLocation, Levels, SetStock, Stock};
use crate::money::{Currency, Money};
use crate::order::{self, LineRequest, Order, Orders, Personal, PlaceOrder, Wanted};
use crate::outcome::Outcome;
use crate::payment::{
    self, Call, CaptureMode, Choice, MarkSending, NextAction, Observe, Operation, PaymentReport,
    PaymentStatus, Provider, RefundReport, RefundStatus, Report, ReportRefused, Source,
};
use crate::private::Private;
use crate::rejection::Rejection;
use crate::testing::{Bench, STORE};

/// The queue whose lease the desk's worker has.
pub const QUEUE: &str = "payments";

/// A bench with a catalogue and stock: 10 of `TEA-1` at 9.99 EUR, 10 of `POT-1` at 45.00 EUR, none of `CUP-1`, which
/// takes backorders, at 5.00 EUR.
pub struct Desk {
    pub bench: Bench,
    pub location: LocationId,
}

impl Desk {
    pub fn new() -> Self {
        let mut bench = Bench::new();
        bench.ok(AcquireLease { queue: QUEUE.into(), holder: 1 });
        let outcome = bench.ok(CreateLocation { name: "Main".into() });
        let Outcome::Inventory(inventory::Outcome::LocationCreated(location)) = outcome else {
            panic!("no location: {outcome:?}")
        };
        let mut desk = Self { bench, location: location.id };
        desk.sell("TEA-1", 999, 10, Backorder::Refuse);
        desk.sell("POT-1", 4500, 10, Backorder::Refuse);
        desk.sell("CUP-1", 500, 0, Backorder::Allow);
        desk
    }

    /// Publishes a product with this SKU, and counts its stock.
    pub fn sell(&mut self, name: &str, price: i64, on_hand: i64, backorder: Backorder) {
        let mut content = tea(&name.to_lowercase(), name);
        content.variants[0].prices = vec![Money::new(price, Currency::EUR)];
        content.variants[0].backorder = backorder;
        self.bench.ok(CreateProduct { content });
        self.bench.ok(SetStock { sku: sku(name), location: None, on_hand, if_on_hand: None });
    }

    /// Writes a record behind the back of the commands.
    pub fn write<T: storage::Table>(&mut self, key: &T::Key, value: &T::Value) {
        let mut tx = self.bench.store.begin();
        tx.set_scope(Scope(STORE));
        tx.put::<T>(key, value).unwrap();
        self.bench.store.commit(tx).unwrap();
    }

    pub fn settings(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::default();
        change(&mut settings);
        self.bench.ok(UpdateSettings { if_revision: None, settings });
    }

    pub fn try_place(&mut self, command: PlaceOrder) -> Result<OrderId, Rejection> {
        match self.bench.run(command)? {
            Outcome::Order(order::Outcome::Order(id, _)) => Ok(id),
            other => panic!("no order: {other:?}"),
        }
    }

    pub fn place(&mut self, command: PlaceOrder) -> OrderId {
        self.try_place(command).unwrap()
    }

    pub fn order(&self, id: OrderId) -> Order {
        self.bench.view().get::<Orders>(&id).unwrap().unwrap()
    }

    /// The levels at the one location.
    pub fn levels(&self, name: &str) -> Levels {
        self.bench.view().get::<Stock>(&(sku(name), self.location)).unwrap().unwrap_or_default().levels
    }

    /// Commits that a call is about to be made.
    pub fn send(&mut self, payment: PaymentId, operation: Operation, sequence: u16) {
        self.bench.ok(MarkSending { fence: fence(), call: Call { payment, operation, sequence } });
    }

    /// A report of the sandbox about a payment, by its answer.
    pub fn see(&mut self, payment: PaymentId, status: PaymentStatus) -> payment::Outcome {
        self.see_by(payment, status, Source::Answer)
    }

    pub fn see_by(&mut self, payment: PaymentId, status: PaymentStatus, source: Source) -> payment::Outcome {
        let order = self.order(payment.order());
        let amount = payment::queries::attempt(&order, payment).unwrap().amount;
        self.observe(report(payment, status, amount), source)
    }

    pub fn observe(&mut self, report: Report, source: Source) -> payment::Outcome {
        let fence = (source != Source::Webhook).then(fence);
        match self.bench.ok(Observe { fence, provider: Provider::Sandbox, source, report }) {
            Outcome::Payment(outcome) => outcome,
            other => panic!("no payment: {other:?}"),
        }
    }

    /// What the sandbox says of a payment of its whole amount.
    pub fn payment_report(&self, payment: PaymentId, status: PaymentStatus) -> PaymentReport {
        let order = self.order(payment.order());
        let amount = payment::queries::attempt(&order, payment).unwrap().amount;
        match report(payment, status, amount) {
            Report::Payment(report) => report,
            Report::Refund(_) => unreachable!(),
        }
    }

    /// Reports that the sandbox refused a call.
    pub fn refuse(&mut self, payment: PaymentId, operation: Operation, sequence: u16) {
        let call = Call { payment, operation, sequence };
        self.bench.ok(ReportRefused { fence: fence(), call, code: "refused".into() });
    }

    /// Sends the order's first payment and sees it captured.
    pub fn pay(&mut self, order: OrderId) {
        let payment = PaymentId::of(order, 1);
        self.send(payment, Operation::Authorize, 1);
        self.see(payment, PaymentStatus::Captured);
    }
}

pub fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

pub fn fence() -> Fence {
    Fence { queue: QUEUE.into(), epoch: 1 }
}

/// A guest's order over these SKUs and quantities, paid by a card in the sandbox.
pub fn lines(wanted: &[(&str, u32)]) -> PlaceOrder {
    let line = |(name, quantity): &(&str, u32)| LineRequest { sku: sku(name), quantity: *quantity };
    PlaceOrder {
        wanted: Wanted::Lines { currency: Currency::EUR, lines: wanted.iter().map(line).collect() },
        owner: None,
        customer: None,
        personal: Private(Personal {
            email: "ada@example.com".into(),
            shipping_address: None,
            billing_address: None,
        }),
        expected_total: None,
        payment: Some(card(CaptureMode::Automatic)),
    }
}

pub fn card(capture: CaptureMode) -> Choice {
    Choice { provider: Provider::Sandbox, method: "card_ok".into(), capture: Some(capture) }
}

/// What the sandbox says of a payment that it knows as `obj_` and its id.
pub fn report(payment: PaymentId, status: PaymentStatus, amount: i64) -> Report {
    let authorized = matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured);
    Report::Payment(PaymentReport {
        payment: Some(payment),
        object: format!("obj_{payment}"),
        status,
        amount: Money::new(amount, Currency::EUR),
        authorized: if authorized { amount } else { 0 },
        captured: if status == PaymentStatus::Captured { amount } else { 0 },
        next_action: (status == PaymentStatus::RequiresAction)
            .then(|| NextAction::Redirect { url: Private("https://bank.example/3ds".into()) }),
        failure: (status == PaymentStatus::Declined).then(|| "card_declined".into()),
    })
}

/// What the sandbox says of a refund.
pub fn refund_report(refund: crate::ids::RefundId, status: RefundStatus, amount: i64) -> Report {
    Report::Refund(RefundReport {
        refund: Some(refund),
        object: format!("obj_{refund}"),
        status,
        amount: Money::new(amount, Currency::EUR),
        failure: (status == RefundStatus::Failed).then(|| "expired_card".into()),
    })
}

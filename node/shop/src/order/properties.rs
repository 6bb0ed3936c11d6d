//! Whatever happens, in whatever order and however often: what must hold of stock, money, numbers and queues.
//!
//! A failure prints the smallest sequence of steps that shows it; proptest keeps its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use storage::{MemoryEngine, Read, SledEngine, Span};

use crate::actor::Caller;
use crate::broker::Events;
use crate::catalog::Sku;
use crate::event::Event;
use crate::ids::{LocationId, OrderId, PaymentId, RefundId};
use crate::inventory::{self, AdjustStock, CreateLocation, Levels, SetStock, Stock, TransferStock};
use crate::level::{FIRST_LEVEL, LEVELS};
use crate::order::testing::{Desk, card, fence, lines, refund_report, report, sku};
use crate::order::{
    self, CancelOrder, ExpireOrder, FulfilOrder, Hold, Order, Orders, OrdersByStatus, Status,
};
use crate::payment::settle::GIVES_BACK_ONCE_SINCE;
use crate::payment::{
    self, CaptureMode, IndexProgress, IndexStates, MarkPaid, MarkSending, Observe, OpenAttempt,
    PaymentStatus, PaymentWork, PaymentsByState, Provider, RefundState, RefundStatus, Report, ReportAbsent,
    ReportNoAnswer, ReportRefused, RequestCapture, RequestRefund, RequestVoid, Source, State, StatesIndexed,
    Step, next_step,
};
use crate::testing::Bench;

const SKUS: [&str; 3] = ["TEA-1", "POT-1", "CUP-1"];

/// What the provider does with a call.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Says(PaymentStatus),
    Silence,
    Refusal,
    /// The worker dies before it can report.
    Crash,
}

#[derive(Debug, Clone)]
enum Action {
    Place {
        wanted: Vec<(usize, u32)>,
        manual_capture: bool,
        by_hand: bool,
    },
    /// Does what has to be done next for an order.
    Work(usize, Answer),
    /// A webhook, maybe of long ago.
    Hear {
        order: usize,
        attempt: u8,
        status: PaymentStatus,
        poll: bool,
    },
    HearRefund {
        order: usize,
        refund: u8,
        status: RefundStatus,
    },
    Cancel(usize),
    Pay(usize),
    PayByHand(usize),
    Capture(usize, Option<i64>),
    Void(usize),
    Refund(usize, Option<i64>),
    Ship(usize, Option<(u8, u32)>),
    Set(usize, i64),
    Adjust(usize, i64),
    Transfer(usize, i64),
    Wait(u64),
    /// Raises the active version by a step, up to all that this program supports.
    Upgrade,
    /// One step of filling the index of payments by state.
    Index(u32),
}

fn status() -> impl Strategy<Value = PaymentStatus> {
    prop_oneof![
        1 => Just(PaymentStatus::Processing),
        1 => Just(PaymentStatus::RequiresAction),
        1 => Just(PaymentStatus::Declined),
        1 => Just(PaymentStatus::Authorized),
        1 => Just(PaymentStatus::Canceled),
        3 => Just(PaymentStatus::Captured),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => status().prop_map(Answer::Says),
        1 => Just(Answer::Silence),
        1 => Just(Answer::Refusal),
        1 => Just(Answer::Crash),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let order = || 0..6usize;
    let some = || proptest::option::of(1..5_000i64);
    let refund_status =
        prop_oneof![Just(RefundStatus::Pending), Just(RefundStatus::Succeeded), Just(RefundStatus::Failed)];
    prop_oneof![
        4 => (vec((0..3usize, 1..4u32), 1..4), any::<bool>(), proptest::bool::weighted(0.1))
            .prop_map(|(wanted, manual_capture, by_hand)| Action::Place { wanted, manual_capture, by_hand }),
        10 => (order(), answer()).prop_map(|(order, answer)| Action::Work(order, answer)),
        3 => (order(), 1..3u8, status(), any::<bool>())
            .prop_map(|(order, attempt, status, poll)| Action::Hear { order, attempt, status, poll }),
        2 => (order(), 1..3u8, refund_status)
            .prop_map(|(order, refund, status)| Action::HearRefund { order, refund, status }),
        2 => order().prop_map(Action::Cancel),
        2 => order().prop_map(Action::Pay),
        1 => order().prop_map(Action::PayByHand),
        1 => (order(), some()).prop_map(|(order, amount)| Action::Capture(order, amount)),
        1 => order().prop_map(Action::Void),
        1 => (order(), some()).prop_map(|(order, amount)| Action::Refund(order, amount)),
        2 => (order(), proptest::option::of((0..3u8, 1..4u32))).prop_map(|(order, part)| Action::Ship(order, part)),
        1 => (0..3usize, 0..15i64).prop_map(|(sku, on_hand)| Action::Set(sku, on_hand)),
        1 => (0..3usize, -5..5i64).prop_map(|(sku, by)| Action::Adjust(sku, by)),
        1 => (0..3usize, 1..5i64).prop_map(|(sku, units)| Action::Transfer(sku, units)),
        2 => prop_oneof![Just(1_000u64), Just(60_000), Just(31 * 60_000), Just(24 * 3_600_000)].prop_map(Action::Wait),
        1 => Just(Action::Upgrade),
        2 => (1..4u32).prop_map(Action::Index),
    ]
}

/// The active version at the beginning: as often as not the newest.
fn level() -> impl Strategy<Value = u32> {
    prop_oneof![1 => FIRST_LEVEL..LEVELS.most, 1 => Just(LEVELS.most)]
}

struct World {
    desk: Desk,
    second: LocationId,
    orders: Vec<OrderId>,
    /// Canceled orders that got money below that level while a void was under way, for which it waits.
    wait_for_a_void: BTreeSet<OrderId>,
    /// Whether no refund for a cancellation was ever opened by the rules below that level.
    gives_back_once: bool,
}

impl World {
    fn new(active_version: u32) -> Self {
        let mut desk = Desk::new();
        desk.bench.active_version = active_version;
        desk.settings(|settings| settings.manual_payments = true);
        let outcome = desk.bench.ok(CreateLocation { name: "Second".into() });
        let crate::Outcome::Inventory(inventory::Outcome::LocationCreated(second)) = outcome else {
            panic!("{outcome:?}")
        };
        let gives_back_once = active_version >= GIVES_BACK_ONCE_SINCE;
        Self {
            desk,
            second: second.id,
            orders: Vec::new(),
            wait_for_a_void: BTreeSet::new(),
            gives_back_once,
        }
    }

    /// Carries a command out; a refusal must change nothing.
    fn run(&mut self, command: impl Into<crate::Command>) -> Option<crate::Outcome> {
        let before = self.desk.bench.store.digest();
        match self.desk.bench.run(command) {
            Ok(outcome) => Some(outcome),
            Err(_) => {
                assert_eq!(before, self.desk.bench.store.digest(), "a refused command changed the state");
                None
            }
        }
    }

    fn act(&mut self, action: &Action) {
        let order_at =
            |orders: &[OrderId], position: usize| orders.get(position % orders.len().max(1)).copied();
        let first = |order| PaymentId::of(order, 1);
        match action {
            Action::Place { wanted, manual_capture, by_hand } => {
                let wanted: Vec<(&str, u32)> = wanted.iter().map(|(at, units)| (SKUS[*at], *units)).collect();
                let mut command = lines(&wanted);
                let capture = if *manual_capture { CaptureMode::Manual } else { CaptureMode::Automatic };
                let mut choice = card(capture);
                if *by_hand {
                    choice.provider = Provider::Manual;
                }
                command.payment = Some(choice);
                let placed = self.run(command);
                if let Some(crate::Outcome::Order(order::Outcome::Order(id, _))) = placed {
                    self.orders.push(id);
                }
            }
            Action::Wait(millis) => self.desk.bench.pass_millis(*millis),
            Action::Upgrade => {
                let version = &mut self.desk.bench.active_version;
                *version = (*version + 1).min(LEVELS.most);
            }
            Action::Index(orders) => {
                self.run(IndexStates { fence: fence(), orders: *orders });
            }
            Action::Set(at, on_hand) => {
                self.run(SetStock {
                    sku: sku(SKUS[*at]),
                    location: None,
                    on_hand: *on_hand,
                    if_on_hand: None,
                });
            }
            Action::Adjust(at, by) => {
                self.run(AdjustStock { sku: sku(SKUS[*at]), location: None, by: *by, reason: None });
            }
            Action::Transfer(at, quantity) => {
                let (from, to) = (self.desk.location, self.second);
                self.run(TransferStock { sku: sku(SKUS[*at]), from, to, quantity: *quantity });
            }
            Action::Work(at, answer) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.work(order, *answer);
                }
            }
            Action::Hear { order, attempt, status, poll } => {
                if let Some(order) = order_at(&self.orders, *order) {
                    let source = if *poll { Source::Poll } else { Source::Webhook };
                    self.hear(PaymentId::of(order, *attempt), *status, source);
                }
            }
            Action::HearRefund { order, refund, status } => {
                if let Some(order) = order_at(&self.orders, *order) {
                    self.hear_refund(RefundId::of(order, *refund), *status);
                }
            }
            Action::Cancel(at) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.run(CancelOrder { order, caller: Caller::Staff });
                }
            }
            Action::Pay(at) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    let choice = card(CaptureMode::Automatic);
                    self.run(OpenAttempt { order, caller: Caller::Staff, choice });
                }
            }
            Action::PayByHand(at) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.run(MarkPaid { order });
                }
            }
            Action::Capture(at, amount) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.run(RequestCapture { payment: first(order), amount: *amount });
                }
            }
            Action::Void(at) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.run(RequestVoid { payment: first(order) });
                }
            }
            Action::Refund(at, amount) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.run(RequestRefund { payment: first(order), amount: *amount });
                }
            }
            Action::Ship(at, part) => {
                if let Some(order) = order_at(&self.orders, *at) {
                    self.run(FulfilOrder { order, lines: part.iter().copied().collect(), tracking: None });
                }
            }
        }
    }

    /// One turn of a payment worker.
    fn work(&mut self, order: OrderId, answer: Answer) {
        let Some(step) = next_step(order, &self.desk.order(order), self.desk.bench.now()) else {
            return;
        };
        let call = match &step {
            Step::Wait { .. } => return,
            Step::Expire => {
                let expired = self.run(ExpireOrder { fence: fence(), order });
                assert!(expired.is_some(), "an order that is due did not expire");
                return;
            }
            Step::LookUp { call, .. } => *call,
            _ => {
                let call = step.sends().expect("a call");
                let sent = self.run(MarkSending { fence: fence(), call });
                assert!(sent.is_some(), "the next call was refused: {call}");
                call
            }
        };
        let looking = matches!(step, Step::LookUp { .. });
        match (&step, answer) {
            (_, Answer::Crash) => {}
            (_, Answer::Silence) if looking => {
                self.run(ReportAbsent { fence: fence(), call });
            }
            (_, Answer::Silence) => {
                self.run(ReportNoAnswer { fence: fence(), call });
            }
            (_, Answer::Refusal) => {
                self.run(ReportRefused { fence: fence(), call, code: "refused".into() });
            }
            (
                Step::Refund { refund, .. } | Step::LookUp { refund: Some(refund), .. },
                Answer::Says(status),
            ) => {
                let status = match status {
                    PaymentStatus::Captured | PaymentStatus::Authorized => RefundStatus::Succeeded,
                    PaymentStatus::Declined => RefundStatus::Failed,
                    _ => RefundStatus::Pending,
                };
                self.hear_refund(*refund, status);
            }
            (_, Answer::Says(status)) => {
                self.hear(call.payment, status, if looking { Source::Poll } else { Source::Answer });
            }
        }
    }

    fn hear(&mut self, payment: PaymentId, status: PaymentStatus, source: Source) {
        let order = self.desk.order(payment.order());
        let Some(attempt) = payment::queries::attempt(&order, payment) else { return };
        if attempt.provider == Provider::Manual {
            return;
        }
        let report = report(payment, status, attempt.amount);
        self.run(Observe { fence: None, provider: Provider::Sandbox, source, report });
    }

    fn hear_refund(&mut self, refund: RefundId, status: RefundStatus) {
        let order = self.desk.order(refund.order());
        let Some(found) = payment::queries::refund(&order, refund) else { return };
        let report = refund_report(refund, status, found.amount);
        let report = Report::Refund(match report {
            Report::Refund(report) => report,
            Report::Payment(_) => unreachable!(),
        });
        self.run(Observe { fence: None, provider: Provider::Sandbox, source: Source::Webhook, report });
    }

    fn check(&mut self) {
        let view = self.desk.bench.view();
        let orders: BTreeMap<OrderId, Order> =
            view.scan(Span::<Orders>::all()).map(|found| found.expect("an order")).collect();
        check_feed(&self.desk.bench, &orders);
        check_stock(&self.desk.bench, &orders);
        let below = self.desk.bench.active_version < GIVES_BACK_ONCE_SINCE;
        let waits = |id: &OrderId, order: &Order| {
            (below || self.wait_for_a_void.contains(id))
                && order.open_attempt().is_some_and(|(_, attempt)| attempt.state != State::Authorized)
        };
        self.wait_for_a_void =
            orders.iter().filter(|(id, order)| waits(id, order)).map(|(id, _)| *id).collect();
        for (id, order) in &orders {
            check_money(*id, order, self.wait_for_a_void.contains(id));
            if self.gives_back_once {
                check_given_back_once(*id, order);
            }
            check_queues(&view, *id, order);
        }
        let indexed = view.scan(Span::<OrdersByStatus>::all()).count();
        assert_eq!(indexed, orders.len(), "an order is listed under two statuses");
        check_states(&self.desk.bench, &orders);
    }
}

/// Sequence numbers and order numbers have no gaps; what was told of money is what the orders say.
fn check_feed(bench: &Bench, orders: &BTreeMap<OrderId, Order>) {
    let view = bench.view();
    let mut next_seq = 1;
    let mut captured: BTreeMap<OrderId, i64> = BTreeMap::new();
    let mut refunds: BTreeMap<OrderId, usize> = BTreeMap::new();
    let mut numbers = Vec::new();
    for entry in view.scan(Span::<Events>::all()) {
        let (seq, batch) = entry.expect("a batch");
        assert_eq!(seq, next_seq, "the feed has a gap");
        next_seq += batch.events.len() as u64;
        assert_eq!(batch.counters.next_seq, next_seq);
        for event in &batch.events {
            match event {
                Event::Order(order::Event::Placed(placed)) => numbers.push(placed.number),
                Event::Payment(payment::Event::Captured { order_id, amount, .. }) => {
                    *captured.entry(*order_id).or_default() += amount.amount;
                }
                Event::Payment(payment::Event::RefundCreated { order_id, .. }) => {
                    *refunds.entry(*order_id).or_default() += 1;
                }
                _ => {}
            }
        }
    }
    let expected: Vec<u64> = (1001..1001 + orders.len() as u64).collect();
    assert_eq!(numbers, expected, "order numbers have a gap");
    for (id, order) in orders {
        assert_eq!(order.captured(), captured.get(id).copied().unwrap_or(0), "money was told otherwise");
        assert_eq!(order.refunds.len(), refunds.get(id).copied().unwrap_or(0), "refunds were told otherwise");
    }
}

/// A row is its opening and its movements; what is claimed is what orders say; nothing is sold that is not there.
fn check_stock(bench: &Bench, orders: &BTreeMap<OrderId, Order>) {
    let view = bench.view();
    let mut moved: BTreeMap<(Sku, LocationId), (Levels, u64)> = BTreeMap::new();
    for recorded in view.scan(Span::<Events>::all()) {
        let (first, batch) = recorded.expect("a batch");
        for (seq, event) in (first..).zip(&batch.events) {
            if let Event::Inventory(inventory::Event::Moved(movement)) = event {
                let row = moved.entry((movement.sku.clone(), movement.location_id)).or_default();
                assert_eq!(movement.previous, row.1, "a movement does not lead to the one before");
                let sum = row.0.plus(movement.change).expect("levels in bounds");
                assert_eq!(sum, movement.after);
                *row = (sum, seq);
            }
        }
    }
    let mut claimed: BTreeMap<(Sku, LocationId), Levels> = BTreeMap::new();
    for order in orders.values() {
        for line in &order.lines {
            for allocation in &line.allocations {
                let levels = claimed.entry((line.sku.clone(), allocation.location)).or_default();
                match order.hold {
                    Hold::Active { .. } => levels.held += i64::from(allocation.outstanding()),
                    Hold::Committed => levels.committed += i64::from(allocation.outstanding()),
                    Hold::Released | Hold::Expired => panic!("a released order has stock"),
                }
            }
        }
    }
    for entry in view.scan(Span::<Stock>::all()) {
        let (place, row) = entry.expect("a row");
        let (sum, last) = moved.get(&place).copied().unwrap_or_default();
        assert_eq!((row.levels, row.last_movement), (sum, last), "{place:?} is not the sum of its movements");
        let claims = claimed.remove(&place).unwrap_or_default();
        assert_eq!((row.levels.held, row.levels.committed), (claims.held, claims.committed), "{place:?}");
        if place.0.as_str() != "CUP-1" {
            assert!(row.available() >= 0, "{place:?} is oversold: {row:?}");
        }
    }
    assert!(claimed.is_empty(), "orders claim stock that is nowhere: {claimed:?}");
}

/// Captured within authorised, refunded within captured, one attempt that is not final; an order that is over keeps no
/// money that it could give back, unless it `waits` to do so.
fn check_money(id: OrderId, order: &Order, waits: bool) {
    payment::check_invariants(order).expect("money is conserved");
    let failed = order.refunds.iter().any(|refund| refund.state == RefundState::Failed);
    if matches!(order.status, Status::Canceled | Status::Expired) && !failed && !waits {
        assert_eq!(order.captured(), order.refunding(), "order {id} is over and keeps money: {order:?}");
    }
    if matches!(order.status, Status::Open | Status::Completed) && order.cancel_wanted {
        assert!(order.open_attempt().is_some(), "a cancellation was forgotten: {order:?}");
    }
    if order.status == Status::Completed {
        assert!(order.is_paid() && order.all_shipped());
    }
}

/// For its cancellation no more was given back than was taken, refunds that failed included: staff repeat those.
fn check_given_back_once(id: OrderId, order: &Order) {
    for (ordinal, attempt) in (1..).zip(&order.attempts) {
        let for_this = |refund: &&payment::Refund| {
            refund.payment == PaymentId::of(id, ordinal)
                && refund.cause == payment::RefundCause::OrderCanceled
        };
        let tried: i64 = order.refunds.iter().filter(for_this).map(|refund| refund.amount).sum();
        assert!(tried <= attempt.captured, "given back twice: {order:?}");
    }
}

/// Every order that is not over has somebody who will look at it, and is where its queue says.
fn check_queues(view: &storage::View<'_>, id: OrderId, order: &Order) {
    assert!(view.contains::<OrdersByStatus>(&(order.status.key(), id)).expect("an index"));
    let work = next_step(id, order, crate::Timestamp::default()).is_some();
    let by_hand = order.open_attempt().is_some_and(|(_, attempt)| attempt.provider == Provider::Manual);
    if order.status == Status::PendingPayment {
        assert!(work || by_hand, "an order is stuck: {order:?}");
    }
    let queued = view.contains::<PaymentWork>(&id).expect("a queue");
    assert_eq!(queued, work && order.status != Status::PendingPayment, "the work queue is wrong: {order:?}");
}

/// The index of payments by state has nothing that orders do not say; once it is complete it has all of it; the lists are
/// the same with and without it.
fn check_states(bench: &Bench, orders: &BTreeMap<OrderId, Order>) {
    let view = bench.view();
    let listed: BTreeSet<(u8, OrderId)> =
        view.scan(Span::<PaymentsByState>::all()).map(|entry| entry.expect("an entry").0).collect();
    let is_queued = |order: &Order, state| match state {
        State::Created => matches!(order.status, Status::PendingPayment | Status::Open),
        State::Sending => order.status == Status::PendingPayment,
        _ => false,
    };
    let states = |order: &Order| order.attempts.iter().map(|attempt| attempt.state).collect::<Vec<_>>();
    let said: BTreeSet<(u8, OrderId)> = orders
        .iter()
        .flat_map(|(id, order)| states(order).into_iter().map(move |state| (*id, order, state)))
        .filter(|(_, order, state)| !is_queued(order, *state))
        .map(|(id, _, state)| (state.key(), id))
        .collect();
    let progress = view.get::<StatesIndexed>(&()).expect("a position");
    match progress {
        None if bench.active_version < 4 => assert!(listed.is_empty(), "indexed below its level"),
        None => assert!(listed.is_subset(&said), "stale: {listed:?}, not {said:?}"),
        Some(IndexProgress::UpTo(last)) => {
            assert!(listed.is_subset(&said), "stale: {listed:?}, not {said:?}");
            let up_to = |keys: &BTreeSet<(u8, OrderId)>| -> Vec<_> {
                keys.iter().filter(|(_, id)| *id <= last).copied().collect()
            };
            assert_eq!(up_to(&listed), up_to(&said), "up to {last}");
        }
        Some(IndexProgress::Complete) => assert_eq!(listed, said),
    }
    let ended = [State::Captured, State::Voided, State::Canceled, State::Declined];
    for state in State::OPEN.into_iter().chain(ended) {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let piece = payment::queries::orders_with(&view, state, after, 2).expect("a piece");
            found.extend(piece.items.iter().map(|(id, _)| *id));
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
        let newest_first = orders.iter().rev().filter(|(_, order)| states(order).contains(&state));
        let expected: Vec<OrderId> = newest_first.map(|(id, _)| *id).collect();
        assert_eq!(found, expected, "{state:?} at {progress:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 128, ..Default::default() })]

    #[test]
    fn whatever_happens_stock_and_money_add_up(actions in vec(action(), 1..80), level in level()) {
        let mut world = World::new(level);
        for action in &actions {
            world.act(action);
            world.check();
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 8, ..Default::default() })]

    #[test]
    fn the_same_log_gives_the_same_digest_on_any_engine_in_any_runs(
        actions in vec(action(), 40..120),
        run in 2..70usize,
        level in level(),
    ) {
        let mut world = World::new(level);
        actions.iter().for_each(|action| world.act(action));
        let bench = &world.desk.bench;
        let expected = bench.store.digest();
        let memory = Bench::replay(&bench.log, Arc::new(MemoryEngine::new()), run);
        proptest::prop_assert_eq!(memory.digest(), expected.clone());
        let directory = tempfile::tempdir().expect("a directory");
        let engine = SledEngine::open(directory.path(), 8 << 20).expect("an engine");
        let sled = Bench::replay(&bench.log, Arc::new(engine), run);
        proptest::prop_assert_eq!(sled.digest(), expected);
    }
}

//! The list of payments by state, with and without its index.

use storage::{Read, Span};

use super::{authorized, ordered};
use crate::broker::Fence;
use crate::codes::Code;
use crate::ids::OrderId;
use crate::level::FIRST_LEVEL;
use crate::order::testing::{Desk, QUEUE, fence, lines};
use crate::order::{EraseOrders, ExpireOrder, Orders, Status};
use crate::outcome::Outcome;
use crate::payment::queries::{MOST_LOOKED_AT, orders_with};
use crate::payment::{IndexProgress, IndexStates, Operation, PaymentsByState, State, StatesIndexed};

fn index(orders: u32) -> IndexStates {
    IndexStates { fence: fence(), orders }
}

fn progress(desk: &Desk) -> Option<IndexProgress> {
    desk.bench.view().get::<StatesIndexed>(&()).unwrap()
}

/// All orders with a state, and how many pieces it took.
fn list(desk: &Desk, state: State, limit: usize) -> (Vec<OrderId>, usize) {
    let (mut found, mut after, mut pieces) = (Vec::new(), None, 0);
    loop {
        let piece = orders_with(&desk.bench.view(), state, after, limit).unwrap();
        found.extend(piece.items.iter().map(|(id, _)| *id));
        (after, pieces) = (piece.next, pieces + 1);
        if after.is_none() {
            return (found, pieces);
        }
    }
}

/// Writes this many copies of an order, older than all that are placed, behind the back of the commands.
fn copy(desk: &mut Desk, of: OrderId, count: u32) {
    let order = desk.order(of);
    for number in 1..=count {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        desk.write::<Orders>(&OrderId(id), &order);
    }
}

#[test]
fn below_its_level_nothing_is_indexed() {
    let mut desk = Desk::new();
    for level in FIRST_LEVEL..4 {
        desk.bench.active_version = level;
        let order = desk.place(lines(&[("TEA-1", 1)]));
        desk.pay(order);
        assert_eq!(desk.bench.refused(index(9)).code, Code::LevelTooLow, "{level}");
    }
    assert_eq!(desk.bench.view().scan(Span::<PaymentsByState>::all()).count(), 0);
    assert_eq!(list(&desk, State::Captured, 9).0.len(), 3);
}

#[test]
fn a_shop_without_orders_is_complete_at_once() {
    let mut desk = Desk::new();
    desk.bench.active_version = 4;
    desk.bench.ok(index(9));
    assert_eq!(progress(&desk), Some(IndexProgress::Complete));
    let before = desk.bench.store.digest();
    assert_eq!(desk.bench.ok(index(9)), Outcome::Done);
    assert_eq!(desk.bench.store.digest(), before);
}

#[test]
fn a_stale_worker_indexes_nothing() {
    let mut desk = Desk::new();
    desk.bench.active_version = 4;
    let fence = Fence { queue: QUEUE.into(), epoch: 0 };
    assert_eq!(desk.bench.refused(IndexStates { fence, orders: 9 }).code, Code::StaleEpoch);
}

#[test]
fn a_rare_state_is_found_among_many_orders_at_once() {
    let mut desk = Desk::new();
    desk.bench.active_version = 4;
    let (rare, _) = authorized(&mut desk);
    // Of those that are older one is rare, too: the oldest of all.
    let paid = desk.place(lines(&[("TEA-1", 1)]));
    desk.pay(paid);
    copy(&mut desk, paid, 2 * MOST_LOOKED_AT as u32);
    let oldest = OrderId([0; 16]);
    let like_rare = desk.order(rare);
    desk.write::<Orders>(&oldest, &like_rare);
    assert_eq!(list(&desk, State::Authorized, 2), (vec![rare, oldest], 3));

    let mut steps = 0;
    while progress(&desk) != Some(IndexProgress::Complete) {
        desk.bench.ok(index(u32::MAX));
        steps += 1;
    }
    assert_eq!(steps, 2 * MOST_LOOKED_AT / 150 + 1);
    assert_eq!(list(&desk, State::Authorized, 2), (vec![rare, oldest], 1));
    assert_eq!(list(&desk, State::Captured, 100).0.len(), 2 * MOST_LOOKED_AT + 1);
    assert_eq!(list(&desk, State::Voided, 100), (vec![], 1));
}

#[test]
fn an_order_that_ends_leaves_no_entry_behind() {
    let mut desk = Desk::new();
    desk.bench.active_version = 4;
    desk.bench.ok(index(9));
    let states = |desk: &Desk| -> Vec<u8> {
        let entries = desk.bench.view();
        entries.scan(Span::<PaymentsByState>::all()).map(|entry| entry.unwrap().0.0).collect()
    };
    let (order, payment) = ordered(&mut desk);
    assert_eq!((list(&desk, State::Created, 9).0, states(&desk)), (vec![order], vec![]));
    desk.bench.pass_millis(60 * 60 * 1_000);
    desk.bench.ok(ExpireOrder { fence: fence(), order });
    assert_eq!(desk.order(order).status, Status::Expired);
    assert_eq!((list(&desk, State::Created, 9).0, states(&desk)), (vec![], vec![State::Canceled.key()]));
    desk.bench.ok(EraseOrders { orders: vec![order] });
    assert_eq!(states(&desk), [State::Canceled.key()]);
    assert_eq!(list(&desk, State::Canceled, 9).0, [payment.order()]);

    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    assert_eq!(list(&desk, State::Sending, 9).0, [order]);
}

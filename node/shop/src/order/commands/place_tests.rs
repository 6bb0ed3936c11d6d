//! Placing: the order of its refusals, the last units, and what it writes.

use storage::Span;

use crate::cart::{AddItem, Carts, CreateCart};
use crate::catalog::{Backorder, Skus};
use crate::codes::Code;
use crate::command::Dedupe;
use crate::ids::{ClientId, CustomerId};
use crate::inventory::{CreateLocation, Levels, SetStock, queries as stock};
use crate::level::LEVELS;
use crate::money::{Currency, Money};
use crate::order::testing::{Desk, card, lines, sku};
use crate::order::{LineRequest, Order, Orders, OrdersByCustomer, PlaceOrder, Status, Wanted};
use crate::outcome::Outcome;
use crate::payment::{CaptureMode, Choice, PaymentsByState, Provider};
use crate::rejection::Rejection;
use crate::user::Customer;
use storage::Read;

fn pointers(rejection: &Rejection) -> Vec<&str> {
    rejection.errors.iter().map(|at| at.pointer.as_str()).collect()
}

fn expecting(amount: i64, mut command: PlaceOrder) -> PlaceOrder {
    command.expected_total = Some(Money::new(amount, Currency::EUR));
    command
}

fn cart_of(desk: &mut Desk, wanted: &[(&str, u32)]) -> crate::ids::CartId {
    let items = wanted.iter().map(|(name, quantity)| LineRequest { sku: sku(name), quantity: *quantity });
    let command = CreateCart { owner: None, currency: Currency::EUR, items: items.collect() };
    match desk.bench.ok(command) {
        Outcome::Cart(crate::cart::Outcome::Cart(id, _)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn guards_refuse_in_the_documented_order() {
    let mut desk = Desk::new();
    let hidden = |desk: &mut Desk, hidden: bool| {
        let mut record = desk.bench.view().get::<Skus>(&sku("POT-1")).unwrap().unwrap();
        record.sellable = !hidden;
        desk.write::<Skus>(&sku("POT-1"), &record);
    };
    let cart = cart_of(&mut desk, &[("TEA-1", 99), ("POT-1", 1)]);
    let add = LineRequest { sku: sku("TEA-1"), quantity: 1 };
    desk.bench.ok(AddItem {
        cart,
        caller: crate::actor::Caller::Shopper(None),
        revision: Some(1),
        item: add,
    });
    hidden(&mut desk, true);

    // Everything is wrong; each is put right in turn.
    let mut command = expecting(1, lines(&[]));
    command.wanted = Wanted::Cart { cart, revision: Some(1) };
    assert_eq!(desk.bench.refused(command.clone()).code, Code::CartChanged);
    command.wanted = Wanted::Cart { cart, revision: Some(2) };
    assert_eq!(desk.bench.refused(command.clone()).code, Code::TotalChanged);
    command = expecting(100 * 999 + 4500, command);
    let refused = desk.bench.refused(command.clone());
    assert_eq!((refused.code, pointers(&refused)), (Code::SkuNotSellable, vec!["/lines/1"]));
    hidden(&mut desk, false);
    let refused = desk.bench.refused(command.clone());
    assert_eq!((refused.code, pointers(&refused)), (Code::OutOfStock, vec!["/lines/0"]));
    desk.bench.ok(SetStock { sku: sku("TEA-1"), location: None, on_hand: 100, if_on_hand: None });
    let order = desk.place(command.clone());

    // The cart became the order, in the same command.
    let placed = desk.bench.view().get::<Carts>(&cart).unwrap().unwrap();
    assert!(matches!(placed.state, crate::cart::State::Placed { order: id, .. } if id == order));
    assert_eq!(desk.bench.refused(command).code, Code::Conflict);
}

#[test]
fn what_has_no_price_or_is_not_known_cannot_be_sold() {
    let mut desk = Desk::new();
    let mut command = expecting(1, lines(&[("TEA-1", 1), ("NONE-1", 1)]));
    let refused = desk.bench.refused(command.clone());
    assert_eq!((refused.code, pointers(&refused)), (Code::SkuNotSellable, vec!["/lines/1"]));
    let dollars = "USD".parse().unwrap();
    let line = LineRequest { sku: sku("TEA-1"), quantity: 1 };
    command.wanted = Wanted::Lines { currency: dollars, lines: vec![line] };
    assert_eq!(desk.bench.refused(command).code, Code::SkuNotSellable);
}

#[test]
fn demand_is_added_up_over_all_lines() {
    let mut desk = Desk::new();
    let refused = desk.bench.refused(lines(&[("TEA-1", 6), ("POT-1", 1), ("TEA-1", 5)]));
    assert_eq!((refused.code, pointers(&refused)), (Code::OutOfStock, vec!["/lines/0", "/lines/2"]));
    let order = desk.place(lines(&[("TEA-1", 6), ("TEA-1", 4)]));
    assert_eq!(desk.levels("TEA-1"), Levels::new(10, 10, 0));
    assert_eq!(desk.order(order).lines[1].allocations[0].quantity, 4);
}

#[test]
fn the_last_hundred_go_to_a_hundred_orders() {
    let mut desk = Desk::new();
    desk.sell("ONE-1", 100, 100, Backorder::Refuse);
    let mut numbers = Vec::new();
    for _ in 0..256 {
        match desk.try_place(lines(&[("ONE-1", 1)])) {
            Ok(order) => numbers.push(desk.order(order).number),
            Err(rejection) => assert_eq!(rejection.code, Code::OutOfStock),
        }
    }
    let expected: Vec<u64> = (1001..1101).collect();
    assert_eq!(numbers, expected);
    let left = stock::availability(&desk.bench.view(), &sku("ONE-1")).unwrap().unwrap();
    assert_eq!((left.units, left.orderable), (0, false));
}

#[test]
fn backorders_take_what_is_not_there() {
    let mut desk = Desk::new();
    let order = desk.place(lines(&[("CUP-1", 3)]));
    assert_eq!(desk.levels("CUP-1"), Levels::new(0, 3, 0));
    desk.pay(order);
    let ship = || crate::order::FulfilOrder { order, lines: Vec::new(), tracking: None };
    assert_eq!(desk.bench.refused(ship()).code, Code::StockNegative);
    desk.bench.ok(SetStock { sku: sku("CUP-1"), location: None, on_hand: 5, if_on_hand: None });
    desk.bench.ok(ship());
    assert_eq!(desk.levels("CUP-1"), Levels::new(2, 0, 0));
}

#[test]
fn locations_are_emptied_in_their_order() {
    let mut desk = Desk::new();
    let outcome = desk.bench.ok(CreateLocation { name: "Second".into() });
    let Outcome::Inventory(crate::inventory::Outcome::LocationCreated(second)) = outcome else {
        panic!("{outcome:?}")
    };
    let set = SetStock { sku: sku("TEA-1"), location: Some(second.id), on_hand: 7, if_on_hand: None };
    desk.bench.ok(set);
    let order = desk.place(lines(&[("TEA-1", 8), ("TEA-1", 5)]));
    let quantities: Vec<Vec<u32>> = desk
        .order(order)
        .lines
        .iter()
        .map(|line| line.allocations.iter().map(|allocation| allocation.quantity).collect())
        .collect();
    assert_eq!(quantities, [vec![8], vec![2, 3]]);
    desk.pay(order);
    desk.bench.ok(crate::order::FulfilOrder { order, lines: vec![(1, 3)], tracking: None });
    assert_eq!(desk.levels("TEA-1"), Levels::new(8, 0, 8));
    desk.bench.ok(crate::order::FulfilOrder { order, lines: Vec::new(), tracking: None });
    assert_eq!(desk.levels("TEA-1"), Levels::new(0, 0, 0));
    assert_eq!(stock::availability(&desk.bench.view(), &sku("TEA-1")).unwrap().unwrap().units, 4);
}

#[test]
fn three_lines_and_a_customer_are_eight_keys() {
    let mut desk = Desk::new();
    let client = ClientId([3; 16]);
    let customer = CustomerId([4; 16]);
    let now = desk.bench.now();
    let record = Customer {
        owner: Some(client),
        created_at: now,
        updated_at: now,
        erased_at: None,
        revision: 1,
        personal: None,
    };
    desk.write::<crate::user::Customers>(&customer, &record);
    let mut command = lines(&[("TEA-1", 1), ("POT-1", 1), ("CUP-1", 1)]);
    command.owner = Some(client);
    command.customer = Some(customer);
    let before = desk.bench.store.digest();
    desk.bench.reply(command.clone(), Dedupe::Request).result.unwrap();
    let after = desk.bench.store.digest();
    // The stock rows were there already.
    let changed = after.count() - before.count() + 3;
    assert_eq!(changed, 8);
    let view = desk.bench.view();
    let found = view.scan(Span::<OrdersByCustomer>::prefix(&(Some(client), Some(customer))));
    assert_eq!(found.count(), 1);

    drop(view);
    command.owner = None;
    assert_eq!(desk.bench.refused(command).code, Code::NotFound);
}

#[test]
fn a_free_order_is_open_at_once() {
    let mut desk = Desk::new();
    desk.sell("GIFT-1", 0, 5, Backorder::Refuse);
    let order = desk.place(lines(&[("GIFT-1", 1)]));
    let found = desk.order(order);
    assert_eq!((found.status, found.attempts.len()), (Status::Open, 0));
    desk.bench.ok(crate::order::FulfilOrder { order, lines: Vec::new(), tracking: None });
    assert_eq!(desk.order(order).status, Status::Completed);
}

#[test]
fn totals_that_are_out_of_bounds_are_refused() {
    let mut desk = Desk::new();
    desk.sell("GOLD-1", crate::money::MAX_AMOUNT_MINOR, 10_000, Backorder::Refuse);
    for wanted in [vec![("GOLD-1", 2)], vec![("GOLD-1", 10_000)], vec![("GOLD-1", 1), ("GOLD-1", 1)]] {
        assert_eq!(desk.bench.refused(lines(&wanted)).code, Code::InvalidValue);
    }
    desk.place(lines(&[("GOLD-1", 1)]));
}

#[test]
fn bounds_are_checked_again() {
    let mut desk = Desk::new();
    let many = vec![("TEA-1", 1); 101];
    for wanted in [vec![], many, vec![("TEA-1", 0)], vec![("TEA-1", 10_001)]] {
        assert_eq!(desk.bench.refused(lines(&wanted)).code, Code::InvalidValue);
    }
}

#[test]
fn the_answer_has_nothing_personal_and_the_order_can_forget() {
    let mut desk = Desk::new();
    let outcome = desk.bench.ok(lines(&[("TEA-1", 1)]));
    let Outcome::Order(crate::order::Outcome::Order(id, answer)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(answer.personal, None);
    let stored: Order = desk.bench.view().get::<Orders>(&id).unwrap().unwrap();
    assert_eq!(stored.personal.as_ref().map(|p| p.reveal().email.as_str()), Some("ada@example.com"));
    assert!(!format!("{stored:?} {:?}", desk.bench.events()).contains("ada"));
    desk.bench.ok(crate::order::EraseOrders { orders: vec![id] });
    assert_eq!(desk.order(id).personal, None);
    let before = desk.bench.store.digest();
    desk.bench.ok(crate::order::EraseOrders { orders: vec![id] });
    assert_eq!(desk.bench.store.digest(), before);
}

/// The list of payments by state costs an order nothing when it is placed.
#[test]
fn no_order_is_listed_by_its_payment_when_it_is_placed() {
    let mut desk = Desk::new();
    desk.settings(|settings| settings.manual_payments = true);
    desk.bench.active_version = LEVELS.most;
    desk.place(lines(&[("TEA-1", 1), ("POT-1", 1), ("CUP-1", 1)]));
    let mut by_hand = lines(&[("TEA-1", 1)]);
    by_hand.payment = Some(Choice { provider: Provider::Manual, ..card(CaptureMode::Manual) });
    desk.place(by_hand);
    assert_eq!(desk.bench.view().scan(Span::<PaymentsByState>::all()).count(), 0);
}

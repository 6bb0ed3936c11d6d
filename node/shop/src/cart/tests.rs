//! A cart's life: filled, changed, placed, forgotten.

use crate::actor::Caller;
use crate::cart::{
    AddItem, Cart, ChangeItem, CreateCart, Outcome, RemoveItem, ReplaceItems, TrimCarts, queries,
};
use crate::codes::Code;
use crate::ids::{CartId, ClientId};
use crate::money::Currency;
use crate::order::testing::{Desk, fence, lines, sku};
use crate::order::{LineRequest, Wanted};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

fn line(name: &str, quantity: u32) -> LineRequest {
    LineRequest { sku: sku(name), quantity }
}

fn cart(outcome: crate::Outcome) -> (CartId, Cart) {
    match outcome {
        crate::Outcome::Cart(Outcome::Cart(id, cart)) => (id, cart),
        other => panic!("no cart: {other:?}"),
    }
}

fn create(desk: &mut Desk, owner: Option<ClientId>) -> CartId {
    cart(desk.bench.ok(CreateCart { owner, currency: Currency::EUR, items: vec![line("TEA-1", 1)] })).0
}

#[test]
fn items_are_added_changed_and_removed_under_revisions() {
    let mut desk = Desk::new();
    let id = create(&mut desk, None);
    let caller = Caller::Shopper(None);
    let add = |revision, item| AddItem { cart: id, caller, revision, item };
    assert_eq!(desk.bench.refused(add(Some(2), line("TEA-1", 1))).code, Code::PreconditionFailed);
    let (_, found) = cart(desk.bench.ok(add(Some(1), line("TEA-1", 2))));
    assert_eq!((found.revision, found.items.len(), found.items[0].quantity), (2, 1, 3));
    let (_, found) = cart(desk.bench.ok(add(None, line("POT-1", 1))));
    let pot = found.items[1].id;
    let change = |quantity| ChangeItem { cart: id, caller, revision: None, item: pot, quantity };
    assert_eq!(desk.bench.refused(change(0)).code, Code::InvalidValue);
    assert_eq!(desk.bench.refused(change(10_001)).code, Code::InvalidValue);
    let (_, found) = cart(desk.bench.ok(change(5)));
    assert_eq!(found.items[1].quantity, 5);
    let items = vec![line("CUP-1", 1), line("POT-1", 1), line("CUP-1", 1)];
    let (_, found) = cart(desk.bench.ok(ReplaceItems { cart: id, caller, revision: None, items }));
    assert_eq!((found.items.len(), found.items[0].quantity, found.items[1].id), (2, 2, pot));
    let remove = || RemoveItem { cart: id, caller, revision: None, item: pot };
    desk.bench.ok(remove());
    assert_eq!(desk.bench.refused(remove()).code, Code::NotFound);
}

#[test]
fn bounds_and_strangers_are_refused() {
    let mut desk = Desk::new();
    let id = create(&mut desk, None);
    let caller = Caller::Shopper(None);
    let add = |item| AddItem { cart: id, caller, revision: None, item };
    assert_eq!(desk.bench.refused(add(line("NONE-1", 1))).code, Code::SkuNotSellable);
    assert_eq!(desk.bench.refused(add(line("TEA-1", 10_000))).code, Code::InvalidValue);
    assert_eq!(desk.bench.refused(add(line("TEA-1", 0))).code, Code::InvalidValue);
    let items = vec![line("TEA-1", 1); 101];
    let many = ReplaceItems { cart: id, caller, revision: None, items };
    assert_eq!(desk.bench.refused(many).code, Code::InvalidValue);
}

#[test]
fn carts_of_others_are_not_there() {
    let mut desk = Desk::new();
    let owner = ClientId([1; 16]);
    let id = create(&mut desk, Some(owner));
    let add = |caller| AddItem { cart: id, caller, revision: None, item: line("TEA-1", 1) };
    for caller in [Caller::Shopper(None), Caller::Shopper(Some(ClientId([2; 16])))] {
        assert_eq!(desk.bench.refused(add(caller)).code, Code::NotFound);
    }
    let mut place = lines(&[]);
    place.wanted = Wanted::Cart { cart: id, revision: None };
    assert_eq!(desk.bench.refused(place.clone()).code, Code::NotFound);
    place.owner = Some(owner);
    desk.place(place);
    assert_eq!(desk.bench.refused(add(Caller::Shopper(Some(owner)))).code, Code::Conflict);
}

#[test]
fn forgotten_carts_are_trimmed_and_placed_ones_sooner() {
    let mut desk = Desk::new();
    let (old, placed) = (create(&mut desk, None), create(&mut desk, None));
    let mut place = lines(&[]);
    place.wanted = Wanted::Cart { cart: placed, revision: Some(1) };
    desk.place(place);
    desk.bench.pass_millis(8 * DAY_MILLIS);
    let young = create(&mut desk, None);
    let trim = |desk: &mut Desk| match desk.bench.ok(TrimCarts { fence: fence(), after: None }) {
        crate::Outcome::Cart(Outcome::Trimmed { removed, next }) => (removed, next),
        other => panic!("{other:?}"),
    };
    assert_eq!(trim(&mut desk), (1, None));
    desk.bench.pass_millis(23 * DAY_MILLIS);
    assert_eq!(trim(&mut desk), (1, None));
    let left = |id| queries::get(&desk.bench.view(), id).unwrap().is_some();
    assert_eq!((left(old), left(placed), left(young)), (false, false, true));
}

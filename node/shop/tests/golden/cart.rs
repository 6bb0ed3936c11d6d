use shop::actor::Caller;
use shop::broker::Fence;
use shop::cart::{
    AddItem, Cart, ChangeItem, Command, CreateCart, Item, Outcome, RemoveItem, ReplaceItems, State, TrimCarts,
};
use shop::ids::{CartId, CartItemId, ClientId, OrderId};
use shop::order::LineRequest;
use shop::{Currency, Timestamp};

use crate::{check, command, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const CART: CartId = CartId([1; 16]);
const ITEM: CartItemId = CartItemId([2; 16]);
const CALLER: Caller = Caller::Shopper(Some(ClientId([3; 16])));

fn line() -> LineRequest {
    LineRequest { sku: "TEA-1".parse().expect("a SKU"), quantity: 300 }
}

#[test]
fn cart() {
    let cart = |state| Cart {
        owner: Some(ClientId(sixteen(3))),
        currency: Currency::EUR,
        items: vec![Item { id: ITEM, sku: line().sku, quantity: 300 }],
        state,
        revision: 2,
        created_at: AT,
        updated_at: AT,
    };
    let placed = State::Placed { order: OrderId(sixteen(4)), at: AT };
    let answer = |outcome| shop::Outcome::Cart(outcome);
    let golden = vec![
        command(CreateCart { owner: None, currency: Currency::EUR, items: vec![line()] }),
        command(AddItem { cart: CART, caller: CALLER, revision: Some(2), item: line() }),
        command(ChangeItem { cart: CART, caller: CALLER, revision: None, item: ITEM, quantity: 300 }),
        command(RemoveItem { cart: CART, caller: Caller::Staff, revision: None, item: ITEM }),
        command(ReplaceItems {
            cart: CART,
            caller: Caller::Shopper(None),
            revision: Some(1),
            items: vec![line()],
        }),
        command(TrimCarts { fence: Fence { queue: "carts".into(), epoch: 4 }, after: Some(CART) }),
        part("outcome cart", &answer(Outcome::Cart(CART, cart(State::Open)))),
        part("outcome trimmed", &answer(Outcome::Trimmed { removed: 300, next: Some(CART) })),
        value("Cart open", &cart(State::Open)),
        value("Cart placed", &cart(placed)),
    ];
    check("cart", Command::NAMES, golden);
}

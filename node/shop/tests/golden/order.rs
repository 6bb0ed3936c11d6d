use shop::actor::Caller;
use shop::broker::Fence;
use shop::ids::{
    CartId, ClientId, CustomerId, FulfilmentId, LocationId, OrderId, PaymentId, ProductId, VariantId,
};
use shop::inventory::Allocation;
use shop::order::{
    CancelOrder, Command, DeliverFulfilment, Delivered, EraseOrders, Event, ExpireOrder, FulfilOrder,
    Fulfilment, Hold, Line, LineRequest, Order, Outcome, Personal, PlaceOrder, Placed, Shipped, Status, Told,
    Totals, Tracking, Wanted,
};
use shop::payment::{CaptureMode, Choice, Provider};
use shop::user::Address;
use shop::{Currency, Money, Private, Timestamp};

use crate::payment::{attempt, refund};
use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const ORDER: OrderId = OrderId([1; 16]);

fn personal() -> Private<Personal> {
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
    Private(Personal {
        email: "ada@example.com".into(),
        shipping_address: Some(address),
        billing_address: None,
    })
}

fn tracking() -> Tracking {
    Tracking { carrier: "DHL".into(), number: "1".into(), url: Some("https://dhl.example/1".into()) }
}

/// An order with one of everything.
pub fn order(status: Status, hold: Hold) -> Order {
    Order {
        number: 1001,
        status,
        revision: 7,
        owner: Some(ClientId(sixteen(2))),
        customer: Some(CustomerId(sixteen(3))),
        cart: Some(CartId(sixteen(4))),
        currency: Currency::EUR,
        lines: vec![Line {
            sku: "TEA-1".parse().expect("a SKU"),
            product: ProductId(sixteen(5)),
            variant: VariantId(sixteen(6)),
            title: "Green tea".into(),
            options: "100 g".into(),
            quantity: 2,
            unit_price: 999,
            subtotal: 1998,
            discount: 1,
            tax: 2,
            total: 1999,
            allocations: vec![Allocation { location: LocationId(sixteen(7)), quantity: 2, shipped: 1 }],
        }],
        totals: Totals { subtotal: 1998, discount: 1, tax: 2, shipping: 3, total: 2002 },
        hold,
        cancel_wanted: true,
        attempts: vec![attempt()],
        refunds: vec![refund()],
        fulfilments: vec![Fulfilment {
            lines: vec![(0, 1)],
            tracking: Some(tracking()),
            shipped_at: AT,
            delivered_at: Some(AT),
        }],
        history: vec![5, 70_000],
        created_at: AT,
        updated_at: AT,
        personal: Some(personal()),
    }
}

fn place(wanted: Wanted) -> PlaceOrder {
    PlaceOrder {
        wanted,
        owner: Some(ClientId(sixteen(2))),
        customer: Some(CustomerId(sixteen(3))),
        personal: personal(),
        expected_total: Some(Money::new(1998, Currency::EUR)),
        payment: Some(Choice {
            provider: Provider::Stripe,
            method: "pm_1".into(),
            capture: Some(CaptureMode::Manual),
        }),
    }
}

#[test]
fn orders() {
    let lines = vec![LineRequest { sku: "TEA-1".parse().expect("a SKU"), quantity: 2 }];
    let told = || Told { order_id: ORDER, number: 1001 };
    let tell = |told| event(shop::Event::Order(told));
    let fulfilment_id = FulfilmentId::of(ORDER, 1);
    let placed = Placed {
        order_id: ORDER,
        number: 1001,
        total: Money::new(1998, Currency::EUR),
        lines: 1,
        customer_id: Some(CustomerId(sixteen(3))),
    };
    let from_cart = place(Wanted::Cart { cart: CartId(sixteen(4)), revision: Some(2) });
    let open = order(Status::Open, Hold::Committed);
    let golden = vec![
        command(place(Wanted::Lines { currency: Currency::EUR, lines })),
        part("place from a cart", &shop::Command::from(from_cart)),
        command(CancelOrder { order: ORDER, caller: Caller::Staff }),
        command(FulfilOrder { order: ORDER, lines: vec![(0, 1)], tracking: Some(tracking()) }),
        command(DeliverFulfilment { fulfilment: fulfilment_id }),
        command(ExpireOrder { fence: Fence { queue: "payments".into(), epoch: 4 }, order: ORDER }),
        command(EraseOrders { orders: vec![ORDER] }),
        tell(Event::Placed(placed)),
        tell(Event::Confirmed(told())),
        tell(Event::CancelRequested(told())),
        tell(Event::Canceled(told())),
        tell(Event::Expired(told())),
        tell(Event::Completed(told())),
        tell(Event::Reopened(told())),
        tell(Event::Shipped(Shipped { order_id: ORDER, number: 1001, fulfilment_id, units: 3 })),
        tell(Event::Delivered(Delivered { order_id: ORDER, number: 1001, fulfilment_id })),
        tell(Event::Erased(told())),
        part("outcome order", &shop::Outcome::Order(Outcome::Order(ORDER, open.clone()))),
        value("Order open", &open),
        value("Order pending", &order(Status::PendingPayment, Hold::Active { expires_at: AT })),
        value("Order completed", &order(Status::Completed, Hold::Committed)),
        value("Order canceled", &order(Status::Canceled, Hold::Released)),
        value("Order expired", &order(Status::Expired, Hold::Expired)),
        part("keys of statuses", &Status::ALL.map(Status::key)),
        part("payment id", &PaymentId::of(ORDER, 3)),
    ];
    check("order", Command::NAMES, golden);
}

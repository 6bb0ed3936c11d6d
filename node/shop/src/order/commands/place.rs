use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::settings;
use crate::cart::{self, Carts};
use crate::catalog::{Backorder, Sku, SkuRecord, Skus};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::{CartId, ClientId, CustomerId, OrderId};
use crate::inventory::{self, Claim, Demand, Held};
use crate::money::{Currency, Money};
use crate::order::{
    self, Hold, Line, MAX_LINES, MAX_QUANTITY, Order, Orders, OrdersByCustomer, OrdersByStatus, Personal,
    Placed, Status, Told, totals,
};
use crate::outcome::Outcome;
use crate::payment::{self, Choice, Provider};
use crate::private::Private;
use crate::rejection::{At, Halt, Rejection};
use crate::tables::Present;
use crate::user::Customers;

/// Places an order: reserves its stock, mints its number, opens its payment, closes its cart, all or nothing.
///
/// Refuses in this order: `cart_changed`, `total_changed`, `sku_not_sellable`, `out_of_stock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOrder {
    pub wanted: Wanted,
    /// The client that places it; `None`: a guest.
    pub owner: Option<ClientId>,
    /// One of the owner's customers.
    pub customer: Option<CustomerId>,
    pub personal: Private<Personal>,
    /// What the customer was shown.
    pub expected_total: Option<Money>,
    /// Without one, the order waits for a payment attempt. A free order needs none.
    pub payment: Option<Choice>,
}

/// What is ordered. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    Lines { currency: Currency, lines: Vec<LineRequest> },
    /// What is in the cart, if it still has this revision.
    Cart { cart: CartId, revision: Option<u64> },
}

/// One line as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRequest {
    pub sku: Sku,
    /// Units, `1..=MAX_QUANTITY`.
    pub quantity: u32,
}

/// What is ordered, wherever it came from.
struct Basket {
    cart: Option<(CartId, cart::Cart)>,
    currency: Currency,
    lines: Vec<LineRequest>,
}

impl Execute for PlaceOrder {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let basket = self.basket(ctx)?;
        self.check_customer(ctx)?;
        let settings = settings(&*ctx.tx)?;
        if self.is_by_hand() && !settings.manual_payments {
            return Err(payment::by_hand_not_enabled("/payment/provider").into());
        }

        let records = read_skus(ctx, &basket.lines)?;
        let (lines, unpriced) = price(&basket, &records)?;
        let totals = totals::add_up(&lines)?;
        if unpriced.is_empty() {
            self.check_total(Money::new(totals.total, basket.currency))?;
        }
        check_sellable(&basket, &records, &unpriced)?;

        let id = OrderId::fresh(&mut ctx.ids);
        let certain = totals.total == 0 || self.is_by_hand();
        let held_until = ctx.now.plus_millis(u64::from(settings.hold_minutes) * 60_000);
        let mut order = Order {
            number: ctx.next_order_number(),
            status: if certain { Status::Open } else { Status::PendingPayment },
            revision: 1,
            owner: self.owner,
            customer: self.customer,
            cart: basket.cart.as_ref().map(|(id, _)| *id),
            currency: basket.currency,
            lines,
            totals,
            hold: if certain { Hold::Committed } else { Hold::Active { expires_at: held_until } },
            cancel_wanted: false,
            attempts: Vec::new(),
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            history: vec![ctx.first_seq()],
            created_at: ctx.now,
            updated_at: ctx.now,
            personal: Some(self.personal.clone()),
        };
        claim_stock(ctx, id, &mut order, &records, if certain { Claim::Commit } else { Claim::Hold })?;
        if let Some(choice) = &self.payment
            && order.totals.total > 0
        {
            let due = order.totals.total;
            payment::open(ctx.now, &settings, &mut order, choice, due);
        }
        tell(ctx, id, &order, certain);
        if let Some((cart_id, cart)) = basket.cart {
            ctx.tx.put::<Carts>(&cart_id, &cart.placed_as(id, ctx.now))?;
        }
        store(ctx, id, &order)?;
        order.personal = None;
        Ok(order::Outcome::of((id, order)))
    }
}

impl PlaceOrder {
    fn is_by_hand(&self) -> bool {
        self.payment.as_ref().is_some_and(|choice| choice.provider == Provider::Manual)
    }

    fn basket(&self, ctx: &Ctx<'_, '_>) -> Result<Basket, Halt> {
        let basket = match &self.wanted {
            Wanted::Lines { currency, lines } => {
                Basket { cart: None, currency: *currency, lines: lines.clone() }
            }
            Wanted::Cart { cart, revision } => self.basket_of_cart(ctx, *cart, *revision)?,
        };
        if !(1..=MAX_LINES).contains(&basket.lines.len()) {
            let detail = format!("an order has 1 to {MAX_LINES} lines");
            return Err(Rejection::at(Code::InvalidValue, "/lines", detail).into());
        }
        let wrong = basket.lines.iter().position(|line| !(1..=MAX_QUANTITY).contains(&line.quantity));
        if let Some(line) = wrong {
            let detail = format!("a line has 1 to {MAX_QUANTITY} units");
            let pointer = format!("/lines/{line}/quantity");
            return Err(Rejection::at(Code::InvalidValue, pointer, detail).into());
        }
        Ok(basket)
    }

    fn basket_of_cart(&self, ctx: &Ctx<'_, '_>, id: CartId, revision: Option<u64>) -> Result<Basket, Halt> {
        let Some(cart) = ctx.tx.get::<Carts>(&id)?.filter(|cart| cart.owner == self.owner) else {
            return Err(Rejection::new(Code::NotFound, format!("there is no cart {id}")).into());
        };
        if let cart::State::Placed { order, .. } = cart.state {
            let detail = format!("cart {id} was placed already, as order {order}");
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        if let Some(expected) = revision
            && expected != cart.revision
        {
            let detail = format!("cart {id} has revision {}, not {expected}", cart.revision);
            return Err(Rejection::new(Code::CartChanged, detail).into());
        }
        let line = |item: &cart::Item| LineRequest { sku: item.sku.clone(), quantity: item.quantity };
        let lines = cart.items.iter().map(line).collect();
        Ok(Basket { currency: cart.currency, lines, cart: Some((id, cart)) })
    }

    fn check_customer(&self, ctx: &Ctx<'_, '_>) -> Result<(), Halt> {
        let Some(id) = self.customer else {
            return Ok(());
        };
        let found = ctx.tx.get::<Customers>(&id)?;
        if found.is_some_and(|customer| customer.owner == self.owner && customer.erased_at.is_none()) {
            return Ok(());
        }
        Err(Rejection::at(Code::NotFound, "/customer_id", format!("there is no customer {id}")).into())
    }

    fn check_total(&self, total: Money) -> Result<(), Rejection> {
        match self.expected_total {
            Some(expected) if expected != total => {
                let detail = format!("the total is {total}, not {expected}");
                Err(Rejection::at(Code::TotalChanged, "/expected_total", detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn read_skus(ctx: &Ctx<'_, '_>, lines: &[LineRequest]) -> Result<Vec<Option<SkuRecord>>, Halt> {
    lines.iter().map(|line| ctx.tx.get::<Skus>(&line.sku).map_err(Halt::from)).collect()
}

/// The order's lines at today's prices, and the positions of those that have no price in the currency.
fn price(basket: &Basket, records: &[Option<SkuRecord>]) -> Result<(Vec<Line>, Vec<usize>), Rejection> {
    let mut lines = Vec::with_capacity(basket.lines.len());
    let mut unpriced = Vec::new();
    for (position, (wanted, record)) in basket.lines.iter().zip(records).enumerate() {
        let priced = record.as_ref().and_then(|record| Some((record, record.price_in(basket.currency)?)));
        let Some((record, price)) = priced else {
            unpriced.push(position);
            continue;
        };
        let subtotal = totals::subtotal(price.amount, wanted.quantity);
        let subtotal = subtotal.ok_or_else(|| totals::too_large(position))?;
        lines.push(Line {
            sku: wanted.sku.clone(),
            product: record.product,
            variant: record.variant,
            title: record.title.clone(),
            options: record.options.clone(),
            quantity: wanted.quantity,
            unit_price: price.amount,
            subtotal,
            discount: 0,
            tax: 0,
            total: subtotal,
            allocations: Vec::new(),
        });
    }
    Ok((lines, unpriced))
}

fn check_sellable(
    basket: &Basket,
    records: &[Option<SkuRecord>],
    unpriced: &[usize],
) -> Result<(), Rejection> {
    let refuse = |(position, wanted, why): (usize, &LineRequest, &str)| At {
        pointer: format!("/lines/{position}"),
        code: Code::SkuNotSellable,
        detail: format!("{} {why}", wanted.sku),
    };
    let lines = basket.lines.iter().zip(records).enumerate();
    let errors = lines.filter_map(|(position, (wanted, record))| match record {
        None => Some((position, wanted, "is not known")),
        Some(record) if !record.sellable => Some((position, wanted, "is not for sale")),
        Some(_) if unpriced.contains(&position) => Some((position, wanted, "has no price in this currency")),
        Some(_) => None,
    });
    let errors = errors.map(refuse).collect();
    Rejection::of_all(Code::SkuNotSellable, "some lines cannot be sold", errors).map_or(Ok(()), Err)
}

fn claim_stock(
    ctx: &mut Ctx<'_, '_>,
    id: OrderId,
    order: &mut Order,
    records: &[Option<SkuRecord>],
    claim: Claim,
) -> Result<(), Halt> {
    let backorder =
        |record: &Option<SkuRecord>| record.as_ref().map_or(Backorder::Refuse, |record| record.backorder);
    let lines = order.lines.iter().zip(records);
    let demands: Vec<Demand<'_>> = lines
        .map(|(line, record)| Demand {
            sku: &line.sku,
            quantity: line.quantity,
            backorder: backorder(record),
        })
        .collect();
    match inventory::claim(ctx, id, &demands, claim)? {
        Held::All(allocations) => {
            for (line, allocations) in order.lines.iter_mut().zip(allocations) {
                line.allocations = allocations;
            }
            Ok(())
        }
        Held::Short(shortages) => {
            let errors = shortages.into_iter().map(|shortage| At {
                pointer: format!("/lines/{}", shortage.line),
                code: Code::OutOfStock,
                detail: format!("{} are available", shortage.available),
            });
            let mut rejection = Rejection::new(Code::OutOfStock, "some lines want more than there is");
            rejection.errors = errors.collect();
            Err(rejection.into())
        }
    }
}

fn tell(ctx: &mut Ctx<'_, '_>, id: OrderId, order: &Order, certain: bool) {
    ctx.emit(Event::Order(order::Event::Placed(Placed {
        order_id: id,
        number: order.number,
        total: order.total(),
        lines: order.lines.len() as u32,
        customer_id: order.customer,
    })));
    if certain {
        let told = Told { order_id: id, number: order.number };
        ctx.emit(Event::Order(order::Event::Confirmed(told)));
    }
}

fn store(ctx: &mut Ctx<'_, '_>, id: OrderId, order: &Order) -> Result<(), Halt> {
    ctx.tx.insert::<OrdersByStatus>(&(order.status.key(), id), &Present)?;
    if order.owner.is_some() || order.customer.is_some() {
        ctx.tx.insert::<OrdersByCustomer>(&(order.owner, order.customer, id), &Present)?;
    }
    ctx.tx.insert::<Orders>(&id, order)?;
    Ok(())
}

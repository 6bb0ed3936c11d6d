//! What an order costs. Every operation is checked; a sum beyond the bound is a refusal.

use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::money::MAX_AMOUNT_MINOR;
use crate::order::Line;
use crate::rejection::Rejection;

/// Minor units of the order's currency: `total = subtotal − discount + tax + shipping`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub subtotal: i64,
    pub discount: i64,
    pub tax: i64,
    pub shipping: i64,
    pub total: i64,
}

/// A line's subtotal.
pub(crate) fn subtotal(unit_price: i64, quantity: u32) -> Option<i64> {
    unit_price.checked_mul(i64::from(quantity)).filter(in_bounds)
}

/// The sums over all lines. Discount, tax and shipping are what the lines say: nothing yet.
pub(crate) fn add_up(lines: &[Line]) -> Result<Totals, Rejection> {
    let mut totals = Totals::default();
    for (position, line) in lines.iter().enumerate() {
        let sums = [
            (&mut totals.subtotal, line.subtotal),
            (&mut totals.discount, line.discount),
            (&mut totals.tax, line.tax),
            (&mut totals.total, line.total),
        ];
        for (sum, part) in sums {
            *sum = sum.checked_add(part).filter(in_bounds).ok_or_else(|| too_large(position))?;
        }
    }
    Ok(totals)
}

pub(crate) fn too_large(line: usize) -> Rejection {
    let detail = format!("the order's total is at most {MAX_AMOUNT_MINOR} minor units");
    Rejection::at(Code::InvalidValue, format!("/lines/{line}/quantity"), detail)
}

fn in_bounds(amount: &i64) -> bool {
    (0..=MAX_AMOUNT_MINOR).contains(amount)
}

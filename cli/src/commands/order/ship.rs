//! `shopctl order ship`: what has left the house.

use shop::ids::OrderId;
use shop::order::Tracking;
use shop::order::http::{FulfilmentInput, FulfilmentLineInput, OrderView};

use super::{of, view};
use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::word_of;

/// Say that an order, or a part of it, has been shipped
#[derive(Debug, clap::Args)]
pub struct Ship {
    /// Its id, like ord_…
    id: OrderId,

    /// Units of a line, like 0=2: the line's number as `order get` shows it, and how many. All that has not shipped
    /// unless given
    #[arg(long = "line", value_name = "LINE=UNITS", value_parser = parse_line)]
    lines: Vec<Units>,

    /// Who carries it, like DHL
    #[arg(long, requires = "tracking_number")]
    carrier: Option<String>,

    /// The carrier's number of it
    #[arg(long, value_name = "NUMBER", requires = "carrier")]
    tracking_number: Option<String>,

    /// Where the customer can follow it
    #[arg(long, value_name = "URL", requires = "tracking_number")]
    tracking_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    line: u8,
    quantity: u32,
}

impl Ship {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lines: Vec<FulfilmentLineInput> = self
            .lines
            .iter()
            .map(|units| FulfilmentLineInput { line: units.line, quantity: units.quantity })
            .collect();
        let tracking = match (self.carrier, self.tracking_number) {
            (Some(carrier), Some(number)) => Some(Tracking { carrier, number, url: self.tracking_url }),
            _ => None,
        };
        let body = FulfilmentInput { lines: (!lines.is_empty()).then_some(lines), tracking };
        let id = self.id.to_string();
        let answer = context.client.post(&of(&id, &["fulfilments"]), &(), Payload::json(&body)?).await?;
        context.changed(&answer, |order: &OrderView| {
            let sentence = format!("order {} is {}", order.number, word_of(&order.fulfilment_status));
            (sentence, view::changed(order))
        })
    }
}

fn parse_line(text: &str) -> Result<Units, String> {
    let wrong = || "expected a line's number and units, like 0=2".to_owned();
    let (line, quantity) = text.split_once('=').ok_or_else(wrong)?;
    Ok(Units { line: line.parse().map_err(|_| wrong())?, quantity: quantity.parse().map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_number_and_units() {
        assert_eq!(parse_line("0=2"), Ok(Units { line: 0, quantity: 2 }));
        for wrong in ["", "0", "=", "a=1", "0=-1", "256=1", "0=1=1"] {
            assert!(parse_line(wrong).is_err(), "{wrong}");
        }
    }
}

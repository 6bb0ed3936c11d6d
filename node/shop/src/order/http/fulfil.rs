use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{Checks, item};
use crate::ids::OrderId;
use crate::order::{FulfilOrder, MAX_LINES, MAX_QUANTITY, Tracking};
use crate::rejection::Rejection;

/// The body of `POST /admin/v1/orders/{id}/fulfilments`: what leaves the house.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FulfilmentInput {
    /// All that has not shipped if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 100)]
    pub lines: Option<Vec<FulfilmentLineInput>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
}

/// Units of one of the order's lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FulfilmentLineInput {
    /// The line's position in the order, from 0.
    #[schema(maximum = 99)]
    pub line: u8,
    #[schema(minimum = 1, maximum = 10000)]
    pub quantity: u32,
}

impl FulfilmentInput {
    /// The command that ships it.
    pub fn command(self, order: OrderId) -> Result<FulfilOrder, Rejection> {
        let mut checks = Checks::new();
        if let Some(lines) = &self.lines {
            checks.length("/lines", lines.len(), 1..=MAX_LINES, "lines");
            for (position, line) in lines.iter().enumerate().take(MAX_LINES) {
                if !(1..=MAX_QUANTITY).contains(&line.quantity) {
                    let pointer = format!("{}/quantity", item("/lines", position));
                    checks.fail(pointer, format!("1 to {MAX_QUANTITY} units are allowed"));
                }
            }
        }
        if let Some(tracking) = &self.tracking {
            checks.line("/tracking/carrier", &tracking.carrier, 1..=64);
            checks.line("/tracking/number", &tracking.number, 1..=128);
            checks.optional_line("/tracking/url", tracking.url.as_deref(), 1..=512);
            let url = tracking.url.as_deref().unwrap_or("https://");
            if !url.starts_with("https://") && !url.starts_with("http://") {
                checks.fail("/tracking/url", "expected an address that begins with https://");
            }
        }
        checks.finish()?;
        let lines = self.lines.unwrap_or_default();
        let lines = lines.into_iter().map(|line| (line.line, line.quantity)).collect();
        Ok(FulfilOrder { order, lines, tracking: self.tracking })
    }
}

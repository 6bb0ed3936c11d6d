use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{Cursor, Limit, Sort};
use crate::ids::CustomerId;
use crate::order::Status;
use crate::order::queries::Filter;
use crate::time::Timestamp;

/// The query of `GET /admin/v1/orders`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Only with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Placed at this time or later.
    #[serde(rename = "created_at[gte]", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Placed before this time.
    #[serde(rename = "created_at[lt]", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

impl OrdersQuery {
    /// What it asks [`list`](crate::order::queries::list) for. Newest first unless it says otherwise.
    pub fn filter(&self) -> Filter {
        let newest_first = self.sort.unwrap_or_default() == Sort::NewestFirst;
        Filter { status: self.status, from: self.from, until: self.until, newest_first }
    }
}

/// The query of `GET /store/v1/orders`: a client's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct OwnOrdersQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Only those for this customer. Without it, those for nobody come first or last, then customer by customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

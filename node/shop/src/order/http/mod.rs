//! Orders in the HTTP API.

mod fulfil;
mod list;
mod place;
mod timeline;
mod view;

pub use fulfil::{FulfilmentInput, FulfilmentLineInput};
pub use list::{OrdersQuery, OwnOrdersQuery};
pub use place::{LineInput, PlaceCartInput, PlaceOrderInput, Placing};
pub use timeline::TimelineStepView;
pub use view::{FulfilmentLineView, FulfilmentView, LineView, OrderView};

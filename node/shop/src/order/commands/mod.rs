//! The commands of orders.

crate::commands! { "order":
    "place" => place::PlaceOrder,
    "cancel" => cancel::CancelOrder,
    "fulfil" => fulfil::FulfilOrder,
    "deliver" => deliver::DeliverFulfilment,
    "expire" => expire::ExpireOrder,
    "erase" => erase::EraseOrders,
}

#[cfg(test)]
mod place_tests;

pub use erase::erase;
pub use place::{LineRequest, Wanted};

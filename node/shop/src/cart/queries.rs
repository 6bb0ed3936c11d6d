//! Reading carts.

use storage::{Fault, Read};

use crate::cart::{Cart, Carts};
use crate::catalog::{SkuRecord, Skus};
use crate::ids::CartId;

/// One cart.
pub fn get(read: &impl Read, id: CartId) -> Result<Option<Cart>, Fault> {
    read.get::<Carts>(&id)
}

/// What is sold today under the SKUs of a cart's items, in their order.
pub fn skus(read: &impl Read, cart: &Cart) -> Result<Vec<Option<SkuRecord>>, Fault> {
    cart.items.iter().map(|item| read.get::<Skus>(&item.sku)).collect()
}

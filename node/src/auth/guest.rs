//! What lets a guest see an order or a cart again: a tag of its id under a key of this purpose. Nothing is stored, and
//! every node makes the same one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;
use shop::ids::{CartId, OrderId};

use crate::secrets::{DerivedKey, Purpose, SealError, SealKey};

/// Carries the token that came with a guest's order.
pub const ORDER_TOKEN: HeaderName = HeaderName::from_static("shopnode-order-token");
/// Carries the token that came with a cart.
pub const CART_TOKEN: HeaderName = HeaderName::from_static("shopnode-cart-token");

/// Makes and checks guests' tokens.
#[derive(Debug, Clone)]
pub struct GuestTokens {
    orders: DerivedKey,
    carts: DerivedKey,
}

impl GuestTokens {
    /// # Errors
    /// When the cryptographic library refuses.
    pub fn new(seal: &SealKey) -> Result<Self, SealError> {
        Ok(Self { orders: seal.derive(Purpose::OrderToken)?, carts: seal.derive(Purpose::CartToken)? })
    }

    pub fn for_order(&self, order: OrderId) -> String {
        URL_SAFE_NO_PAD.encode(self.orders.sign(&order.0))
    }

    pub fn for_cart(&self, cart: CartId) -> String {
        URL_SAFE_NO_PAD.encode(self.carts.sign(&cart.0))
    }

    /// In constant time.
    pub fn opens_order(&self, order: OrderId, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| self.orders.verify(&order.0, &tag))
    }

    /// In constant time.
    pub fn opens_cart(&self, cart: CartId, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| self.carts.verify(&cart.0, &tag))
    }
}

#[cfg(test)]
mod tests {
    use shop::ids::{CartId, OrderId};

    use super::GuestTokens;
    use crate::secrets::SealKey;

    #[test]
    fn a_token_opens_one_thing_in_one_cluster() {
        let [one, other] = [(); 2].map(|()| {
            let directory = tempfile::tempdir().unwrap();
            GuestTokens::new(&SealKey::create(directory.path()).unwrap()).unwrap()
        });
        let (order, cart) = (OrderId([1; 16]), CartId([1; 16]));
        let token = one.for_order(order);
        assert!(one.opens_order(order, &token));
        assert!(!one.opens_order(OrderId([2; 16]), &token));
        assert!(!other.opens_order(order, &token));
        assert!(!one.opens_cart(cart, &token), "the same bytes under another purpose");
        assert!(one.opens_cart(cart, &one.for_cart(cart)));
        for wrong in ["", "x", &token[1..], &format!("{token}A")] {
            assert!(!one.opens_order(order, wrong), "{wrong}");
        }
    }
}

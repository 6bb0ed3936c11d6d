//! Which limit a request falls under, by what it would do.

use http::Method;

/// A class of routes with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteClass {
    Read,
    Write,
    /// Placing and paying.
    Order,
    /// Asking for tokens.
    Auth,
    Admin,
    Hook,
    /// Probes and documents: what a load balancer asks must not depend on who else asks.
    Unlimited,
}

impl RouteClass {
    /// By method and path alone: the limit comes before routing.
    pub fn of(method: &Method, path: &str) -> Self {
        let reads = method == Method::GET || method == Method::HEAD;
        if path.starts_with("/admin/") {
            Self::Admin
        } else if path.starts_with("/oauth/") {
            Self::Auth
        } else if path.starts_with("/hooks/") {
            Self::Hook
        } else if matches!(path, "/livez" | "/readyz" | "/metrics" | "/openapi.json") {
            Self::Unlimited
        } else if reads {
            Self::Read
        } else if path == "/store/v1/orders"
            || path.ends_with("/place")
            || path.ends_with("/payment-attempts")
        {
            Self::Order
        } else {
            Self::Write
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::RouteClass;

    #[test]
    fn money_and_secrets_have_classes_of_their_own() {
        let check =
            |method: Method, path: &str, expect| assert_eq!(RouteClass::of(&method, path), expect, "{path}");
        check(Method::GET, "/store/v1/products", RouteClass::Read);
        check(Method::POST, "/store/v1/orders", RouteClass::Order);
        check(Method::GET, "/store/v1/orders", RouteClass::Read);
        check(Method::POST, "/store/v1/carts/car_1/place", RouteClass::Order);
        check(Method::POST, "/store/v1/orders/ord_1/payment-attempts", RouteClass::Order);
        check(Method::POST, "/store/v1/carts", RouteClass::Write);
        check(Method::POST, "/oauth/token", RouteClass::Auth);
        check(Method::POST, "/admin/v1/products", RouteClass::Admin);
        check(Method::POST, "/hooks/stripe", RouteClass::Hook);
        check(Method::GET, "/livez", RouteClass::Unlimited);
    }
}

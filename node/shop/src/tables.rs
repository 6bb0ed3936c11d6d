//! Every table's prefix, listed once. A retired prefix is never reused. All of them are replicated.

/// Declares a table: `table!(/// doc \n Orders, ORDERS, OrderId => Order);`
#[macro_export]
macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $prefix:ident, $key:ty => $value:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl storage::Table for $name {
            const PREFIX: u8 = $crate::tables::$prefix;
            const NAME: &'static str = stringify!($name);
            type Key = $key;
            type Value = $value;
        }
    };
}

// broker
pub const EVENTS: u8 = 0x20;
pub const REPLIES: u8 = 0x21;
pub const TOPICS: u8 = 0x22;
pub const GROUPS: u8 = 0x23;
pub const OFFSETS: u8 = 0x24;
pub const SETTINGS: u8 = 0x25;
pub const LEASES: u8 = 0x26;
pub const JOBS: u8 = 0x27;
// user
pub const CLIENTS: u8 = 0x30;
pub const API_KEYS: u8 = 0x31;
pub const CUSTOMERS: u8 = 0x32;
pub const CUSTOMERS_BY_EMAIL: u8 = 0x33;
pub const SIGNING_KEYS: u8 = 0x34;
pub const CUSTOMERS_BY_OWNER: u8 = 0x35;
// catalog
pub const PRODUCTS: u8 = 0x40;
pub const PRODUCTS_BY_SLUG: u8 = 0x41;
pub const PRODUCTS_BY_CATEGORY: u8 = 0x42;
pub const SKUS: u8 = 0x43;
pub const CATEGORIES: u8 = 0x44;
pub const PRODUCTS_BY_STATUS: u8 = 0x45;
// inventory
pub const LOCATIONS: u8 = 0x50;
pub const STOCK: u8 = 0x51;
// cart
pub const CARTS: u8 = 0x58;
// order
pub const ORDERS: u8 = 0x60;
pub const ORDERS_BY_STATUS: u8 = 0x61;
pub const ORDERS_BY_CUSTOMER: u8 = 0x62;
// payment
pub const PAYMENT_WORK: u8 = 0x70;
pub const UNMATCHED: u8 = 0x71;
// notification
pub const NOTIFICATIONS: u8 = 0x78;
pub const NOTIFICATIONS_DUE: u8 = 0x79;
pub const NOTIFICATION_CURSOR: u8 = 0x7a;
// cluster
pub const NODES: u8 = 0x80;
pub const JOIN_TOKENS: u8 = 0x81;
pub const AUTHORITIES: u8 = 0x82;
pub const CLUSTER_SETTINGS: u8 = 0x83;
pub const RAISES: u8 = 0x84;

/// The value of an index whose keys say it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Present;

storage::versioned!(Present, 1);

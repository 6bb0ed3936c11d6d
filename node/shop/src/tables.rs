//! Every table's prefix, listed once. A retired prefix is never reused. All of them are replicated.

/// Declares a table: `table!(/// doc \n Orders, ORDERS, OrderId => Order);`, with `, sought_tail: 16` behind it if the last
/// 16 bytes of its keys are what is looked for: [`storage::Table::SOUGHT_TAIL`].
#[macro_export]
macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $prefix:ident, $key:ty => $value:ty $(, sought_tail: $tail:literal)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl storage::Table for $name {
            const PREFIX: u8 = $crate::tables::$prefix;
            const NAME: &'static str = stringify!($name);
            $(const SOUGHT_TAIL: usize = $tail;)?
            type Key = $key;
            type Value = $value;
        }
    };
}

/// Declares the prefixes, and the list of them.
macro_rules! prefixes {
    ($($name:ident = $prefix:literal;)*) => {
        $(pub const $name: u8 = $prefix;)*

        /// All of them.
        pub const ALL: &[u8] = &[$($name),*];

        /// What a table is called, for people: `ORDERS (60)`, or its prefix alone if it is none of the shop's.
        pub fn called(prefix: u8) -> String {
            match prefix {
                $($name => format!("{} ({prefix:02x})", stringify!($name)),)*
                _ => format!("{prefix:02x}"),
            }
        }
    };
}

prefixes! {
    // broker
    EVENTS = 0x20;
    REPLIES = 0x21;
    TOPICS = 0x22;
    GROUPS = 0x23;
    OFFSETS = 0x24;
    SETTINGS = 0x25;
    LEASES = 0x26;
    JOBS = 0x27;
    REPLIES_BY_EPOCH = 0x28;
    // user
    CLIENTS = 0x30;
    API_KEYS = 0x31;
    CUSTOMERS = 0x32;
    CUSTOMERS_BY_EMAIL = 0x33;
    SIGNING_KEYS = 0x34;
    CUSTOMERS_BY_OWNER = 0x35;
    // catalog
    PRODUCTS = 0x40;
    PRODUCTS_BY_SLUG = 0x41;
    PRODUCTS_BY_CATEGORY = 0x42;
    SKUS = 0x43;
    CATEGORIES = 0x44;
    PRODUCTS_BY_STATUS = 0x45;
    // inventory
    LOCATIONS = 0x50;
    STOCK = 0x51;
    // cart
    CARTS = 0x58;
    // order
    ORDERS = 0x60;
    ORDERS_BY_STATUS = 0x61;
    ORDERS_BY_CUSTOMER = 0x62;
    // payment
    PAYMENT_WORK = 0x70;
    UNMATCHED = 0x71;
    PAYMENTS_BY_STATE = 0x72;
    PAYMENT_STATES_INDEXED = 0x73;
    // notification
    NOTIFICATIONS = 0x78;
    NOTIFICATIONS_DUE = 0x79;
    NOTIFICATION_CURSOR = 0x7a;
    NOTIFICATIONS_BY_STATUS = 0x7b;
    NOTIFICATION_STATUSES_INDEXED = 0x7c;
    // cluster
    NODES = 0x80;
    JOIN_TOKENS = 0x81;
    AUTHORITIES = 0x82;
    CLUSTER_SETTINGS = 0x83;
    RAISES = 0x84;
    // sms
    SMS = 0x88;
    SMS_DUE = 0x89;
    SMS_CURSOR = 0x8a;
    SMS_BY_STATUS = 0x8b;
}

/// The value of an index whose keys say it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Present;

storage::versioned!(Present, 1);

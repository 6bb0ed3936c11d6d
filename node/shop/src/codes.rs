//! Every error code that a person can see: its HTTP status, title, and what to do about it. Append-only: a code's
//! position is its stored form, and its text is a contract.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident, $code:literal, $status:literal, $title:literal, $advice:literal;)*) => {
        /// A stable error code. Stored by position: append only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];
            /// The code as clients see it.
            pub const fn as_str(self) -> &'static str { match self { $(Code::$variant => $code,)* } }
            /// The HTTP status it is answered with (RFC 9110).
            pub const fn status(self) -> u16 { match self { $(Code::$variant => $status,)* } }
            /// One line: what happened.
            pub const fn title(self) -> &'static str { match self { $(Code::$variant => $title,)* } }
            /// What whoever sees it can do.
            pub const fn advice(self) -> &'static str { match self { $(Code::$variant => $advice,)* } }
        }
    };
}

codes! {
    // Requests that cannot be understood.
    MalformedBody, "malformed_body", 400, "The body is not what this route reads", "Send UTF-8 JSON with `Content-Type: application/json`; the pointer names the place.";
    UnknownParameter, "unknown_parameter", 400, "A query parameter is not known here", "Remove it or correct its name; /openapi.json lists what each route takes.";
    InvalidParameter, "invalid_parameter", 400, "A parameter or header has a value that cannot be read", "Correct the parameter that the detail names.";
    IdempotencyKeyMissing, "idempotency_key_missing", 400, "This request moves money or stock and needs an Idempotency-Key", "Send a header `Idempotency-Key` with a fresh unique value (a UUID, say) and reuse it only to retry this very request.";
    InvalidValue, "invalid_value", 422, "A value is outside of what is allowed", "Correct the member that the pointer names; the detail says the bounds.";
    BodyTooLarge, "body_too_large", 413, "The body is larger than this route takes", "Send less at once: the detail names the limit.";
    UnsupportedMediaType, "unsupported_media_type", 415, "The Content-Type is not one that this route reads", "Send `Content-Type: application/json`, or what /openapi.json names for this route.";
    HeadersTooLarge, "headers_too_large", 431, "The header fields are too large or too many", "Send fewer or shorter header fields.";
    RequestTimeout, "request_timeout", 408, "The request did not arrive in time", "Send the request again, without pauses.";
    BadRequest, "bad_request", 400, "The request is ambiguous or malformed as HTTP", "Send one Content-Length or chunked body, one Host, and no control characters.";
    // Who may.
    Unauthenticated, "unauthenticated", 401, "No valid credentials came with the request", "Send `Authorization: Bearer` with an access token or an API key that is neither expired nor revoked.";
    Forbidden, "forbidden", 403, "These credentials do not allow this", "Use credentials with the scope that the detail names.";
    RateLimited, "rate_limited", 429, "Too many requests", "Wait for the seconds that Retry-After names.";
    // What is there.
    NotFound, "not_found", 404, "There is no such thing, or it is not yours", "Check the id or path.";
    MethodNotAllowed, "method_not_allowed", 405, "This path does not take this method", "Use a method that the Allow header names.";
    AlreadyExists, "already_exists", 409, "Something with this name exists", "Use another name, or change the existing one.";
    PreconditionRequired, "precondition_required", 428, "This change needs If-Match", "Read the resource and send its ETag as If-Match.";
    PreconditionFailed, "precondition_failed", 412, "The resource has changed since you read it", "Read it again, and apply your change to what it says now.";
    Conflict, "conflict", 409, "The state of the object does not allow this", "The detail names the state; read the object again.";
    LimitReached, "limit_reached", 409, "A bound of this shop is reached", "The detail names the bound.";
    // Idempotency.
    IdempotencyKeyReused, "idempotency_key_reused", 422, "This Idempotency-Key was used with another body", "Use a fresh key for a new request; repeat a key only with the same body.";
    IdempotencyInProgress, "idempotency_in_progress", 409, "The same request is still running", "Repeat it after the seconds that Retry-After names: the answer will be the same.";
    // Placing an order, in order of precedence.
    CartChanged, "cart_changed", 412, "The cart has changed", "Show the customer the cart as it is now, then place it.";
    TotalChanged, "total_changed", 409, "The total differs from the expected one", "Show the customer the total that the detail names, then place the order with it.";
    SkuNotSellable, "sku_not_sellable", 422, "A line cannot be sold", "Remove the line that the pointer names: its product is unknown, not published, or has no price in this currency.";
    CouponExhausted, "coupon_exhausted", 409, "The coupon can no longer be used", "Place the order without it.";
    OutOfStock, "out_of_stock", 409, "There is not enough stock", "Reduce or remove the lines that the pointers name.";
    // Orders, stock, payments.
    StockChanged, "stock_changed", 409, "The stock is not what `if_on_hand` says", "Read the stock again and decide anew.";
    StockNegative, "stock_negative", 409, "This would take more than is there", "The detail names what is available.";
    PaymentInProgress, "payment_in_progress", 409, "The order has a payment under way", "Wait for it, or cancel it; the detail names the attempt.";
    ProviderNotEnabled, "provider_not_enabled", 422, "This payment provider is not enabled here", "Use a provider that is enabled, or enable it in the configuration.";
    AmountExceeded, "amount_exceeded", 422, "The amount is more than can be captured or refunded", "The detail names what is left.";
    StaleEpoch, "stale_epoch", 409, "A newer epoch of the lease or the group has begun", "A consumer sends a heartbeat, which tells the epoch and where to go on. A worker does nothing: the holder of the newer epoch does the work.";
    // The cluster.
    NotReady, "not_ready", 503, "This node cannot serve yet", "Retry after the seconds that Retry-After names, or use another node.";
    NoQuorum, "no_quorum", 503, "No majority of nodes can be reached: nothing was accepted", "Retry with the same key after Retry-After; if it lasts, see `shopctl status`.";
    OutcomeUnknown, "outcome_unknown", 503, "The request may or may not have been carried out", "Retry with the same Idempotency-Key: it is carried out at most once.";
    Overloaded, "overloaded", 503, "This node has more work than it can queue", "Retry after the seconds that Retry-After names.";
    IndexNotReached, "index_not_reached", 503, "This replica has not applied Shopnode-Min-Index in time", "Retry, or ask another node.";
    CommandTooLarge, "command_too_large", 413, "The change is too large for one command", "Split it: a command is at most 256 KiB and touches at most 1,000 keys.";
    Internal, "internal", 500, "The server failed", "Report the request_id to the operator: the log has the reason.";
    StorageFault, "storage_fault", 503, "This node's storage failed and it is stopping", "Use another node; the operator finds the reason in this node's log.";
    WebhookSignature, "webhook_signature", 400, "The webhook's signature is missing, wrong or too old", "Check the endpoint's secret on both sides, and the clocks.";
    GatewayTimeout, "gateway_timeout", 504, "The request was not answered within its deadline", "Retry with the same Idempotency-Key.";
    // Joining the cluster.
    TokenUnknown, "token_unknown", 403, "There is no such join token", "Check that the token was copied whole, or make a new one: `shopctl token create`.";
    TokenExpired, "token_expired", 403, "The join token has expired", "Make a new one: `shopctl token create`.";
    TokenUsed, "token_used", 409, "The join token was used by another machine", "Make a new one: `shopctl token create`. If you do not know the node that used it, remove that node.";
    TokenRevoked, "token_revoked", 403, "The join token was revoked", "Make a new one: `shopctl token create`.";
    NodeRemoved, "node_removed", 409, "The node was removed from the cluster, for good", "Join its machine again, with a new token and an empty data directory: it becomes a new node.";
    // Backups.
    BackupNotConfigured, "backup_not_configured", 409, "This node makes no backups", "Set backup.directory or backup.s3.url, and backup.passphrase_file, in its configuration, or ask a node that has them.";
    BackupUnusable, "backup_unusable", 503, "The backups of this node cannot be used now", "The detail says why: the directory or the bucket, or a file with a secret. The node's log says more.";
    // The cluster's members.
    NotLeader, "not_leader", 503, "The leader could not be asked", "Retry after the seconds that Retry-After names; `shopctl leader show` says who leads.";
    MemberUnknown, "member_unknown", 404, "The node is no member of the log's group", "`shopctl member list` shows the members; a node that has just joined becomes one within seconds.";
    MemberNotVoter, "member_not_voter", 409, "The node does not vote", "Promote it first: `shopctl member promote`.";
    MemberBehind, "member_behind", 409, "The node has not caught up with the log", "Wait until its lag, which `shopctl member list` shows, is small, then repeat it.";
    MemberSilent, "member_silent", 409, "The node does not answer", "See why it is down or cut off, or name another one.";
    LastVoter, "last_voter", 409, "The node is the only one that votes and is in service", "Promote, undrain or bring back another one first.";
    QuorumWouldBeLost, "quorum_would_be_lost", 409, "The rest would have no majority that answers", "Bring the silent nodes back that the detail names, or remove those first that are gone for good.";
    AddressTaken, "address_taken", 409, "Another node is at this address", "Give each node an address of its own, or remove the node that had it before.";
    LeaderNotTransferred, "leader_not_transferred", 503, "The lead did not go where it was sent", "The detail says who leads; repeat it if you still want another leader.";
    MembershipRefused, "membership_refused", 409, "The membership cannot change like that now", "Another change may be under way: repeat it after a few seconds.";
    AuthorityInUse, "authority_in_use", 409, "Nodes still prove themselves with a certificate of this authority", "They renew by themselves under the new one: see `shopctl authority list`. Nodes that do not answer would be locked out: bring them back, remove them, or retire it with --ignore-silent.";
    // Upgrades.
    LevelTooLow, "level_too_low", 409, "The cluster's active version is too low for this", "Upgrade every node, then `shopctl upgrade finalize`; `shopctl upgrade status` says what is missing.";
    UpgradeIncomplete, "upgrade_incomplete", 409, "Not every node supports the next active version", "Upgrade the nodes that the detail names, or bring them back, or remove those that are gone for good; then repeat it.";
}

impl Code {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl Code {
    /// The code that clients see as `text`.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

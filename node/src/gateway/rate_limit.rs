//! Step 3: how often. The generic cell rate algorithm, per address and class of route for callers without credentials,
//! per client, and per client and class, where such limits are set (draft-ietf-httpapi-ratelimit-headers).
//!
//! A request that carries credentials is not counted here: whether they are good is known one step later. Bad ones are
//! then charged to their address in the class `auth`, so that nobody escapes a limit by making credentials up.
//! Asking for a token costs only when it fails.
//!
//! Nodes tell each other what they admitted, so that a limit holds for the cluster: see [`exchange`].

mod class;
mod exchange;
mod keyed;

use axum::extract::Request;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use shop::Code;
use shop::ids::ClientId;

pub use class::RouteClass;
pub use exchange::exchange;
use keyed::Keyed;
pub use keyed::Standing;

use super::app::App;
use super::hygiene::ClientAddress;
use super::problem::Problem;
use crate::config::{RateLimit, RateLimitClass};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// An IPv4 address or an IPv6 /64, which is what one customer gets.
    Address(u64, bool),
    Client(ClientId),
    /// All callers together that no more memory is spent on.
    Everybody,
}

impl From<ClientAddress> for Caller {
    fn from(address: ClientAddress) -> Self {
        match address.0 {
            std::net::IpAddr::V4(address) => Self::Address(u64::from(address.to_bits()), false),
            std::net::IpAddr::V6(address) => Self::Address((address.to_bits() >> 64) as u64, true),
        }
    }
}

/// The limits, as this node knows them.
pub struct RateLimits {
    read: Option<Keyed>,
    write: Option<Keyed>,
    order: Option<Keyed>,
    auth: Option<Keyed>,
    admin: Option<Keyed>,
    hook: Option<Keyed>,
    client: Option<Keyed>,
    client_read: Option<Keyed>,
    client_write: Option<Keyed>,
    client_order: Option<Keyed>,
    client_admin: Option<Keyed>,
}

impl RateLimits {
    pub fn new(config: &RateLimit) -> Self {
        let keyed = |name, class: RateLimitClass| config.enabled.then(|| Keyed::new(name, class)).flatten();
        Self {
            read: keyed("read", config.read),
            write: keyed("write", config.write),
            order: keyed("order", config.order),
            auth: keyed("auth", config.auth),
            admin: keyed("admin", config.admin),
            hook: keyed("hook", config.hook),
            client: keyed("client", config.client),
            client_read: keyed("client_read", config.client_read),
            client_write: keyed("client_write", config.client_write),
            client_order: keyed("client_order", config.client_order),
            client_admin: keyed("client_admin", config.client_admin),
        }
    }

    fn of(&self, class: RouteClass) -> Option<&Keyed> {
        match class {
            RouteClass::Read => self.read.as_ref(),
            RouteClass::Write => self.write.as_ref(),
            RouteClass::Order => self.order.as_ref(),
            RouteClass::Auth => self.auth.as_ref(),
            RouteClass::Admin => self.admin.as_ref(),
            RouteClass::Hook => self.hook.as_ref(),
            RouteClass::Unlimited => None,
        }
    }

    /// What a client may do of a class, besides what it may do of all together.
    fn of_client(&self, class: RouteClass) -> Option<&Keyed> {
        match class {
            RouteClass::Read => self.client_read.as_ref(),
            RouteClass::Write => self.client_write.as_ref(),
            RouteClass::Order => self.client_order.as_ref(),
            RouteClass::Admin => self.client_admin.as_ref(),
            RouteClass::Auth | RouteClass::Hook | RouteClass::Unlimited => None,
        }
    }

    /// In the order that their numbers between nodes have: append, never reorder.
    fn numbered(&self) -> [Option<&Keyed>; 11] {
        [
            &self.read,
            &self.write,
            &self.order,
            &self.auth,
            &self.admin,
            &self.hook,
            &self.client,
            &self.client_read,
            &self.client_write,
            &self.client_order,
            &self.client_admin,
        ]
        .map(Option::as_ref)
    }

    /// What was admitted here and the other nodes do not know yet, of at most `limit` callers: class, caller, requests.
    fn take_untold(&self, limit: usize) -> Vec<(u8, Caller, u32)> {
        let mut untold = Vec::new();
        for (class, keyed) in (0..).zip(self.numbered()) {
            let taken = keyed.map(|keyed| keyed.take_untold(limit - untold.len())).unwrap_or_default();
            untold.extend(taken.into_iter().map(|(caller, requests)| (class, caller, requests)));
        }
        untold
    }

    /// Counts what was admitted at another node. A class that is not known, or has no limit here, counts nothing.
    fn charge_elsewhere(&self, class: u8, caller: Caller, requests: u32) {
        if let Some(keyed) = self.numbered().get(usize::from(class)).copied().flatten() {
            keyed.charge_elsewhere(caller, requests);
        }
    }

    /// Charges failed credentials to their address.
    ///
    /// # Errors
    /// `rate_limited` when there were too many.
    pub fn charge_failure(&self, address: ClientAddress) -> Result<(), Problem> {
        self.auth.as_ref().map_or(Ok(()), |keyed| keyed.charge(address.into()).map(drop).map_err(refused))
    }

    /// Charges a request to its client, if clients have a limit: that of its class first, then that of all classes
    /// together. The class tells where the client stands, if both have one.
    ///
    /// # Errors
    /// `rate_limited` when there were too many.
    pub fn charge_client(&self, client: ClientId, class: RouteClass) -> Result<Option<Standing>, Problem> {
        let charge =
            |keyed: Option<&Keyed>| keyed.map(|keyed| keyed.charge(Caller::Client(client))).transpose();
        let of_class = charge(self.of_client(class)).map_err(refused)?;
        let of_all = charge(self.client.as_ref()).map_err(refused)?;
        Ok(of_class.or(of_all))
    }
}

/// Counts a request against its caller's limit; what the answer tells of it.
///
/// # Errors
/// `rate_limited` when there were too many.
pub fn admit(app: &App, request: &Request) -> Result<Option<Standing>, Problem> {
    let class = RouteClass::of(request.method(), request.uri().path());
    let address = request.extensions().get::<ClientAddress>().copied();
    let (Some(keyed), Some(address)) = (app.rate_limits.of(class), address) else {
        return Ok(None);
    };
    let standing = match class {
        RouteClass::Auth => keyed.look(address.into()).map(|()| None),
        _ if request.headers().contains_key(AUTHORIZATION) => Ok(None),
        _ => keyed.charge(address.into()).map(Some),
    };
    standing.map_err(refused)
}

/// Writes where the caller stands into an answer.
pub fn tell(standing: &Standing, headers: &mut HeaderMap) {
    for (name, text) in [(POLICY, standing.policy()), (LIMIT, standing.limit())] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

fn refused(standing: Standing) -> Problem {
    let detail =
        format!("the limit `{}` is {} requests in {} s", standing.name, standing.burst, standing.window_s());
    let mut headers = HeaderMap::new();
    tell(&standing, &mut headers);
    let problem = Problem::new(Code::RateLimited, detail).retry_after(standing.wait_s.max(1));
    headers.into_iter().fold(problem, |problem, (name, value)| match name {
        Some(name) => problem.header(name, value),
        None => problem,
    })
}

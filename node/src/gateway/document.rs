//! The OpenAPI document: what every route has in common is added here, from its policy, once.

use std::collections::BTreeMap;

use shop::user::Scope;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, Content, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required, Response, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::app::{App, Consistency};
use super::policy::{Access, Field, Policy};
use super::problem::PROBLEM_JSON;

use crate::auth::{CART_TOKEN, ORDER_TOKEN};

const BEARER: &str = "bearer";
const OAUTH: &str = "oauth2";
const IF_MATCH: &str = r#"^(\*|"r[0-9]+")$"#;

/// The document without routes.
pub fn document(app: &App) -> OpenApi {
    let info = InfoBuilder::new()
        .title("shopnode")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A whole shop: catalogue, stock, carts, orders, payments, events.\n\nErrors are problems (RFC 9457); \
             `Shopnode-Request-Id` names each answer. Every answer carries `Shopnode-Index`, the index that it \
             reflects, or reflects at least. Send it as `Shopnode-Min-Index` with any GET, to any node, to read what you have \
             written: the node waits until it has applied that index, and answers 503 `index_not_reached` within two seconds.\n\n`Consistency: \
             linearizable` (or `lease`) needs a majority of the nodes and is answered 503 `no_quorum` within two seconds \
             without one; `local` is answered by a node that is cut off too. `Shopnode-Lag` says how old such an answer can \
             be: the milliseconds since the node last heard from the leader. A busy node may let another one answer a GET: \
             `Shopnode-Node` then says which, and the answer is no older than the busy one's would be.\n\nAny node takes any \
             request. One that is answered 503 `no_quorum` or `not_ready` was not carried out. After `outcome_unknown` send \
             it again with the same `Idempotency-Key`: it is carried out once.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let mut components = Components::new();
    add::<shop::http::Problem>(&mut components);
    // Types that only parameters name: nothing collects those.
    add::<shop::http::Cursor>(&mut components);
    add::<shop::http::Limit>(&mut components);
    add::<shop::http::Sort>(&mut components);
    add::<shop::Timestamp>(&mut components);
    add::<shop::catalog::Slug>(&mut components);
    add::<shop::catalog::Status>(&mut components);
    add::<shop::ids::ClientId>(&mut components);
    // For reference: it may come with any GET from the state, and is not repeated at each.
    let min_index =
        header("Shopnode-Min-Index", "Waits until this node has applied this index.", false, |text| {
            text.pattern(Some("^[0-9]{1,19}$"))
        });
    components.parameters.insert("Shopnode-Min-Index".to_owned(), RefOr::T(min_index));
    for (status, (title, extra)) in problems() {
        components.responses.insert(format!("Problem{status}"), RefOr::T(problem_response(title, extra)));
    }
    let key = "An access token from /oauth/token, or an API key (`sk_…`).";
    components.security_schemes.insert(
        BEARER.to_owned(),
        SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(key)).build())
            .into(),
    );
    let scopes = Scopes::from_iter(Scope::ALL.iter().map(|scope| (scope.as_str(), about(*scope))));
    let flow =
        Flow::ClientCredentials(ClientCredentials::new(format!("{}/oauth/token", app.public_base), scopes));
    components.security_schemes.insert(OAUTH.to_owned(), SecurityScheme::OAuth2(OAuth2::new([flow])).into());
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

fn add<T: ToSchema + PartialSchema>(components: &mut Components) {
    let mut inner = Vec::new();
    T::schemas(&mut inner);
    components.schemas.extend(inner);
    components.schemas.insert(T::name().into_owned(), T::schema());
}

/// A title, and the header fields that come with it, with what they say.
type Shared = (&'static str, &'static [(&'static str, &'static str)]);

/// The problems that routes share: title and the field that comes with them.
fn problems() -> BTreeMap<&'static str, Shared> {
    const RETRY: (&str, &str) = ("Retry-After", "Seconds to wait (RFC 9110, section 10.2.3)");
    BTreeMap::from([
        ("400", ("The request cannot be understood", &[][..])),
        (
            "401",
            ("Credentials are missing or not valid", &[("WWW-Authenticate", "The challenge (RFC 6750)")][..]),
        ),
        ("403", ("The credentials lack the scope", &[("WWW-Authenticate", "The challenge (RFC 6750)")][..])),
        ("404", ("There is no such thing, or it is not yours", &[][..])),
        ("405", ("The path does not take this method", &[("Allow", "The methods that it takes")][..])),
        ("408", ("The request did not arrive in time", &[][..])),
        ("409", ("The state does not allow this, or a twin is running", &[RETRY][..])),
        ("412", ("The resource has changed", &[][..])),
        ("413", ("The body is too large", &[][..])),
        ("415", ("The media type is not one that this route reads", &[][..])),
        ("422", ("A value is outside of what is allowed", &[][..])),
        ("428", ("If-Match is missing", &[][..])),
        ("429", ("Too many requests", &[RETRY][..])),
        ("431", ("The header fields are too large", &[][..])),
        ("500", ("The server failed", &[][..])),
        ("503", ("This node cannot serve it now", &[RETRY][..])),
        ("504", ("There was no answer within the deadline", &[][..])),
    ])
}

fn problem_response(title: &str, extra: &[(&str, &str)]) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description(title).content(PROBLEM_JSON, content);
    extra
        .iter()
        .fold(response, |response, (name, about)| {
            let text = ObjectBuilder::new().schema_type(Type::String);
            response.header(*name, HeaderBuilder::new().schema(Some(text)).description(Some(*about)).build())
        })
        .build()
}

/// Completes an operation with what follows from its policy: parameters, security, and every answer that the pipeline
/// can give before or around the handler.
pub fn complete(operation: &mut Operation, method: &str, policy: &Policy) {
    let has_body = operation.request_body.is_some();
    let has_path = operation.parameters.iter().flatten().any(
        |parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path),
    );
    let changes = method != "GET";
    let is_webhook = policy.fields.contains(&Field::Signature);
    let mut statuses = vec!["400", "401", "405", "408", "413", "429", "431", "500", "503", "504"];
    if !matches!(policy.access, Access::Open) {
        statuses.push("403");
    }
    if has_path || is_webhook {
        statuses.push("404");
    }
    if has_body {
        statuses.extend(["415", "422"]);
    }
    if changes && policy.stateful {
        statuses.extend(["404", "409", "422"]);
    }
    if policy.conditional {
        statuses.extend(["412", "428"]);
    }
    if changes && policy.stateful {
        statuses.push("412");
    }
    for status in statuses {
        let reference = RefOr::Ref(Ref::from_response_name(format!("Problem{status}")));
        operation.responses.responses.entry(status.to_owned()).or_insert(reference);
    }
    let parameters = operation.parameters.get_or_insert_with(Vec::new);
    parameters.extend(headers(policy, changes).into_iter().map(RefOr::T));
    operation.security = Some(security(policy.access));
}

fn headers(policy: &Policy, changes: bool) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    let is_webhook = policy.fields.contains(&Field::Signature);
    if changes && policy.stateful && !is_webhook {
        let about = "1 to 255 printable ASCII characters. The same key and body again get the same answer.";
        parameters.push(header("Idempotency-Key", about, policy.key_required, |text| {
            text.min_length(Some(1)).max_length(Some(255)).pattern(Some("^[ -~]+$"))
        }));
    }
    if policy.conditional {
        let about = "The ETag of the resource as it was read, or `*`.";
        parameters.push(header("If-Match", about, true, |text| text.pattern(Some(IF_MATCH))));
    }
    for field in policy.fields {
        parameters.push(match field {
            Field::OrderToken => {
                header(ORDER_TOKEN.as_str(), "The `order_token` of a guest's order.", false, |text| text)
            }
            Field::CartToken => {
                header(CART_TOKEN.as_str(), "The `cart_token` of a guest's cart.", false, |text| text)
            }
            Field::Revision => {
                let about = "The ETag of the cart: refused with 412 if it has changed since.";
                header("If-Match", about, false, |text| text.pattern(Some(IF_MATCH)))
            }
            Field::Signature => {
                header("Stripe-Signature", "Time and signature of the body.", true, |text| text)
            }
        });
    }
    if policy.stateful && !changes {
        let standard = match policy.consistency {
            Consistency::Linearizable => "linearizable",
            Consistency::Lease => "lease",
            Consistency::Local => "local",
        };
        let about = format!("How fresh the answer has to be; {standard} unless said.");
        parameters.push(header("Consistency", &about, false, |text| {
            text.enum_values(Some(["linearizable", "lease", "local"]))
        }));
    }
    parameters
}

fn header(
    name: &str,
    about: &str,
    required: bool,
    schema: impl FnOnce(ObjectBuilder) -> ObjectBuilder,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(about))
        .required(if required { Required::True } else { Required::False })
        .schema(Some(schema(ObjectBuilder::new().schema_type(Type::String))))
        .build()
}

fn security(access: Access) -> Vec<SecurityRequirement> {
    let nobody = SecurityRequirement::default();
    let by = |scope: Scope| {
        vec![
            SecurityRequirement::new(BEARER, Vec::<String>::new()),
            SecurityRequirement::new(OAUTH, [scope.as_str()]),
        ]
    };
    match access {
        Access::Open => vec![nobody],
        Access::GuestOr(scope) => std::iter::once(nobody).chain(by(scope)).collect(),
        Access::Only(scope) | Access::Staff(scope) => by(scope),
    }
}

/// What a scope lets its holder do.
const fn about(scope: Scope) -> &'static str {
    match scope {
        Scope::CatalogRead => "See the whole catalogue, drafts included",
        Scope::CatalogWrite => "Change the catalogue, import products",
        Scope::StockRead => "See stock, locations and movements",
        Scope::StockWrite => "Change stock and locations",
        Scope::OrdersPlace => "Place orders, and see and cancel one's own",
        Scope::OrdersRead => "See all orders",
        Scope::OrdersWrite => "Cancel and ship any order",
        Scope::PaymentsRead => "See all payments",
        Scope::PaymentsWrite => "Capture, void and refund payments",
        Scope::CustomersRead => "See customers: one's own, and as staff all",
        Scope::CustomersWrite => "Change and erase customers: one's own, and as staff all",
        Scope::ClientsWrite => "Create and revoke API clients and keys",
        Scope::EventsRead => "Read the event feed and topics",
        Scope::EventsWrite => "Create topics and publish events to them",
        Scope::SettingsWrite => "See and change the shop's settings",
        Scope::ClusterRead => "See how the cluster is",
        Scope::ClusterWrite => "Let nodes join, drain and remove them, and change how the cluster runs",
        Scope::BackupsWrite => "Make, list and verify backups",
    }
}

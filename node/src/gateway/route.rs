//! The last step before a handler: holds a request against its route's policy, and completes the route's operation in
//! the OpenAPI document from the same policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::Value;
use shop::Code;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::answer;
use super::app::{App, Consistency};
use super::call::{Authorized, Call};
use super::hygiene::ClientAddress;
use super::idempotency;
use super::limits::Deadline;
use super::observe::Arrival;
use super::policy::Policy;
use super::problem::Problem;
use super::{authorize, document};
use crate::auth::Principal;

const CONSISTENCY: HeaderName = HeaderName::from_static("consistency");
const MIN_INDEX: HeaderName = HeaderName::from_static("shopnode-min-index");

/// A route's template, for metrics and logs.
#[derive(Debug, Clone)]
pub struct RouteName(pub Arc<str>);

/// What a request is held against.
struct Contract {
    app: App,
    policy: Policy,
    name: RouteName,
    /// The query parameters that the document lists.
    query: Vec<String>,
}

/// Routes under construction, with their document.
pub struct Routes {
    router: OpenApiRouter<App>,
    app: App,
    schemas: BTreeMap<String, Value>,
    /// Names under which two types are documented: the later one would hide the earlier one.
    clashes: BTreeSet<String>,
}

impl Routes {
    pub fn new(app: &App, document: utoipa::openapi::OpenApi) -> Self {
        let router = OpenApiRouter::with_openapi(document);
        Self { router, app: app.clone(), schemas: BTreeMap::new(), clashes: BTreeSet::new() }
    }

    /// Adds one operation.
    #[must_use]
    pub fn add(mut self, (schemas, mut paths, router): UtoipaMethodRouter<App>, policy: Policy) -> Self {
        let mut contract =
            Contract { app: self.app.clone(), policy, name: RouteName("".into()), query: Vec::new() };
        for (path, item) in &mut paths.paths {
            contract.name = RouteName(path.as_str().into());
            for (method, operation) in operations(item) {
                contract.query = query_names(operation);
                document::complete(operation, method, &policy);
            }
        }
        for (name, schema) in &schemas {
            let text = serde_json::to_value(schema).unwrap_or_default();
            if self.schemas.insert(name.clone(), text.clone()).is_some_and(|known| known != text) {
                self.clashes.insert(name.clone());
            }
        }
        let router = router.route_layer(from_fn_with_state(Arc::new(contract), admit));
        self.router = self.router.routes((schemas, paths, router));
        self
    }

    /// Names under which two types are documented.
    pub fn clashes(&self) -> &BTreeSet<String> {
        &self.clashes
    }

    pub fn split(self) -> (axum::Router<App>, utoipa::openapi::OpenApi) {
        self.router.split_for_parts()
    }
}

/// The operations of a path, with their methods.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", item.get.as_mut()),
        ("POST", item.post.as_mut()),
        ("PUT", item.put.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("DELETE", item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

fn query_names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let named = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.clone()),
        _ => None,
    });
    named.collect()
}

async fn admit(
    axum::extract::State(contract): axum::extract::State<Arc<Contract>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (name, since) = (contract.name.clone(), contract.app.core.applied());
    let mut response = match call(&contract, &request) {
        Ok(call) => {
            let elsewhere = &contract.app.elsewhere;
            if contract.policy.stateful
                && elsewhere.spills()
                && let Some(passing) = elsewhere.pass_on(&call, &request)
                && let Some(mut response) = elsewhere.answered(passing).await
            {
                response.extensions_mut().insert(name);
                return response;
            }
            request.extensions_mut().insert(call);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(name);
    answer::date(&contract.app, since, &mut response);
    response
}

fn call(contract: &Contract, request: &Request) -> Result<Call, Problem> {
    let extensions = request.extensions();
    let principal = extensions.get::<Principal>().cloned().unwrap_or(Principal::Guest);
    let missing = || Problem::new(Code::Internal, "a step of the pipeline is missing");
    let arrival = extensions.get::<Arrival>().ok_or_else(missing)?;
    let deadline = extensions.get::<Deadline>().ok_or_else(missing)?.0;
    extensions.get::<ClientAddress>().ok_or_else(missing)?;
    authorize::authorize(contract.policy.access, &principal)?;
    refuse_unknown(request.uri(), &contract.query)?;
    let headers = request.headers();
    let key = idempotency::key(headers)?;
    if contract.policy.key_required && key.is_none() {
        let detail = "this route needs a header Idempotency-Key";
        return Err(Problem::new(Code::IdempotencyKeyMissing, detail));
    }
    if contract.policy.conditional {
        super::conditional::expected_revision(headers)?;
    }
    Ok(Call::from(Authorized {
        app: contract.app.clone(),
        principal,
        request: arrival.id,
        deadline,
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        headers: headers.clone(),
        policy: contract.policy,
        consistency: consistency(headers)?.unwrap_or(contract.policy.consistency),
        min_index: min_index(headers)?,
        key,
    }))
}

fn refuse_unknown(uri: &Uri, known: &[String]) -> Result<(), Problem> {
    for name in super::query::names(uri) {
        if !known.contains(&name) {
            let detail = if known.is_empty() {
                "this route takes no query parameters".to_owned()
            } else {
                format!("this route takes {}", known.join(", "))
            };
            return Err(Problem::new(Code::UnknownParameter, detail));
        }
    }
    Ok(())
}

fn consistency(headers: &HeaderMap) -> Result<Option<Consistency>, Problem> {
    match headers.get(CONSISTENCY).map(HeaderValue::as_bytes) {
        None => Ok(None),
        Some(b"linearizable") => Ok(Some(Consistency::Linearizable)),
        Some(b"lease") => Ok(Some(Consistency::Lease)),
        Some(b"local") => Ok(Some(Consistency::Local)),
        Some(_) => Err(Problem::new(Code::InvalidParameter, "Consistency is linearizable, lease or local")),
    }
}

/// The index that the state has to have reached, which is what `Shopnode-Min-Index` says.
///
/// # Errors
/// `invalid_parameter` when it is no number.
pub fn min_index(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(MIN_INDEX) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let index = text.and_then(|text| text.parse().ok());
    let invalid = || Problem::new(Code::InvalidParameter, "Shopnode-Min-Index is a decimal number");
    index.map(Some).ok_or_else(invalid)
}

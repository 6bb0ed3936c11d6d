//! Two requests, each bounded in time and size and never repeated: one sends, one looks for what was sent.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

use super::{SmsError, Text};

/// No answer of this API comes near it; what is larger is not read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// A provider that asks for more patience than this is asked again all the same.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Messages on one page of a look-up.
const PAGE_SIZE: usize = 50;
/// A number that got more than so many pages of messages is not looked at to the end.
const MAX_PAGES: usize = 10;
/// For all requests of one look-up together.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// Who a text message is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A number of the account, or a name.
    From(String),
    /// The id of a messaging service, which chooses the number.
    MessagingService(String),
}

/// How to reach the provider.
#[derive(Debug, Clone)]
pub struct TwilioConfig {
    /// `https://api.twilio.com`. Plain http only to this machine.
    pub base_url: Url,
    /// The account's id.
    pub account: String,
    /// The account's token; never logged.
    pub token: SecretString,
    pub sender: Sender,
    /// For a whole request, the answer's body included.
    pub total_timeout: Duration,
}

/// Why a provider of text messages cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("sms.base_url {0} must be https: only a provider on this machine may be plain http")]
    Insecure(Url),
    #[error("the account or its token is empty or holds characters that a header cannot carry")]
    Credentials,
    #[error("the HTTP client for text messages could not be made: {0}")]
    Client(reqwest::Error),
}

/// A provider of text messages.
pub struct Twilio {
    http: reqwest::Client,
    base: String,
    /// The path of the account's messages.
    path: String,
    authorization: HeaderValue,
    sender: Sender,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio").field("base", &self.base).finish_non_exhaustive()
    }
}

/// An answer that arrived whole.
pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Accepted {
    sid: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: u32,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Listed>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    to: String,
    body: Option<String>,
    date_created: Option<String>,
}

impl Twilio {
    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// When the base URL is plain http to another machine, or the credentials are no header.
    pub fn new(config: TwilioConfig) -> Result<Twilio, ConfigError> {
        let loopback = crate::effects::stripe::is_loopback(&config.base_url);
        if config.base_url.scheme() != "https" && !loopback {
            return Err(ConfigError::Insecure(config.base_url));
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(config.total_timeout.min(Duration::from_secs(2)))
            .timeout(config.total_timeout)
            // A redirect would carry the token elsewhere, and a repeated POST might be a second text.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(8)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("shopnode/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        }
        Ok(Twilio {
            http: builder.build().map_err(ConfigError::Client)?,
            base: config.base_url.as_str().trim_end_matches('/').to_owned(),
            path: format!("/2010-04-01/Accounts/{}/Messages.json", config.account),
            authorization: basic(&config.account, &config.token)?,
            sender: config.sender,
        })
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// See [`SmsError`].
    pub async fn send(&self, text: &Text) -> Result<(), SmsError> {
        let sender = match &self.sender {
            Sender::From(number) => ("From", number),
            Sender::MessagingService(id) => ("MessagingServiceSid", id),
        };
        let form = [("To", &text.to), sender, ("Body", &text.body)];
        judge(&self.exchange(self.http.post(format!("{}{}", self.base, self.path)).form(&form)).await?)
    }

    /// Whether the provider has taken this text message, since a time in seconds since 1970. All that went to the number
    /// is read, newest first: a filter by the time of sending would leave out what still waits to be sent.
    ///
    /// # Errors
    /// Whatever leaves it open.
    pub async fn find(&self, text: &Text, since_s: i64) -> Result<bool, SmsError> {
        let looked = timeout(LOOK_UP_TIMEOUT, self.look(text, since_s)).await;
        looked.unwrap_or(Err(SmsError::Unknown { code: "timeout" }))
    }

    async fn look(&self, text: &Text, since_s: i64) -> Result<bool, SmsError> {
        let page_size = PAGE_SIZE.to_string();
        let query = [("To", text.to.as_str()), ("PageSize", page_size.as_str())];
        let mut request = self.http.get(format!("{}{}", self.base, self.path)).query(&query);
        for _ in 0..MAX_PAGES {
            let answer = self.exchange(request).await?;
            if answer.status != 200 {
                return Err(SmsError::Unknown { code: "provider_error" });
            }
            let malformed = || SmsError::Unknown { code: "malformed_answer" };
            let page: Page = serde_json::from_slice(&answer.body).map_err(|_| malformed())?;
            if page.messages.iter().any(|message| message.is(text, since_s)) {
                return Ok(true);
            }
            let Some(next) = page.next_page_uri.filter(|next| !next.is_empty()) else { return Ok(false) };
            // Of the same list, on the same host: the token goes nowhere else.
            let is_of_list = next.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('?'));
            request =
                is_of_list.then(|| self.http.get(format!("{}{next}", self.base))).ok_or_else(malformed)?;
        }
        Err(SmsError::Unknown { code: "too_many_messages" })
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Answer, SmsError> {
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let mut response = request.send().await.map_err(|error| classify(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(SmsError::Unknown { code: "malformed_answer" });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, body })
    }
}

impl Listed {
    /// Trial accounts put words of the provider's before the body. Whatever has no time that can be read counts: a text
    /// that is taken for sent is better than one that is sent twice.
    fn is(&self, text: &Text, since_s: i64) -> bool {
        let date = self.date_created.as_deref().and_then(|date| rfc2822::parse(date).ok());
        self.to == text.to
            && self.body.as_ref().is_some_and(|body| body.contains(&text.body))
            && date.is_none_or(|date| date.timestamp().as_second() >= since_s)
    }
}

/// What an answer to a text message proves.
pub(super) fn judge(answer: &Answer) -> Result<(), SmsError> {
    match answer.status {
        200 | 201 => match serde_json::from_slice::<Accepted>(&answer.body) {
            Ok(accepted) if !accepted.sid.is_empty() => Ok(()),
            _ => Err(SmsError::Unknown { code: "malformed_answer" }),
        },
        // Somebody else's time-out, after the request went out.
        408 | 499 => Err(SmsError::Unknown { code: "provider_error" }),
        // Nothing about this message: when the token is mended it can go.
        401 => Err(SmsError::NotAccepted { code: "unauthorized", after: None }),
        429 => Err(SmsError::NotAccepted { code: "rate_limited", after: answer.retry_after }),
        status @ 400..=498 => {
            let code = serde_json::from_slice::<Refusal>(&answer.body)
                .map_or_else(|_| format!("http_{status}"), |refusal| refusal.code.to_string());
            Err(SmsError::Refused { code })
        }
        _ => Err(SmsError::Unknown { code: "provider_error" }),
    }
}

/// What a failed exchange proves. Before a connection stands nothing can have been taken; after that anything.
fn classify(error: &reqwest::Error) -> SmsError {
    if error.is_builder() {
        SmsError::NotAccepted { code: "invalid_request", after: None }
    } else if error.is_connect() {
        SmsError::NotAccepted { code: "connect", after: None }
    } else if error.is_timeout() {
        SmsError::Unknown { code: "timeout" }
    } else {
        SmsError::Unknown { code: "connection_lost" }
    }
}

fn basic(account: &str, token: &SecretString) -> Result<HeaderValue, ConfigError> {
    let token = token.expose_secret().trim();
    if account.is_empty() || token.is_empty() {
        return Err(ConfigError::Credentials);
    }
    let pair = BASE64_STANDARD.encode(format!("{account}:{token}"));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| ConfigError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Only the form in seconds: the other one (an HTTP date) needs a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

//! Secrets and personal data are where they belong and nowhere else: canaries are planted in requests, errors and bad
//! requests, and every sink is searched for them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use shopnode_tests::processor::control;
use shopnode_tests::{Api, Collector, Dev, api, orders, wait};

const EMAIL: &str = "canary-mail-7f3a@example.com";
const NAME: &str = "Canary Name Quillfeather";
const STREET: &str = "77 Canary Lane Xyzzy";
const PHONE: &str = "+493055507713";
const CARD: &str = "pm_canary_card_51f0";
/// What clients send although it makes no sense.
const JUNK: &str = "canary-junk-9b1c";

/// What must not get out, by the name under which a failure tells of it.
struct Canaries {
    personal: BTreeMap<&'static str, String>,
    secret: BTreeMap<&'static str, String>,
}

impl Canaries {
    fn all(&self) -> impl Iterator<Item = (&&'static str, &String)> {
        self.personal.iter().chain(&self.secret)
    }

    /// The names of those that a text holds.
    fn in_text(&self, text: &str) -> Vec<&'static str> {
        self.all().filter(|(_, canary)| text.contains(canary.as_str())).map(|(name, _)| *name).collect()
    }
}

fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// Every file below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

fn order_of_the_canary(method: &str) -> Value {
    let mut order = orders::order("TEA-1", 1, "sandbox", method);
    order["email"] = json!(EMAIL);
    order["shipping_address"]["name"] = json!(NAME);
    order["shipping_address"]["line1"] = json!(STREET);
    order["shipping_address"]["phone"] = json!(PHONE);
    order
}

async fn raw(api: &Api, method: Method, path: &str, body: String) -> Result<api::Answer> {
    let request = api.request(method, path).header("Content-Type", "application/json");
    api::answer(request.header("Idempotency-Key", api::fresh_key()).body(body)).await
}

/// Uses everything that is secret or personal, rightly and wrongly. Answers the canaries, an order of theirs, and the
/// problems that others got.
async fn plant(dev: &Dev) -> Result<(Canaries, String, Vec<api::Answer>)> {
    let (admin, guest) = (dev.admin(), dev.guest());
    orders::sell(&admin, "TEA-1", 100).await?;

    let scopes = json!(["catalog:read", "orders:place", "customers:read", "customers:write"]);
    let client =
        admin.post("/admin/v1/clients", &json!({"name": "partner", "scopes": scopes})).await?.expect(201)?;
    let text = |view: &Value, member: &str| {
        view[member].as_str().map(str::to_owned).with_context(|| format!("no {member}: {view:#}"))
    };
    let (client_id, client_secret) = (text(&client, "client_id")?, text(&client, "client_secret")?);
    let keys = format!("/admin/v1/clients/{client_id}/keys");
    let key = admin.post(&keys, &json!({"name": "key", "scopes": scopes})).await?.expect(201)?;
    let api_key = text(&key, "key")?;
    let token_with = |secret: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id.as_str()),
            ("client_secret", secret),
        ];
        api::answer(guest.request(Method::POST, "/oauth/token").form(&form))
    };
    let token = token_with(&client_secret).await?.expect(200)?;
    let access_token = text(&token, "access_token")?;
    assert_eq!(token_with(&format!("{client_secret}x")).await?.status, 401);

    // Orders: paid, refused by the processor, answered late; and customers.
    let order = guest.post("/store/v1/orders", &order_of_the_canary("card_ok")).await?.expect(201)?;
    let (id, order_token) = (text(&order, "id")?, text(&order, "order_token")?);
    orders::settled(&admin, &id, "open", "paid").await?;
    admin.post(&format!("/admin/v1/orders/{id}/fulfilments"), &json!({})).await?.expect(201)?;
    control(dev, &json!({"faults": [{"fault": "drop_after", "on": "create"}, {"fault": "error_before", "on": "create"}]}))
        .await?;
    for (method, ends) in [("card_declined", "declined"), (CARD, "declined"), ("card_ok", "captured")] {
        let made =
            admin.with_token(Some(&api_key)).post("/store/v1/orders", &order_of_the_canary(method)).await?;
        let path = format!("/admin/v1/orders/{}", text(&made.expect(201)?, "id")?);
        wait::until("the end of a payment", Duration::from_secs(20), || async {
            let view = admin.get(&path).await.ok()?.json();
            (view["payment_attempt"]["status"] == ends).then_some(())
        })
        .await?;
    }
    let partner = admin.with_token(Some(&access_token));
    partner.post("/store/v1/customers", &json!({"email": EMAIL, "name": NAME})).await?.expect(201)?;

    // Bad requests, with canaries in every place.
    let mut broken = order_of_the_canary("card_ok");
    broken[JUNK] = json!(EMAIL);
    let mut too_long = order_of_the_canary("card_ok");
    too_long["shipping_address"]["name"] = json!(NAME.repeat(200));
    let mut no_mail = order_of_the_canary("card_ok");
    no_mail["email"] = json!(format!("{EMAIL} {STREET}"));
    let cut = order_of_the_canary("card_ok").to_string();
    let bodies =
        [broken.to_string(), too_long.to_string(), no_mail.to_string(), cut[..cut.len() - 2].to_owned()];
    for body in bodies {
        let answer = raw(&guest, Method::POST, "/store/v1/orders", body).await?;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
    }
    for path in [format!("/admin/v1/orders?{JUNK}={api_key}"), format!("/store/v1/{JUNK}/{client_secret}")] {
        let answer = admin.get(&path).await?;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.text);
    }
    for credential in [format!("{api_key}x"), format!("{access_token}x"), client_secret.clone()] {
        assert_eq!(guest.with_token(Some(&credential)).get("/admin/v1/orders").await?.status, 401);
    }
    let hook =
        guest.request(Method::POST, "/hooks/sandbox").header("Stripe-Signature", format!("t=1,v1={JUNK}"));
    let forged = api::answer(hook.body(json!({"id": JUNK, "email": EMAIL}).to_string())).await?;
    assert!((400..500).contains(&forged.status), "{}", forged.text);

    // What others are told who ask for the canary's order.
    let mut problems = Vec::new();
    for api in [&guest, &partner] {
        problems.push(api.get(&format!("/store/v1/orders/{id}")).await?);
        problems.push(api.post(&format!("/store/v1/orders/{id}/cancel"), &json!({})).await?);
    }
    let with_token = guest.request(Method::GET, &format!("/store/v1/orders/{id}"));
    let own = api::answer(with_token.header("Shopnode-Order-Token", &order_token)).await?.expect(200)?;
    assert_eq!(own["email"], EMAIL, "{own:#}");

    let personal = [
        ("email", EMAIL),
        ("name", NAME),
        ("street", STREET),
        ("phone", PHONE),
        ("card", CARD),
        ("junk", JUNK),
    ];
    let secret = [
        ("client secret", client_secret),
        ("API key", api_key),
        ("access token", access_token),
        ("admin's key", dev.file.admin_token.clone()),
        ("order token", order_token),
        ("provider key", dev.secret("sandbox-key")?),
        ("webhook secret", dev.secret("sandbox-webhook")?),
        ("token for text messages", dev.secret("sms-token")?),
    ];
    let canaries = Canaries {
        personal: personal.map(|(name, canary)| (name, canary.to_owned())).into(),
        secret: secret.into(),
    };
    Ok((canaries, id, problems))
}

/// Everything that the feed tells, by all and by topic.
async fn feeds(admin: &Api) -> Result<String> {
    let topics = admin.get("/admin/v1/topics").await?.expect(200)?;
    let names = topics["data"].as_array().into_iter().flatten().filter_map(|topic| topic["name"].as_str());
    let mut paths: Vec<String> = names.map(|name| format!("/admin/v1/topics/{name}/events")).collect();
    assert!(paths.len() >= 5, "{topics:#}");
    paths.push("/admin/v1/events".to_owned());
    let mut told = topics.to_string();
    for path in paths {
        let mut after = 0;
        loop {
            let page = admin.get(&format!("{path}?after={after}&limit=100")).await?;
            told += &page.text;
            let page = page.expect(200)?;
            after = page["next_after"].as_u64().context("next_after")?;
            if page["more"] != true {
                break;
            }
        }
    }
    Ok(told)
}

/// Files outside of `secrets/` with a canary that may not be there.
fn leaking_files(dev: &Dev, canaries: &Canaries) -> Result<Vec<String>> {
    let mut found = Vec::new();
    files(&dev.home(), &mut found)?;
    let (mut leaks, mut with_email) = (Vec::new(), 0);
    for path in found {
        let inside = path.strip_prefix(dev.home())?;
        let is_secret = inside.components().any(|part| part.as_os_str() == "secrets");
        let is_contract = inside == Path::new("dev.json");
        if is_secret || is_contract {
            let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}: {mode:o}", inside.display());
            continue;
        }
        let bytes = match std::fs::read(&path) {
            // The log removes its oldest files as it goes.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.with_context(|| path.display().to_string())?,
        };
        with_email += usize::from(holds(&bytes, EMAIL.as_bytes()));
        for (name, canary) in &canaries.secret {
            // A key's text is its id and its secret: the secret alone, and its bytes, are as good.
            let tail = canary.get(canary.len().saturating_sub(43)..).unwrap_or(canary);
            let decoded = URL_SAFE_NO_PAD.decode(tail).unwrap_or_else(|_| tail.into());
            if [canary.as_bytes(), tail.as_bytes(), &decoded].iter().any(|canary| holds(&bytes, canary)) {
                leaks.push(format!("{name} in {}", inside.display()));
            }
        }
    }
    // Personal data may be in the state and its log, and shows that the search finds what is there.
    assert!(with_email > 0, "the search finds nothing");
    Ok(leaks)
}

fn leaking_arguments(dev: &Dev, canaries: &Canaries) -> Result<Vec<String>> {
    let mut leaks = Vec::new();
    for pid in dev.pids() {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline"))?;
        anyhow::ensure!(holds(&arguments, b"shopnode"), "process {pid} is not ours");
        for (name, _) in canaries.all().filter(|(_, canary)| holds(&arguments, canary.as_bytes())) {
            leaks.push(format!("{name} in the arguments of process {pid}"));
        }
    }
    Ok(leaks)
}

async fn no_sink_holds_a_canary(log_format: &str) -> Result<()> {
    let collector = Collector::start()?;
    let dev = Dev::empty_with(&[
        ("SHOPNODE_TELEMETRY__OTLP_ENDPOINT", &collector.url()),
        ("SHOPNODE_TELEMETRY__LOG_FORMAT", log_format),
        ("SHOPNODE_TELEMETRY__LOG_FILTER", "debug,shopnode=trace,shop=trace,raft=trace"),
        // Nobody listens there: a mail or a text that cannot be sent is told of.
        ("SHOPNODE_MAIL__SMTP_URL", "smtp://127.0.0.1:1"),
        ("SHOPNODE_SMS__BASE_URL", "http://127.0.0.1:1"),
        ("SHOPNODE_PAYMENTS__TIMEOUT_MS", "2000"),
    ])
    .await?;
    let (canaries, order, problems) = plant(&dev).await?;
    let admin = dev.admin();
    wait::until("a mail and a text that could not be sent", Duration::from_secs(20), || async {
        let metrics = dev.guest().get("/metrics").await.ok()?.text;
        let tried = |kind: &str| {
            let begins = format!("shopnode_effects_total{{kind=\"{kind}\"");
            metrics.lines().any(|line| line.starts_with(&begins))
        };
        (tried("mail") && tried("sms")).then_some(())
    })
    .await?;

    let traced = [
        "http.request",
        "propose order.place",
        "payment_provider_call authorize",
        "mail_send",
        "text_message",
    ];
    wait::until("spans of all kinds", Duration::from_secs(20), || async {
        let spans = collector.spans();
        let has = |label: &&str| spans.iter().any(|span| span.label == **label);
        traced.iter().all(has).then_some(())
    })
    .await?;

    // The search works: what belongs to the admin is found there.
    let seen = admin.get(&format!("/admin/v1/orders/{order}")).await?;
    assert_eq!(canaries.in_text(&seen.text), ["email", "name", "phone", "street"], "{}", seen.text);

    let mut leaks = Vec::new();
    let output = dev.log();
    for talk in [
        "/store/v1/orders",
        "the provider did not say",
        "the provider refused",
        "mail not sent",
        "text message not sent",
    ] {
        assert!(output.contains(talk), "the log does not tell of {talk}:\n{output}");
    }
    let is_json =
        output.lines().any(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()));
    assert_eq!(is_json, log_format == "json");
    for line in output.lines() {
        leaks.extend(canaries.in_text(line).iter().map(|name| format!("{name} in the log: {line}")));
    }
    let metrics = dev.guest().get("/metrics").await?.text;
    assert!(metrics.contains("shopnode_"), "{metrics}");
    let told = feeds(&admin).await?;
    assert!(told.contains(&order));
    let mut sinks = vec![("the metrics", metrics), ("the feed", told)];
    for problem in problems {
        assert!((400..500).contains(&problem.status), "{}", problem.text);
        sinks.push(("a problem", problem.text));
    }
    let traces = collector.bytes();
    leaks.extend(
        canaries
            .all()
            .filter(|(_, canary)| holds(&traces, canary.as_bytes()))
            .map(|(name, _)| format!("{name} in the traces")),
    );
    for (sink, text) in &sinks {
        leaks.extend(canaries.in_text(text).iter().map(|name| format!("{name} in {sink}")));
    }
    leaks.extend(leaking_arguments(&dev, &canaries)?);
    leaks.extend(leaking_files(&dev, &canaries)?);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    Ok(())
}

#[tokio::test]
async fn neither_logs_for_machines_nor_any_other_sink_hold_a_canary() -> Result<()> {
    no_sink_holds_a_canary("json").await
}

#[tokio::test]
async fn neither_logs_for_people_nor_any_other_sink_hold_a_canary() -> Result<()> {
    no_sink_holds_a_canary("text").await
}

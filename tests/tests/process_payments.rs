//! Whatever a card processor does, the customer is charged once and what is owed goes back once. One test for each row
//! of the failure table, over real HTTP; the processor's own ledger is the judge.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use shopnode_tests::processor::{self, control, did, has_done};
use shopnode_tests::{Api, Dev, api, orders, wait};

/// A shop with 10 units of TEA-1, and its admin.
async fn shop(environment: &[(&str, &str)]) -> Result<(Dev, Api)> {
    let dev = Dev::empty_with(environment).await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 10).await?;
    Ok((dev, admin))
}

/// Places an order of two units, 19.98 EUR, and answers it.
async fn place(api: &Api, method: &str) -> Result<Value> {
    api.post("/store/v1/orders", &orders::order("TEA-1", 2, "sandbox", method)).await?.expect(201)
}

/// The same, where staff capture the money later.
async fn place_on_account(api: &Api) -> Result<Value> {
    let mut body = orders::order("TEA-1", 2, "sandbox", "card_ok");
    body["payment"]["capture"] = json!("manual");
    api.post("/store/v1/orders", &body).await?.expect(201)
}

fn id(view: &Value) -> Result<&str> {
    view["id"].as_str().context("an id")
}

/// What the admin can do with a payment of an order: `capture`, `void`, `refunds`.
async fn act(admin: &Api, order: &Value, action: &str, body: Value) -> Result<Value> {
    let path = format!("/admin/v1/payments/{}/{action}", id(&order["payment_attempt"])?);
    let answer = admin.post(&path, &body).await?;
    anyhow::ensure!((200..300).contains(&answer.status), "{action}: {} {}", answer.status, answer.text);
    Ok(answer.json())
}

async fn cancel(admin: &Api, order: &str) -> Result<Value> {
    let answer = admin.post(&format!("/admin/v1/orders/{order}/cancel"), &json!({})).await?;
    anyhow::ensure!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text);
    Ok(answer.json())
}

/// Waits until the latest attempt of an order has a status; answers the order.
async fn attempt_is(admin: &Api, order: &str, status: &str) -> Result<Value> {
    let path = format!("/admin/v1/orders/{order}");
    let what = format!("a payment that is {status}");
    let found = wait::until(&what, Duration::from_secs(30), || async {
        let view = admin.get(&path).await.ok()?.json();
        (view["payment_attempt"]["status"] == status).then_some(view)
    });
    match found.await {
        Ok(view) => Ok(view),
        Err(error) => Err(error.context(admin.get(&path).await?.text)),
    }
}

async fn held(admin: &Api) -> Result<(Option<i64>, Option<i64>)> {
    let stock = orders::stock(admin, "TEA-1").await?;
    Ok((stock["held"].as_i64(), stock["committed"].as_i64()))
}

/// A guest's own request about an order.
async fn as_guest(dev: &Dev, order: &Value, path: &str, body: Value) -> Result<api::Answer> {
    let token = order["order_token"].as_str().context("a guest's order comes with a token")?;
    let request = dev.guest().request(Method::POST, &format!("/store/v1/orders/{}/{path}", id(order)?));
    let request = request.header("Shopnode-Order-Token", token).header("Idempotency-Key", api::fresh_key());
    api::answer(request.json(&body)).await
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_its_key() -> Result<()> {
    let (dev, admin) = shop(&[("SHOPNODE_PAYMENTS__TIMEOUT_MS", "1000")]).await?;
    control(&dev, &json!({"webhooks": {"mode": "off"}})).await?;
    for (what, method, faults) in [
        (
            "the answer comes too late",
            "card_ok",
            json!([{"fault": "slow", "on": "create", "delay_ms": 3000}]),
        ),
        ("the connection breaks after the charge", "card_drop_response", json!([])),
        ("the connection breaks before it", "card_ok", json!([{"fault": "drop_before", "on": "create"}])),
        ("the processor fails", "card_ok", json!([{"fault": "error_before", "on": "create"}])),
        ("too many requests", "card_ok", json!([{"fault": "rate_limit", "on": "create"}])),
    ] {
        control(&dev, &json!({"faults": faults})).await?;
        let before = held(&admin).await?.0;
        let order = place(&admin, method).await?;
        let seen = attempt_is(&admin, id(&order)?, "unknown").await.context(what)?;
        assert_eq!(
            (&seen["status"], &seen["held_until"]),
            (&json!("pending_payment"), &Value::Null),
            "{what}: pinned: {seen:#}"
        );
        assert_eq!(held(&admin).await?.0, before.map(|held| held + 2), "{what}");
        orders::settled(&admin, id(&order)?, "open", "paid").await.context(what)?;
        did(&dev, id(&order)?, &["charge 1998"]).await?;
        let key = format!("{}:authorize:1", id(&order["payment_attempt"])?);
        let ledger = orders::ledger(&dev).await?;
        assert!(ledger.iter().any(|entry| entry["idempotency_key"] == key.as_str()), "{what}: {ledger:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn webhooks_come_first_and_thrice_and_out_of_order() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    let authorized = || async {
        let metrics = dev.guest().get("/metrics").await?.text;
        anyhow::Ok(metrics.lines().any(|line| {
            line.starts_with("shopnode_effects_total{") && line.contains("\"payment.authorize\"")
        }))
    };
    control(
        &dev,
        &json!({"webhooks": {"copies": 3, "order": "reversed"},
                "faults": [{"fault": "slow", "on": "create", "delay_ms": 3000}]}),
    )
    .await?;
    let order = place(&admin, "card_ok").await?;
    orders::settled(&admin, id(&order)?, "open", "paid").await?;
    assert!(!authorized().await?, "the answer was first: nothing is shown");
    wait::until("the answer", Duration::from_secs(20), || async { authorized().await.ok()?.then_some(()) })
        .await?;
    // payment_intent.created and payment_intent.succeeded, three times each.
    assert_eq!(processor::told_all(&dev).await?, 6);
    did(&dev, id(&order)?, &["charge 1998"]).await?;
    let told = orders::told(&admin, id(&order)?).await?;
    for once in ["shopnode.payment.captured.v1", "shopnode.order.confirmed.v1"] {
        assert_eq!(told.iter().filter(|kind| *kind == once).count(), 1, "{told:#?}");
    }
    assert_eq!(held(&admin).await?, (Some(0), Some(2)));
    Ok(())
}

/// A minute is the shortest time that stock is held, so one test waits for it and looks at all that time can do.
#[tokio::test]
async fn time_ends_what_waits_and_never_what_may_have_been_paid() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    orders::set(&admin, &json!({"hold_minutes": 1, "payment_deadline_minutes": 1})).await?;
    control(&dev, &json!({"webhooks": {"mode": "hold"}})).await?;
    let (comes_back, comes_too_late) =
        (place(&admin, "card_declined").await?, place(&admin, "card_declined").await?);
    let given_up = place(&admin, "card_3ds").await?;
    for (order, status) in
        [(&comes_back, "declined"), (&comes_too_late, "declined"), (&given_up, "requires_action")]
    {
        attempt_is(&admin, id(order)?, status).await?;
    }
    // Paid at the bank, and the shop can neither be told of it nor look it up: it learns of it when it gives the payment up.
    let paid_unseen = place(&admin, "card_3ds").await?;
    attempt_is(&admin, id(&paid_unseen)?, "requires_action").await?;
    control(&dev, &json!({"faults": [{"fault": "error_before", "on": "read", "times": 1000}]})).await?;
    let seen = attempt_is(&admin, id(&paid_unseen)?, "requires_action").await?;
    let url = seen["payment_attempt"]["next_action"]["url"].as_str().context("where to go")?;
    assert_eq!(dev.admin().to(url, None).get("?outcome=complete").await?.status, 200);
    has_done(&dev, id(&paid_unseen)?, "charge").await?;

    // Charged, and nobody is told of it before the minute is over.
    let drops = json!({"faults": [{"fault": "drop_after", "on": "create", "times": 100}]});
    control(&dev, &drops).await?;
    let pinned = place(&admin, "card_ok").await?;
    attempt_is(&admin, id(&pinned)?, "unknown").await?;
    assert_eq!(held(&admin).await?, (Some(10), Some(0)));
    attempt_is(&admin, id(&paid_unseen)?, "requires_action").await?;

    let over = Duration::from_secs(75);
    for order in [&comes_back, &comes_too_late, &given_up] {
        let path = format!("/admin/v1/orders/{}", id(order)?);
        wait::until("the end of what waits", over, || async {
            let view = admin.get(&path).await.ok()?.json();
            (view["status"] == "expired").then_some(())
        })
        .await
        .context(admin.get(&path).await?.text)?;
    }
    attempt_is(&admin, id(&given_up)?, "canceled").await?;
    did(&dev, id(&given_up)?, &["cancel 1998"]).await?;
    orders::settled(&admin, id(&paid_unseen)?, "open", "paid").await?;
    did(&dev, id(&paid_unseen)?, &["charge 1998"]).await?;
    let seen = admin.get(&format!("/admin/v1/orders/{}", id(&pinned)?)).await?.expect(200)?;
    assert_eq!(
        (&seen["status"], &seen["payment_attempt"]["status"]),
        (&json!("pending_payment"), &json!("unknown"))
    );
    assert_eq!(held(&admin).await?, (Some(2), Some(2)), "only what may have been paid is still held");
    control(&dev, &json!({"webhooks": {"mode": "deliver", "copies": 2}, "release": "in_order"})).await?;
    orders::settled(&admin, id(&pinned)?, "open", "paid").await?;
    did(&dev, id(&pinned)?, &["charge 1998"]).await?;

    // Money for an expired order: it is held again if there is stock, else the money goes back.
    let attempt = |view: Value| view["payment_attempt"].clone();
    let first = attempt(attempt_is(&admin, id(&comes_back)?, "declined").await?);
    processor::pay_after_all(&dev, &first).await?;
    orders::settled(&admin, id(&comes_back)?, "open", "paid").await?;
    admin.post("/admin/v1/stock/set", &json!({"sku": "TEA-1", "on_hand": 6})).await?.expect(200)?;
    let second = attempt(attempt_is(&admin, id(&comes_too_late)?, "declined").await?);
    processor::pay_after_all(&dev, &second).await?;
    orders::settled(&admin, id(&comes_too_late)?, "expired", "refunded").await?;
    processor::told_all(&dev).await?;
    did(&dev, id(&comes_back)?, &["decline 1998", "charge 1998"]).await?;
    did(&dev, id(&comes_too_late)?, &["decline 1998", "charge 1998", "refund 1998"]).await?;
    // Told late and twice what it knows, it does nothing more.
    did(&dev, id(&paid_unseen)?, &["charge 1998"]).await?;
    assert_eq!(held(&admin).await?, (Some(0), Some(6)));
    Ok(())
}

#[tokio::test]
async fn a_customer_authenticates_or_does_not() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    let guest = dev.guest();
    for (outcome, status, paid, attempt, history) in [
        ("complete", "open", "paid", "captured", &["charge 1998"]),
        ("fail", "pending_payment", "none", "declined", &["decline 1998"]),
    ] {
        let order = place(&guest, "card_3ds").await?;
        let seen = attempt_is(&admin, id(&order)?, "requires_action").await?;
        let url = seen["payment_attempt"]["next_action"]["url"].as_str().context("where to go")?;
        let bank = dev.admin().to(url, None);
        assert_eq!(bank.get(&format!("?outcome={outcome}")).await?.status, 200);
        attempt_is(&admin, id(&order)?, attempt).await?;
        orders::settled(&admin, id(&order)?, status, paid).await?;
        did(&dev, id(&order)?, history).await?;
    }

    // Given up: first at the processor, and only then is the stock for others.
    let before = held(&admin).await?;
    let order = place(&guest, "card_3ds").await?;
    attempt_is(&admin, id(&order)?, "requires_action").await?;
    control(&dev, &json!({"faults": [{"fault": "error_before", "on": "cancel", "times": 2}]})).await?;
    let asked = as_guest(&dev, &order, "cancel", json!({})).await?;
    assert!((200..300).contains(&asked.status), "{}", asked.text);
    let seen = attempt_is(&admin, id(&order)?, "canceling").await?;
    assert_eq!((&seen["status"], &seen["cancel_requested"]), (&json!("pending_payment"), &json!(true)));
    assert_eq!(held(&admin).await?.0, before.0.map(|held| held + 2));
    orders::settled(&admin, id(&order)?, "canceled", "none").await?;
    did(&dev, id(&order)?, &["cancel 1998"]).await?;
    assert_eq!(held(&admin).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_crash_after_the_charge_charges_once() -> Result<()> {
    let (mut dev, admin) = shop(&[]).await?;
    let late = json!([{"fault": "slow", "on": "create", "delay_ms": 2500}]);
    control(&dev, &json!({"webhooks": {"mode": "off"}, "faults": late})).await?;
    let order = place(&admin, "card_ok").await?;
    has_done(&dev, id(&order)?, "charge").await?;
    dev.kill_node().await?;
    dev.run_node().await?;
    orders::settled(&admin, id(&order)?, "open", "paid").await?;
    did(&dev, id(&order)?, &["charge 1998"]).await?;

    // The same between a refund and its answer.
    control(&dev, &json!({"faults": [{"fault": "slow", "on": "refund", "delay_ms": 2500}]})).await?;
    act(&admin, &order, "refunds", json!({})).await?;
    has_done(&dev, id(&order)?, "refund").await?;
    dev.kill_node().await?;
    dev.run_node().await?;
    orders::settled(&admin, id(&order)?, "open", "refunded").await?;
    did(&dev, id(&order)?, &["charge 1998", "refund 1998"]).await
}

#[tokio::test]
async fn a_cancel_that_races_the_money_is_refunded_once() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    control(&dev, &json!({"webhooks": {"mode": "hold", "copies": 3}})).await?;

    let late = |on: &str| json!({"faults": [{"fault": "slow", "on": on, "delay_ms": 2000}]});
    control(&dev, &late("create")).await?;
    let charged = place(&admin, "card_ok").await?;
    has_done(&dev, id(&charged)?, "charge").await?;
    let asked = cancel(&admin, id(&charged)?).await?;
    assert_eq!(asked["cancel_requested"], true, "the charge is under way: {asked:#}");

    let captured = place_on_account(&admin).await?;
    orders::settled(&admin, id(&captured)?, "open", "authorized").await?;
    control(&dev, &late("capture")).await?;
    act(&admin, &captured, "capture", json!({})).await?;
    has_done(&dev, id(&captured)?, "capture").await?;
    let asked = cancel(&admin, id(&captured)?).await?;
    assert_eq!(asked["cancel_requested"], true, "the capture is under way: {asked:#}");

    for order in [&charged, &captured] {
        orders::settled(&admin, id(order)?, "canceled", "refunded").await?;
    }
    // All of it told again, late, thrice and backwards.
    control(&dev, &json!({"webhooks": {"mode": "deliver"}, "release": "reversed"})).await?;
    processor::told_all(&dev).await?;
    did(&dev, id(&charged)?, &["charge 1998", "refund 1998"]).await?;
    did(&dev, id(&captured)?, &["authorization 1998", "capture 1998", "refund 1998"]).await?;
    assert_eq!(held(&admin).await?, (Some(0), Some(0)));
    Ok(())
}

#[tokio::test]
async fn money_for_a_canceled_order_goes_back_once() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    control(&dev, &json!({"webhooks": {"copies": 2}})).await?;
    let order = place(&admin, "card_declined").await?;
    let declined = attempt_is(&admin, id(&order)?, "declined").await?;
    let canceled = cancel(&admin, id(&order)?).await?;
    assert_eq!(canceled["status"], "canceled", "{canceled:#}");
    processor::pay_after_all(&dev, &declined["payment_attempt"]).await?;
    orders::settled(&admin, id(&order)?, "canceled", "refunded").await?;
    processor::told_all(&dev).await?;
    did(&dev, id(&order)?, &["decline 1998", "charge 1998", "refund 1998"]).await?;
    assert_eq!(held(&admin).await?, (Some(0), Some(0)));
    Ok(())
}

#[tokio::test]
async fn two_tabs_pay_once() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    let order = place(&dev.guest(), "card_3ds").await?;
    attempt_is(&admin, id(&order)?, "requires_action").await?;
    let another = json!({"provider": "sandbox", "method": "card_ok"});
    let refused = as_guest(&dev, &order, "payment-attempts", another.clone()).await?;
    assert_eq!((refused.status, refused.code().as_str()), (409, "payment_in_progress"), "{}", refused.text);
    assert!(refused.text.contains(id(&order["payment_attempt"])?), "{}", refused.text);

    let order = place(&dev.guest(), "card_declined").await?;
    attempt_is(&admin, id(&order)?, "declined").await?;
    control(&dev, &json!({"faults": [{"fault": "slow", "on": "create", "delay_ms": 1000}]})).await?;
    let (one, other) = tokio::try_join!(
        as_guest(&dev, &order, "payment-attempts", another.clone()),
        as_guest(&dev, &order, "payment-attempts", another.clone())
    )?;
    let (opened, refused) = if one.status < 300 { (one, other) } else { (other, one) };
    assert_eq!((opened.status, refused.status), (201, 409), "{}\n{}", opened.text, refused.text);
    assert_eq!(refused.code(), "payment_in_progress", "{}", refused.text);
    let paying = orders::settled(&admin, id(&order)?, "open", "paid").await?;
    assert!(refused.text.contains(id(&paying["payment_attempt"])?), "{}", refused.text);
    did(&dev, id(&order)?, &["decline 1998", "charge 1998"]).await
}

#[tokio::test]
async fn a_stranger_s_payment_is_listed_and_pays_nothing() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    control(&dev, &json!({"webhooks": {"copies": 2}})).await?;
    let order = place(&admin, "card_declined").await?;
    let declined = attempt_is(&admin, id(&order)?, "declined").await?;
    let attempt = id(&declined["payment_attempt"])?;
    let charge =
        [("amount", "1998"), ("currency", "eur"), ("payment_method", "card_ok"), ("confirm", "true")];
    let unclaimed = processor::call(&dev, "/v1/payment_intents", &charge).await?;
    // It claims to be the order's payment, and is not the object that the order knows.
    let impostor =
        [&charge[..], &[("metadata[attempt]", attempt), ("metadata[order]", id(&order)?)]].concat();
    let impostor = processor::call(&dev, "/v1/payment_intents", &impostor).await?;
    processor::told_all(&dev).await?;

    let list = admin.get("/admin/v1/payments/unmatched").await?.expect(200)?;
    for (object, payment) in [(&unclaimed, Value::Null), (&impostor, json!(attempt))] {
        let found: Vec<&Value> = list["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|row| row["provider_object"] == object["id"])
            .collect();
        assert_eq!(found.len(), 1, "listed once: {list:#}");
        assert_eq!((&found[0]["payment_id"], &found[0]["amount"]["amount"]), (&payment, &json!(1998)));
    }
    let told = admin.get("/admin/v1/topics/payments/events?after=0&limit=100").await?.expect(200)?;
    let unmatched = told["data"].as_array().into_iter().flatten();
    assert_eq!(unmatched.filter(|event| event["type"] == "shopnode.payment.unmatched.v1").count(), 2);
    orders::settled(&admin, id(&order)?, "pending_payment", "none").await?;
    Ok(())
}

#[tokio::test]
async fn staff_capture_void_and_refund() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    // Webhooks would heal a lost answer before the worker does.
    control(&dev, &json!({"webhooks": {"mode": "off"}})).await?;

    let voided = place_on_account(&admin).await?;
    orders::settled(&admin, id(&voided)?, "open", "authorized").await?;
    control(&dev, &json!({"faults": [{"fault": "drop_after", "on": "cancel"}]})).await?;
    act(&admin, &voided, "void", json!({})).await?;
    attempt_is(&admin, id(&voided)?, "voided").await?;
    did(&dev, id(&voided)?, &["authorization 1998", "cancel 1998"]).await?;

    let order = place_on_account(&admin).await?;
    orders::settled(&admin, id(&order)?, "open", "authorized").await?;
    control(&dev, &json!({"faults": [{"fault": "drop_after", "on": "capture"}]})).await?;
    act(&admin, &order, "capture", json!({})).await?;
    orders::settled(&admin, id(&order)?, "open", "paid").await?;

    let euros = |amount: i64| json!({"amount": {"amount": amount, "currency": "EUR"}});
    control(&dev, &json!({"faults": [{"fault": "drop_after", "on": "refund"}]})).await?;
    act(&admin, &order, "refunds", euros(500)).await?;
    orders::settled(&admin, id(&order)?, "open", "partially_refunded").await?;
    let path = format!("/admin/v1/payments/{}/refunds", id(&order["payment_attempt"])?);
    let refused = admin.post(&path, &euros(1499)).await?;
    assert!((409..=422).contains(&refused.status), "more than was captured: {}", refused.text);
    act(&admin, &order, "refunds", json!({})).await?;
    orders::settled(&admin, id(&order)?, "open", "refunded").await?;
    did(&dev, id(&order)?, &["authorization 1998", "capture 1998", "refund 500", "refund 1498"]).await
}

#[tokio::test]
async fn a_refund_fails_and_another_succeeds() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    let order = place(&admin, "card_ok").await?;
    orders::settled(&admin, id(&order)?, "open", "paid").await?;
    let refund_is = |position: usize, status: &'static str| {
        let (admin, path) =
            (admin.clone(), format!("/admin/v1/orders/{}", order["id"].as_str().unwrap_or("")));
        async move {
            wait::until(&format!("a refund that is {status}"), Duration::from_secs(30), || async {
                let view = admin.get(&path).await.ok()?.json();
                (view["refunds"][position]["status"] == status).then_some(view)
            })
            .await
        }
    };
    let pending = json!({"refunds": {"outcome": "succeeded", "settle_after_ms": 600_000}});
    control(&dev, &pending).await?;
    act(&admin, &order, "refunds", json!({})).await?;
    refund_is(0, "pending").await?;
    control(&dev, &json!({"settle_refunds": "failed"})).await?;
    let failed = refund_is(0, "failed").await?;
    assert_eq!(failed["payment_status"], "paid", "{failed:#}");

    // This time nobody tells of it: it is looked up.
    control(&dev, &json!({"webhooks": {"mode": "off"}})).await?;
    act(&admin, &order, "refunds", json!({})).await?;
    refund_is(1, "pending").await?;
    control(&dev, &json!({"settle_refunds": "succeeded"})).await?;
    orders::settled(&admin, id(&order)?, "open", "refunded").await?;
    let history =
        ["charge 1998", "refund_pending 1998", "refund_failed 1998", "refund_pending 1998", "refund 1998"];
    did(&dev, id(&order)?, &history).await
}

#[tokio::test]
async fn after_a_declined_card_another_one_pays() -> Result<()> {
    let (dev, admin) = shop(&[]).await?;
    let order = place(&dev.guest(), "card_declined").await?;
    let declined = attempt_is(&admin, id(&order)?, "declined").await?;
    assert_eq!(declined["status"], "pending_payment", "{declined:#}");
    assert_eq!(declined["payment_attempt"]["failure"], "generic_decline", "{declined:#}");
    assert!(declined["held_until"].is_string(), "nothing is under way, so the hold can end: {declined:#}");
    let another = json!({"provider": "sandbox", "method": "card_ok"});
    as_guest(&dev, &order, "payment-attempts", another).await?.expect(201)?;
    orders::settled(&admin, id(&order)?, "open", "paid").await?;
    did(&dev, id(&order)?, &["decline 1998", "charge 1998"]).await
}

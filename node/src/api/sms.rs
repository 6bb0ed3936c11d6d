//! Text messages, for staff: which were due, and what became of them.

use axum::response::Response;
use shop::http::Page;
use shop::sms::RetryMessage;
use shop::sms::http::{SmsQuery, SmsView};
use shop::sms::queries;
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Empty, MaybeJson, PathId, Policy, Problem, Query, Routes};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::OrdersRead))
        .add(routes!(retry), Policy::only(Scope::OrdersWrite))
}

/// Lists text messages, those of the newest events first.
#[utoipa::path(
    get, path = "/admin/v1/sms", tag = "notifications", operation_id = "list_sms",
    params(SmsQuery),
    responses((status = 200, description = "Text messages", body = Page<SmsView>))
)]
async fn list(call: Call, Query(query): Query<SmsQuery>) -> Result<Response, Problem> {
    let (status, before, limit) = query.read()?;
    let seen = call.read(move |view| {
        let found = queries::list(view, status, before, limit)?;
        Ok(Page::of(found, |(seq, message)| SmsView::from((seq, &message))))
    });
    seen.await?.answer()
}

/// Sends a text message again that has failed, with all tries before it. If nobody knows whether it left, it may arrive
/// twice.
#[utoipa::path(
    post, path = "/admin/v1/sms/{id}/retry", tag = "notifications", operation_id = "retry_sms",
    params(("id" = u64, Path, description = "The text message's `cause_seq`")),
    request_body = Option<Empty>,
    responses((status = 204, description = "It is due again"))
)]
async fn retry(call: Call, PathId(seq): PathId<u64>, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    Ok(call.carry_out(RetryMessage { seq }, body.fingerprint).await?.no_content())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use serde_json::{Value, json};
    use shop::broker::{Fence, TakeLease};
    use shop::ids::OrderId;
    use shop::sms::{
        BeginMessages, Ended, EnqueueMessages, Finding, Item, Kind, Outcome, QUEUE, ReportMessages,
    };

    use crate::gateway::testing::Bench;

    /// Four text messages: one is sent, one has failed, one may have been sent, one is pending.
    fn with_texts() -> Bench {
        let bench = Bench::new();
        bench.core.active_version.store(4, Ordering::Relaxed);
        bench.run(TakeLease { queue: QUEUE.into(), holder: 1, after_epoch: 0 });
        let fence = || Fence { queue: QUEUE.into(), epoch: 1 };
        let item = |seq| Item { seq, kind: Kind::Shipped(1), order: OrderId([1; 16]) };
        bench.run(EnqueueMessages { fence: fence(), up_to: 4, items: (1..=4).map(item).collect() });
        let begun = bench.run(BeginMessages { fence: fence(), seqs: vec![1, 2, 3] });
        let shop::Outcome::Sms(Outcome::Begun { attempt, .. }) = begun else { panic!("{begun:?}") };
        let refused = Finding::Refused { reason: "refused: 21211".into() };
        let ended = |(seq, finding)| Ended { seq, attempt, finding };
        let results = [(1, Finding::Sent), (2, refused)].map(ended).to_vec();
        bench.run(ReportMessages { fence: fence(), results });
        bench
    }

    fn seqs(page: &Value) -> Vec<u64> {
        let texts = page["data"].as_array().unwrap().iter();
        texts.map(|text| text["cause_seq"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn texts_are_listed_by_status_and_page_by_page() {
        let bench = with_texts();
        let list =
            async |query: &str| bench.admin(&format!("GET /admin/v1/sms{query}"), &[], "").await.expect(200);
        let first = list("?limit=3").await;
        assert_eq!(seqs(&first), [4, 3, 2]);
        let failed = &first["data"][2];
        assert_eq!(
            (&failed["status"], &failed["kind"], &failed["reason"], &failed["tries"]),
            (&json!("failed"), &json!("order_shipped"), &json!("refused: 21211"), &json!(1))
        );
        let rest = list(&format!("?limit=3&cursor={}", first["next_cursor"].as_str().unwrap())).await;
        assert_eq!((seqs(&rest), &rest["next_cursor"]), (vec![1], &Value::Null));
        for (status, expect) in [("pending", 4), ("sending", 3), ("failed", 2), ("sent", 1)] {
            assert_eq!(seqs(&list(&format!("?status={status}")).await), [expect], "{status}");
        }
        for wrong in ["?status=lost", "?cursor=x", "?limit=0", "?order=x"] {
            let answer = bench.admin(&format!("GET /admin/v1/sms{wrong}"), &[], "").await;
            assert_eq!(answer.status, 400, "{wrong}");
        }
    }

    #[tokio::test]
    async fn only_a_failed_text_is_sent_again_and_only_by_staff() {
        let bench = with_texts();
        let line = |seq: &str| format!("POST /admin/v1/sms/{seq}/retry");
        bench.core.active_version.store(3, Ordering::Relaxed);
        assert_eq!(bench.admin(&line("2"), &[], "").await.verdict(), (409, "level_too_low".into()));
        bench.core.active_version.store(4, Ordering::Relaxed);
        let reader = format!("authorization: Bearer {}", bench.client("orders:read").1);
        assert_eq!(bench.call(&line("2"), &[&reader], "").await.status, 403);
        assert_eq!(bench.call("GET /admin/v1/sms", &[], "").await.status, 401);
        let key = "idempotency-key: once";
        for replayed in ["", "true"] {
            let answer = bench.admin(&line("2"), &[key], "").await;
            assert_eq!((answer.status.as_u16(), answer.header("idempotent-replayed")), (204, replayed));
        }
        for (seq, status) in [("1", 409), ("2", 409), ("3", 409), ("4", 409), ("9", 404), ("x", 404)] {
            assert_eq!(bench.admin(&line(seq), &[], "").await.status, status, "{seq}");
        }
    }
}

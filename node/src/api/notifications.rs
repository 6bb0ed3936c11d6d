//! Notifications, for staff: which mails were due, and what became of them.

use axum::response::Response;
use shop::http::Page;
use shop::notification::RetryNotification;
use shop::notification::http::{NotificationView, NotificationsQuery};
use shop::notification::queries;
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Empty, MaybeJson, PathId, Policy, Problem, Query, Routes};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::OrdersRead))
        .add(routes!(retry), Policy::only(Scope::OrdersWrite))
}

/// Lists notifications, those of the newest events first.
#[utoipa::path(
    get, path = "/admin/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    params(NotificationsQuery),
    responses((status = 200, description = "Notifications", body = Page<NotificationView>))
)]
async fn list(call: Call, Query(query): Query<NotificationsQuery>) -> Result<Response, Problem> {
    let (status, before, limit) = query.read()?;
    let seen = call.read(move |view| {
        let found = queries::list(view, status, before, limit)?;
        Ok(Page::of(found, |(seq, notification)| NotificationView::from((seq, &notification))))
    });
    seen.await?.answer()
}

/// Sends a mail again that has failed, with all tries before it.
#[utoipa::path(
    post, path = "/admin/v1/notifications/{id}/retry", tag = "notifications", operation_id = "retry_notification",
    params(("id" = u64, Path, description = "The notification's `cause_seq`")),
    request_body = Option<Empty>,
    responses((status = 204, description = "It is due again"))
)]
async fn retry(call: Call, PathId(seq): PathId<u64>, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    Ok(call.carry_out(RetryNotification { seq }, body.fingerprint).await?.no_content())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use serde_json::{Value, json};
    use shop::broker::{Fence, TakeLease};
    use shop::ids::OrderId;
    use shop::notification::{Delivery, Enqueue, Item, Kind, QUEUE, Report};

    use crate::gateway::testing::Bench;

    /// Four mails: one is sent, one has failed, two are pending.
    fn with_mails() -> Bench {
        let bench = Bench::new();
        bench.run(TakeLease { queue: QUEUE.into(), holder: 1, after_epoch: 0 });
        let fence = || Fence { queue: QUEUE.into(), epoch: 1 };
        let kinds = [Kind::Confirmed, Kind::Shipped(1), Kind::Refunded(1), Kind::Confirmed];
        let items = (1..).zip(kinds).map(|(seq, kind)| Item { seq, kind, order: OrderId([1; 16]) }).collect();
        bench.run(Enqueue { fence: fence(), up_to: 4, items });
        let failed = Delivery::Failed { reason: "550".into() };
        bench.run(Report { fence: fence(), results: vec![(2, Delivery::Sent), (3, failed)] });
        bench
    }

    fn seqs(page: &Value) -> Vec<u64> {
        let mails = page["data"].as_array().unwrap().iter();
        mails.map(|mail| mail["cause_seq"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn mails_are_listed_by_status_and_page_by_page() {
        let bench = with_mails();
        let list = async |query: &str| {
            bench.admin(&format!("GET /admin/v1/notifications{query}"), &[], "").await.expect(200)
        };
        let first = list("?limit=3").await;
        assert_eq!(seqs(&first), [4, 3, 2]);
        let failed = &first["data"][1];
        assert_eq!(
            (&failed["status"], &failed["kind"], &failed["reason"], &failed["tries"]),
            (&json!("failed"), &json!("order_refunded"), &json!("550"), &json!(1))
        );
        let rest = list(&format!("?limit=3&cursor={}", first["next_cursor"].as_str().unwrap())).await;
        assert_eq!((seqs(&rest), &rest["next_cursor"]), (vec![1], &Value::Null));
        for (status, expect) in [("pending", vec![4, 1]), ("sent", vec![2]), ("failed", vec![3])] {
            assert_eq!(seqs(&list(&format!("?status={status}")).await), expect, "{status}");
        }
        for wrong in ["?status=lost", "?cursor=x", "?limit=0", "?order=x"] {
            let answer = bench.admin(&format!("GET /admin/v1/notifications{wrong}"), &[], "").await;
            assert_eq!(answer.status, 400, "{wrong}");
        }
    }

    #[tokio::test]
    async fn mails_are_for_those_who_may_read_orders() {
        let bench = with_mails();
        let line = "GET /admin/v1/notifications";
        assert_eq!(bench.call(line, &[], "").await.status, 401);
        for (scope, status) in [("orders:place", 403), ("orders:read", 200)] {
            let key = format!("authorization: Bearer {}", bench.client(scope).1);
            assert_eq!(bench.call(line, &[&key], "").await.status, status, "{scope}");
        }
    }
    #[tokio::test]
    async fn a_failed_mail_is_sent_again_once_the_cluster_can() {
        let bench = with_mails();
        let retry = async |seq: &str, fields: &[&str]| {
            bench.admin(&format!("POST /admin/v1/notifications/{seq}/retry"), fields, "").await
        };
        assert_eq!(retry("3", &[]).await.verdict(), (409, "level_too_low".into()));
        bench.core.active_version.store(3, Ordering::Relaxed);
        let key = "idempotency-key: once";
        for replayed in ["", "true"] {
            let answer = retry("3", &[key]).await;
            assert_eq!((answer.status.as_u16(), answer.header("idempotent-replayed")), (204, replayed));
        }
        let pending = bench.admin("GET /admin/v1/notifications?status=pending", &[], "").await.expect(200);
        assert_eq!((seqs(&pending), &pending["data"][1]["tries"]), (vec![4, 3, 1], &json!(0)));
        for (seq, status) in [("3", 409), ("2", 409), ("9", 404), ("x", 404)] {
            assert_eq!(retry(seq, &[]).await.status, status, "{seq}");
        }
        let reader = format!("authorization: Bearer {}", bench.client("orders:read").1);
        let line = "POST /admin/v1/notifications/3/retry";
        assert_eq!(bench.call(line, &[&reader], "").await.status, 403);
    }
}

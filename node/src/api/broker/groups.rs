//! Consumer groups: who shares the reading of topics, and how far each partition is done. The events themselves are read
//! by topic and partition, as anybody reads them.

use axum::response::Response;
use http::StatusCode;
use shop::broker::http::{
    AssignmentView, CommitInput, EpochView, GroupView, GroupsQuery, HeartbeatInput, JoinInput,
    MembershipView, PositionInput, SESSION_SECONDS,
};
use shop::broker::{LeaveGroup, Outcome, queries};
use shop::http::Page;
use shop::user::Scope;
use shop::{Code, Rejection};
use storage::View;
use utoipa_axum::routes;

use crate::gateway::{
    Call, Done, Json, PathId, PathIds, Policy, Problem, Query, READ_TIMEOUT, Routes, unexpected,
};

/// Reading with a group is reading; only who may write sets a group back.
pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::EventsRead))
        .add(routes!(get), Policy::only(Scope::EventsRead))
        .add(routes!(join), Policy::only(Scope::EventsRead))
        .add(routes!(heartbeat), Policy::only(Scope::EventsRead))
        .add(routes!(leave), Policy::only(Scope::EventsRead))
        .add(routes!(commit), Policy::only(Scope::EventsRead))
        .add(routes!(reset), Policy::only(Scope::EventsWrite))
}

fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such group")
}

/// Lists the consumer groups with their positions and lag.
#[utoipa::path(
    get, path = "/admin/v1/groups", tag = "events", operation_id = "list_groups",
    params(GroupsQuery),
    responses((status = 200, description = "Groups", body = Page<GroupView>))
)]
async fn list(call: Call, Query(query): Query<GroupsQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let seen = call.read(move |view| {
        let last = queries::last_seq(view)?;
        let found = queries::groups(view, after, limit)?.try_map(|(name, group)| {
            let offsets = queries::offsets(view, &name)?;
            Ok(GroupView::of(name, group, offsets, last))
        })?;
        Ok(Page::of(found, |view| view))
    });
    seen.await?.answer()
}

/// A consumer group: its members, and of each partition that was committed who has it, how far it is and what is left.
#[utoipa::path(
    get, path = "/admin/v1/groups/{group}", tag = "events", operation_id = "get_group",
    params(("group" = String, Path)),
    responses((status = 200, description = "The group", body = GroupView))
)]
async fn get(call: Call, PathId(name): PathId<String>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let group = queries::group(view, &name)?.ok_or_else(missing)?;
        let offsets = queries::offsets(view, &name)?;
        Ok(GroupView::of(name, group, offsets, queries::last_seq(view)?))
    });
    seen.await?.answer()
}

/// Makes a consumer a member of a group, which is made if it is not there. A new epoch begins: what its members were
/// given before is given anew by the next heartbeat.
#[utoipa::path(
    post, path = "/admin/v1/groups/{group}/members", tag = "events", operation_id = "join_group",
    params(("group" = String, Path)),
    request_body = JoinInput,
    responses((status = 201, description = "The membership", body = MembershipView))
)]
async fn join(call: Call, PathId(group): PathId<String>, body: Json<JoinInput>) -> Result<Response, Problem> {
    let member = body.value.member.clone();
    let done = call.carry_out(body.value.command(group.clone())?, body.fingerprint).await?;
    let epoch = epoch(&done)?;
    // One that was a member before has a session that may be about to end. If nobody hears this, it is a member all the
    // same, until the session ends: its next heartbeat is due before.
    if let Err(unheard) = alive(&call, &group, &member).await {
        tracing::debug!(problem = ?unheard, "the leader did not hear that a consumer has joined");
    }
    let place = format!("/admin/v1/groups/{group}");
    done.created(&place, &MembershipView { group, member, epoch, session_seconds: SESSION_SECONDS })
}

/// Says that a member lives, and tells it what to read now. 404: its membership has ended, and it joins again.
#[utoipa::path(
    post, path = "/admin/v1/groups/{group}/members/{member}/heartbeat", tag = "events", operation_id = "send_heartbeat",
    params(("group" = String, Path), ("member" = String, Path)),
    request_body = HeartbeatInput,
    responses((status = 200, description = "What the member has to read", body = AssignmentView))
)]
async fn heartbeat(
    call: Call,
    PathIds(group, member): PathIds<String, String>,
    body: Json<HeartbeatInput>,
) -> Result<Response, Problem> {
    let topics = body.value.topics()?;
    let (of, by) = (group.clone(), member.clone());
    let seen = call.read(move |view| assignment(view, &of, &by, &topics)).await?;
    alive(&call, &group, &member).await?;
    seen.answer()
}

/// Ends a membership: the other members get its partitions with their next heartbeat.
#[utoipa::path(
    delete, path = "/admin/v1/groups/{group}/members/{member}", tag = "events", operation_id = "leave_group",
    params(("group" = String, Path), ("member" = String, Path)),
    responses((status = 204, description = "It is no member"))
)]
async fn leave(call: Call, PathIds(group, member): PathIds<String, String>) -> Result<Response, Problem> {
    Ok(call.carry_out(LeaveGroup { group, member }, call.no_body()).await?.no_content())
}

/// Remembers how far partitions are done. 409 `stale_epoch`: the membership has changed since the last heartbeat, and
/// nothing of it was remembered.
#[utoipa::path(
    post, path = "/admin/v1/groups/{group}/offsets", tag = "events", operation_id = "commit_offsets",
    params(("group" = String, Path)),
    request_body = CommitInput,
    responses((status = 204, description = "It is remembered"))
)]
async fn commit(
    call: Call,
    PathId(group): PathId<String>,
    body: Json<CommitInput>,
) -> Result<Response, Problem> {
    Ok(call.carry_out(body.value.command(group)?, body.fingerprint).await?.no_content())
}

/// Sets how far a partition is done, backwards too, so that it is read again. A new epoch begins.
#[utoipa::path(
    post, path = "/admin/v1/groups/{group}/offsets/reset", tag = "events", operation_id = "reset_offset",
    params(("group" = String, Path)),
    request_body = PositionInput,
    responses((status = 200, description = "The epoch from now on", body = EpochView))
)]
async fn reset(
    call: Call,
    PathId(group): PathId<String>,
    body: Json<PositionInput>,
) -> Result<Response, Problem> {
    let done = call.carry_out(body.value.reset(group), body.fingerprint).await?;
    done.answer(StatusCode::OK, &EpochView { epoch: epoch(&done)? })
}

fn epoch(done: &Done) -> Result<u64, Problem> {
    match &done.outcome {
        shop::Outcome::Broker(Outcome::Membership { epoch }) => Ok(*epoch),
        other => Err(unexpected(other)),
    }
}

async fn alive(call: &Call, group: &str, member: &str) -> Result<(), Problem> {
    let deadline = call.deadline.min(std::time::Instant::now() + READ_TIMEOUT);
    Ok(call.app.core.heartbeat(group, member, deadline).await?)
}

fn assignment(
    view: &View<'_>,
    name: &str,
    member: &str,
    topics: &[String],
) -> Result<AssignmentView, Problem> {
    let group = queries::group(view, name)?.ok_or_else(missing)?;
    if !group.has(member) {
        return Err(Problem::new(Code::NotFound, "the group has no such member: join it again"));
    }
    let mut positions = Vec::new();
    for topic in topics {
        let found = queries::topic(view, topic)?;
        let partitions = found.map(|topic| topic.partitions).ok_or_else(|| {
            // Another code than that of a membership that has ended: joining again would not help.
            Rejection::at(Code::InvalidValue, "/topics", format!("there is no topic {topic}"))
        })?;
        positions.extend(queries::assignment(view, (name, &group), member, (topic, partitions))?);
    }
    Ok(AssignmentView::of(group.epoch, positions))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::gateway::Unserved;
    use crate::gateway::testing::{Answer, Bench};
    use shop::broker::{CreateTopic, PublishEvent};

    const HEARTBEAT: &str = r#"{"topics": ["acme"]}"#;

    /// A topic of four partitions with `events` events.
    fn with_events(events: usize) -> Bench {
        let bench = Bench::new();
        bench.run(CreateTopic { name: "acme".into(), partitions: 4, retention_days: None });
        for number in 0..events {
            let (topic, kind) = ("acme".to_owned(), "acme.seen.v1".to_owned());
            bench.run(PublishEvent { topic, kind, key: format!("p-{number}"), data: "1".into() });
        }
        bench
    }

    async fn join(bench: &Bench, member: &str) -> Value {
        let body = json!({"member": member}).to_string();
        bench.admin("POST /admin/v1/groups/erp/members", &[], &body).await.expect(201)
    }

    async fn heartbeat(bench: &Bench, member: &str) -> Answer {
        let line = format!("POST /admin/v1/groups/erp/members/{member}/heartbeat");
        bench.admin(&line, &[], HEARTBEAT).await
    }

    async fn commit(bench: &Bench, epoch: &Value, positions: &[Value]) -> Answer {
        let body = json!({"epoch": epoch, "positions": positions}).to_string();
        bench.admin("POST /admin/v1/groups/erp/offsets", &[], &body).await
    }

    /// Reads all that a member has to read, in pages of two; the numbers it got and what it would commit.
    async fn read(bench: &Bench, assignment: &Value) -> (BTreeSet<u64>, Vec<Value>) {
        let (mut seen, mut positions) = (BTreeSet::new(), Vec::new());
        for part in assignment["partitions"].as_array().unwrap() {
            let (partition, mut after) = (&part["partition"], part["seq"].clone());
            loop {
                let line =
                    format!("GET /admin/v1/topics/acme/events?partition={partition}&after={after}&limit=2");
                let page = bench.admin(&line, &[], "").await.expect(200);
                seen.extend(
                    page["data"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()),
                );
                after = page["next_after"].clone();
                if page["more"] == false {
                    break;
                }
            }
            positions.push(json!({"topic": "acme", "partition": partition, "seq": after}));
        }
        (seen, positions)
    }

    #[tokio::test]
    async fn two_share_the_partitions_and_one_takes_over_from_what_was_committed() {
        let bench = with_events(40);
        let first = join(&bench, "a").await;
        assert_eq!(first, json!({"group": "erp", "member": "a", "epoch": 1, "session_seconds": 30}));
        let alone = heartbeat(&bench, "a").await.expect(200);
        assert_eq!(alone["partitions"].as_array().unwrap().len(), 4);
        assert_eq!(alone["partitions"][3], json!({"topic": "acme", "partition": 3, "seq": 0}));

        join(&bench, "b").await;
        let of_a = heartbeat(&bench, "a").await.expect(200);
        let of_b = heartbeat(&bench, "b").await.expect(200);
        assert_eq!((&of_a["epoch"], &of_b["epoch"]), (&json!(2), &json!(2)));
        let ((seen_a, done_a), (seen_b, done_b)) = (read(&bench, &of_a).await, read(&bench, &of_b).await);
        assert!(seen_a.is_disjoint(&seen_b) && !seen_a.is_empty() && !seen_b.is_empty());
        assert_eq!(seen_a.len() + seen_b.len(), 40);
        assert_eq!(commit(&bench, &json!(1), &done_a).await.verdict(), (409, "stale_epoch".into()));
        assert_eq!(commit(&bench, &json!(2), &done_a).await.status, 204);

        // b leaves before it has committed: a reads what b has read, and nothing of its own again.
        let leave = || bench.admin("DELETE /admin/v1/groups/erp/members/b", &[], "");
        assert_eq!((leave().await.status.as_u16(), leave().await.status.as_u16()), (204, 204));
        assert_eq!(commit(&bench, &json!(2), &done_b).await.verdict(), (409, "stale_epoch".into()));
        assert_eq!(heartbeat(&bench, "b").await.verdict(), (404, "not_found".into()));
        let taken_over = heartbeat(&bench, "a").await.expect(200);
        let (seen, done) = read(&bench, &taken_over).await;
        assert_eq!(seen, seen_b);
        assert_eq!(commit(&bench, &taken_over["epoch"], &done).await.status, 204);

        let group = bench.admin("GET /admin/v1/groups/erp", &[], "").await.expect(200);
        assert_eq!((&group["members"], &group["epoch"]), (&json!(["a"]), &json!(3)));
        let positions = group["positions"].as_array().unwrap();
        assert!(positions.iter().all(|at| at["lag"] == 0 && at["member"] == "a"), "{group}");
        assert_eq!(positions.len(), 4);
        let list = bench.admin("GET /admin/v1/groups", &[], "").await.expect(200);
        assert_eq!(list["data"], json!([group]));
        assert_eq!(bench.admin("GET /admin/v1/groups/other", &[], "").await.status, 404);
    }

    #[tokio::test]
    async fn a_repeated_join_is_one_epoch_and_one_without_a_key_another() {
        let bench = with_events(0);
        let join = async |fields: &[&str]| {
            bench.admin("POST /admin/v1/groups/erp/members", fields, r#"{"member": "a"}"#).await
        };
        let key = "idempotency-key: once";
        let (first, second) = (join(&[key]).await, join(&[key]).await);
        assert_eq!((first.text, first.status), (second.text.clone(), second.status));
        assert_eq!(second.header("idempotent-replayed"), "true");
        assert_eq!(join(&[]).await.expect(201)["epoch"], 2);
        // A join is heard of as a heartbeat is; so is each of those.
        heartbeat(&bench, "a").await.expect(200);
        assert_eq!(*bench.core.heartbeats.lock().unwrap(), vec!["erp/a"; 4]);
    }

    #[tokio::test]
    async fn a_heartbeat_that_the_leader_did_not_hear_is_told() {
        let bench = with_events(0);
        join(&bench, "a").await;
        *bench.core.refuse.lock().unwrap() = Some(Unserved::NotReady);
        assert_eq!(heartbeat(&bench, "a").await.verdict(), (503, "not_ready".into()));
    }

    #[tokio::test]
    async fn a_reset_goes_back_and_fences_commits_off() {
        let bench = with_events(10);
        join(&bench, "a").await;
        let (_, done) = read(&bench, &heartbeat(&bench, "a").await.expect(200)).await;
        assert_eq!(commit(&bench, &json!(1), &done).await.status, 204);
        let body = json!({"topic": "acme", "partition": 1, "seq": 3}).to_string();
        let reset = bench.admin("POST /admin/v1/groups/erp/offsets/reset", &[], &body).await.expect(200);
        assert_eq!(reset, json!({"epoch": 2}));
        assert_eq!(commit(&bench, &json!(1), &done).await.verdict(), (409, "stale_epoch".into()));
        let again = heartbeat(&bench, "a").await.expect(200);
        assert_eq!((&again["epoch"], &again["partitions"][1]["seq"]), (&json!(2), &json!(3)));
    }

    #[tokio::test]
    async fn what_is_not_allowed_is_told() {
        let bench = with_events(1);
        join(&bench, "a").await;
        let check = async |line: &str, body: Value, expect: (u16, &str)| {
            let answer = bench.admin(&format!("POST /admin/v1/groups/{line}"), &[], &body.to_string()).await;
            assert_eq!(answer.verdict(), (expect.0, expect.1.to_owned()), "{line} {body}: {}", answer.text);
        };
        let at = |partition: u16, seq: u64| json!({"topic": "acme", "partition": partition, "seq": seq});
        let many = vec![at(0, 1); 501];
        check("a%20b/members", json!({"member": "a"}), (400, "invalid_parameter")).await;
        check("erp/members", json!({"member": "a b"}), (422, "invalid_value")).await;
        check("erp/members", json!({"member": "a", "topics": []}), (400, "malformed_body")).await;
        check("erp/members/a/heartbeat", json!({"topics": []}), (422, "invalid_value")).await;
        check("erp/members/a/heartbeat", json!({"topics": ["none"]}), (422, "invalid_value")).await;
        check("none/members/a/heartbeat", json!({"topics": ["acme"]}), (404, "not_found")).await;
        check("none/offsets", json!({"epoch": 1, "positions": [at(0, 1)]}), (409, "stale_epoch")).await;
        check("erp/offsets", json!({"epoch": 1, "positions": many}), (422, "invalid_value")).await;
        check("erp/offsets", json!({"epoch": 1, "positions": [at(4, 1)]}), (422, "invalid_value")).await;
        check("erp/offsets", json!({"epoch": 1, "positions": [at(0, 999)]}), (422, "invalid_value")).await;
        check("erp/offsets/reset", at(4, 1), (422, "invalid_value")).await;
        check("none/offsets/reset", at(0, 1), (404, "not_found")).await;
    }

    #[tokio::test]
    async fn groups_are_for_those_who_may_read_events_and_resets_for_those_who_may_write() {
        let bench = with_events(1);
        join(&bench, "a").await;
        let position = r#"{"topic": "acme", "partition": 0, "seq": 1}"#;
        let positions = format!(r#"{{"epoch": 1, "positions": [{position}]}}"#);
        let clients =
            ["orders:place", "events:read", "events:write"].map(|scope| (scope, bench.client(scope).1));
        for (line, body, may) in [
            ("GET /admin/v1/groups", "", "events:read"),
            ("GET /admin/v1/groups/erp", "", "events:read"),
            ("POST /admin/v1/groups/erp/members/a/heartbeat", HEARTBEAT, "events:read"),
            ("POST /admin/v1/groups/erp/offsets", &positions, "events:read"),
            ("POST /admin/v1/groups/erp/members", r#"{"member": "b"}"#, "events:read"),
            ("DELETE /admin/v1/groups/erp/members/b", "", "events:read"),
            ("POST /admin/v1/groups/erp/offsets/reset", position, "events:write"),
        ] {
            assert_eq!(bench.call(line, &[], body).await.status, 401, "{line}");
            for (scope, key) in &clients {
                let status = bench.call(line, &[&format!("authorization: Bearer {key}")], body).await.status;
                assert_eq!(status.is_success(), *scope == may, "{line} with {scope}: {status}");
                assert!(status.is_success() || status == 403, "{line} with {scope}: {status}");
            }
        }
    }
}

use shop::broker::{
    AcquireLease, Command, CommitOffsets, CreateJob, CreateTopic, Event, Fence, FinishJob, Group, Job,
    JobError, JobKind, JobStatus, JoinGroup, Lease, LeaveGroup, Offset, Outcome, Position, Progress,
    PublishEvent, ReportJob, ResetOffset, Settings, TakeLease, Topic, TrimEvents, TrimReplies,
    TrimRepliesByEpoch, UpdateSettings,
};
use shop::ids::JobId;
use shop::{Currency, Timestamp};

use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const JOB: JobId = JobId([1; 16]);

fn fence() -> Fence {
    Fence { queue: "retention".into(), epoch: 300 }
}

fn position() -> Position {
    Position { topic: "orders".into(), partition: 7, seq: 70_000 }
}

fn settings() -> Settings {
    Settings {
        store_name: "Tea".into(),
        currency: Currency::EUR,
        hold_minutes: 30,
        payment_deadline_minutes: 60,
        automatic_capture: true,
        manual_payments: false,
        cart_days: 14,
        event_days: 365,
        updated_at: AT,
        revision: 2,
    }
}

fn progress() -> Progress {
    Progress { total: 9, done: 8, created: 3, updated: 2, unchanged: 1, failed: 2 }
}

fn errors() -> Vec<JobError> {
    vec![JobError { row: 7, column: "Variant Price".into(), detail: "no number".into() }]
}

#[test]
fn broker() {
    let topic = Topic { partitions: 8, retention_days: Some(90), created_at: AT };
    let job = Job {
        kind: JobKind::ProductImport,
        node: 3,
        dry_run: true,
        status: JobStatus::Failed,
        progress: progress(),
        errors: errors(),
        detail: Some("interrupted".into()),
        created_at: AT,
        updated_at: AT,
        finished_at: Some(AT),
    };
    let group = Group { epoch: 4, members: vec!["a".into(), "b".into()], created_at: AT, updated_at: AT };
    let published = Event::Published {
        topic: "acme".into(),
        kind: "acme.seen.v1".into(),
        key: "k".into(),
        data: "{\"n\":1}".into(),
    };
    let status = |status| FinishJob { id: JOB, status, detail: None };
    let golden = vec![
        command(AcquireLease { queue: "payments".into(), holder: 3 }),
        command(CreateTopic { name: "acme".into(), partitions: 8, retention_days: Some(90) }),
        command(PublishEvent {
            topic: "acme".into(),
            kind: "acme.seen.v1".into(),
            key: "k".into(),
            data: "{\"n\":1}".into(),
        }),
        command(JoinGroup { group: "g".into(), member: "a".into() }),
        command(LeaveGroup { group: "g".into(), member: "a".into() }),
        command(CommitOffsets { group: "g".into(), epoch: 4, positions: vec![position()] }),
        command(ResetOffset { group: "g".into(), position: position() }),
        command(TrimReplies { fence: fence(), keys: vec![[2; 32]] }),
        command(UpdateSettings { if_revision: Some(1), settings: settings() }),
        command(CreateJob { kind: JobKind::ProductImport, node: 3, dry_run: true, total: 9 }),
        command(ReportJob { id: JOB, progress: progress(), errors: errors() }),
        command(status(JobStatus::Completed)),
        command(TrimEvents { fence: fence(), below: 70_000 }),
        part("job kind backup", &JobKind::Backup),
        part("job kind backup verification", &JobKind::BackupVerification),
        command(TakeLease { queue: "payments-3".into(), holder: 2, after_epoch: 300 }),
        command(TrimRepliesByEpoch { fence: fence(), keys: vec![(300, [2; 32])] }),
        part("job running", &JobStatus::Running),
        part("job failed", &JobStatus::Failed),
        event(shop::Event::Broker(published)),
        event(shop::Event::Broker(Event::TopicCreated { topic: "acme".into() })),
        event(shop::Event::Broker(Event::SettingsUpdated { revision: 2 })),
        event(shop::Event::Broker(Event::JobCompleted { job: JOB, status: JobStatus::Completed })),
        part("outcome lease", &shop::Outcome::from(Outcome::Lease(4))),
        part(
            "outcome topic",
            &shop::Outcome::from(Outcome::Topic { name: "acme".into(), topic: topic.clone() }),
        ),
        part("outcome published", &shop::Outcome::from(Outcome::Published { seq: 70_000 })),
        part("outcome membership", &shop::Outcome::from(Outcome::Membership { epoch: 4 })),
        part("outcome settings", &shop::Outcome::from(Outcome::Settings(settings()))),
        part("outcome job", &shop::Outcome::from(Outcome::Job { id: JobId(sixteen(1)) })),
        part("outcome trimmed", &shop::Outcome::from(Outcome::Trimmed { removed: 900, more: true })),
        value("Topic", &topic),
        value("Group", &group),
        value("Offset", &Offset { seq: 70_000, updated_at: AT }),
        value("Lease", &Lease { holder: 3, epoch: 4, acquired_at: AT }),
        value("Settings", &settings()),
        value("Job", &job),
    ];
    check("broker", Command::NAMES, golden);
}

//! `shopctl upgrade node`: one node out of service, upgraded by whoever may, and back.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;

use super::view::{Node as NodeView, Upgrade};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long another node may take to be told of as in service.
const BACK_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub struct Node {
    /// The node's id, like 3
    node: u64,

    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub struct All {
    /// Pass over nodes that run this program already, and end where one runs another in the end, like 0.2.0
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,

    #[command(flatten)]
    how: How,
}

#[derive(Debug, Clone, clap::Args)]
struct How {
    /// A command for `sh -c` that installs the new program and restarts the node, once it is out of service; without one
    /// you are asked to do it. It finds the node in $SHOPNODE_NODE (its id) and $SHOPNODE_NAME
    #[arg(long, value_name = "COMMAND")]
    after_drain: Option<String>,

    /// How long to wait for each step, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
}

impl All {
    /// The leader last: leadership moves once, and to a node that has been upgraded.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let wanted = |node: &NodeView| self.to.as_ref().is_none_or(|to| *to != node.version);
        let mut nodes = look(context).await?.nodes;
        // One that drains was left in the middle by whoever did this before.
        nodes.retain(|node| node.standing != "removed" && (wanted(node) || node.standing == "draining"));
        nodes.sort_by_key(|node| (node.leads, node.id));
        for node in nodes {
            Node { node: node.id, how: self.how.clone() }.bring(context, self.to.as_deref()).await?;
            let now = look(context).await?.node(node.id).cloned().ok_or_else(|| missing(node.id))?;
            if let Some(to) = self.to.as_ref().filter(|_| wanted(&now)) {
                return Err(Failure::Failed(format!(
                    "node {} runs shopnode {} now, not {to}: the others stay as they are",
                    now.id, now.version
                )));
            }
        }
        show(context).await
    }
}

async fn show(context: &Context) -> Result<(), Failure> {
    let answer = super::read(context).await?;
    context.output.answer(&answer.body, Upgrade::tables)
}

impl Node {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        self.bring(context, None).await?;
        show(context).await
    }

    async fn bring(&self, context: &Context, to: Option<&str>) -> Result<(), Failure> {
        let id = self.node;
        let say = |sentence: String| context.output.say(&sentence);
        let view = others_serve(context, id).await?;
        let before = view.node(id).cloned().ok_or_else(|| missing(id))?;

        order(context, id, "drain").await?;
        say(format!("node {id} drains; if this ends here: `shopctl node undrain {id}`, or repeat it"));
        let handed_over = |node: &NodeView| !node.leads && node.state == "draining";
        self.until(context, "another node to lead", handed_over).await?;
        // Cut off and repeated after the new program was installed: it would be waited for in vain.
        let has_it = to.map_or_else(|| view.is_upgraded(&before), |to| to == before.version);
        let is_new = before.standing == "draining" && has_it;
        match &self.how.after_drain {
            _ if is_new => say(format!("node {id} runs the new program already")),
            Some(command) => install(command, &before)?,
            None => say(format!(
                "node {id} is out of service: install the new program on its machine and restart it there \
                 (`systemctl restart shopnode`)"
            )),
        }
        let restarted = |node: &NodeView| is_new || node.is_another_run(&before);
        let up = self.until(context, "the new program to answer", restarted).await?;
        let reach = up.applied_index + up.lag;
        say(format!("the new program is up; node {id} catches up to index {reach}"));
        self.until(context, "it to catch up", |node| node.answers() && node.applied_index >= reach).await?;

        order(context, id, "undrain").await?;
        self.until(context, "it to be in service", NodeView::is_in_service).await?;
        say(format!("node {id} is back in service"));
        Ok(())
    }

    /// Looks until the node is as wanted. That nobody answers meanwhile may be because it is this node that is asked.
    async fn until(
        &self,
        context: &Context,
        what: &str,
        wanted: impl Fn(&NodeView) -> bool,
    ) -> Result<NodeView, Failure> {
        let end = Instant::now() + Duration::from_secs(self.how.wait);
        loop {
            match look(context).await {
                Ok(view) => match view.node(self.node) {
                    Some(node) if wanted(node) => return Ok(node.clone()),
                    Some(_) => {}
                    None => return Err(missing(self.node)),
                },
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(failure),
            }
            if Instant::now() >= end {
                return Err(Failure::Failed(format!(
                    "waited {} s for {what}; node {id} stays out of service: repeat this command, or \
                     `shopctl node undrain {id}`",
                    self.how.wait,
                    id = self.node
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// One node at a time: with another one down, stopping this one could cost the majority. One that was brought back just now is told of
/// a moment later.
async fn others_serve(context: &Context, id: u64) -> Result<Upgrade, Failure> {
    let end = Instant::now() + BACK_WITHIN;
    loop {
        let view = look(context).await?;
        let is_away = |node: &&NodeView| node.id != id && !node.is_in_service();
        let away: Vec<String> = view
            .nodes
            .iter()
            .filter(is_away)
            .map(|node| format!("node {} is {}", node.id, node.state))
            .collect();
        if away.is_empty() || view.node(id).is_none() {
            return Ok(view);
        }
        if Instant::now() >= end {
            let away = away.join(", ");
            return Err(Failure::Failed(format!(
                "{away}: bring it back into service first, then repeat this"
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn install(command: &str, node: &NodeView) -> Result<(), Failure> {
    // Its output is talk: stdout is for the table at the end.
    let status = Command::new("sh")
        .args(["-c", command])
        .env("SHOPNODE_NODE", node.id.to_string())
        .env("SHOPNODE_NAME", &node.name)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| Failure::Failed(format!("cannot run sh: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the command after draining ended with {status}; the node stays out of service: repeat this command, or bring the \
         node back with `shopctl node undrain`"
    )))
}

async fn look(context: &Context) -> Result<Upgrade, Failure> {
    let answer = super::read(context).await?;
    output::read(&answer.body)
}

async fn order(context: &Context, id: u64, verb: &str) -> Result<(), Failure> {
    let id = id.to_string();
    let path = ["admin", "v1", "cluster", "nodes", &id, verb];
    context.client.post(&path, &(), Payload::Nothing).await.map(drop)
}

fn missing(id: u64) -> Failure {
    Failure::Failed(format!("there is no node {id}: `shopctl member list` shows them"))
}

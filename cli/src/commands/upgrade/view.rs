//! How far an upgrade is, as `GET /admin/v1/cluster/upgrade` answers.

use serde::Deserialize;

use crate::table::{Cell, Table, Tone};

/// The part of the answer that is shown or waited for.
#[derive(Debug, Deserialize)]
pub(super) struct Upgrade {
    pub active_version: u32,
    newest_version: u32,
    raised: Option<Raise>,
    step: String,
    advice: String,
    pub nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Raise {
    program: String,
    at: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Node {
    pub id: u64,
    pub name: String,
    pub version: String,
    levels: Option<Levels>,
    started_at: Option<String>,
    pub standing: String,
    pub state: String,
    pub leads: bool,
    pub applied_index: u64,
    pub lag: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Levels {
    least: u32,
    most: u32,
}

impl Upgrade {
    pub(super) fn tables(&self) -> Vec<Table> {
        let raised = match &self.raised {
            Some(raise) => format!("{} (by shopnode {}, {})", self.active_version, raise.program, raise.at),
            None => self.active_version.to_string(),
        };
        let step = Cell::text(&self.advice);
        let summary = Table::details([
            ("active version", Cell::text(raised)),
            ("newest supported", Cell::number(self.newest_version)),
            ("next", if self.step == "none" { step } else { step.tone(Tone::Waiting) }),
        ]);
        let mut nodes =
            Table::new(&["NODE", "NAME", "PROGRAM", "SUPPORTS", "STANDING", "STATE", "LAG", "STARTED"]);
        for node in &self.nodes {
            let leads = if node.leads { ", leads" } else { "" };
            nodes.row(vec![
                Cell::number(node.id),
                Cell::text(&node.name),
                Cell::text(&node.version),
                Cell::text(node.levels.map_or_else(|| "?".to_owned(), Levels::text)),
                Cell::state(&node.standing),
                Cell::text(format!("{}{leads}", node.state)),
                Cell::number(node.lag),
                Cell::text(node.started_at.as_deref().unwrap_or("")),
            ]);
        }
        vec![summary, nodes]
    }

    pub(super) fn node(&self, id: u64) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

impl Upgrade {
    /// Whether the node supports the version that the cluster is being upgraded to.
    pub(super) fn is_upgraded(&self, node: &Node) -> bool {
        let most = node.levels.map_or(0, |levels| levels.most);
        most > self.active_version && most == self.newest_version
    }
}

impl Levels {
    fn text(self) -> String {
        match self {
            Self { least, most } if least == most => most.to_string(),
            Self { least, most } => format!("{least} to {most}"),
        }
    }
}

impl Node {
    /// Whether this is another run of a program than `before`, or another program.
    pub(super) fn is_another_run(&self, before: &Node) -> bool {
        let run = |node: &Node| (node.version.clone(), node.levels, node.started_at.clone());
        self.answers() && run(self) != run(before)
    }

    pub(super) fn answers(&self) -> bool {
        self.levels.is_some()
    }

    /// Who else goes down loses its share of the majority too.
    pub(super) fn is_in_service(&self) -> bool {
        self.answers() && self.state == "alive"
    }
}

#[cfg(test)]
mod tests {
    use super::Upgrade;

    fn view() -> Upgrade {
        serde_json::from_value(serde_json::json!({
            "active_version": 1, "newest_version": 2, "raised": null, "step": "upgrade_nodes",
            "advice": "`shopctl upgrade node 2` is next", "nodes": [
                {"id": 1, "name": "a", "version": "0.2.0", "levels": {"least": 1, "most": 2},
                 "started_at": "2027-01-31T00:00:00Z", "standing": "active", "state": "alive", "leads": true,
                 "applied_index": 9, "lag": 0},
                {"id": 2, "name": "b", "version": "0.1.0", "levels": {"least": 1, "most": 1},
                 "started_at": null, "standing": "active", "state": "alive", "leads": false,
                 "applied_index": 9, "lag": 3},
                {"id": 3, "name": "c", "version": "0.1.0", "levels": null, "started_at": null,
                 "standing": "active", "state": "down", "leads": false, "applied_index": 9, "lag": 0},
            ]
        }))
        .unwrap()
    }

    #[test]
    fn the_table_says_what_each_node_supports_and_what_is_next() {
        let text: String = view().tables().iter().map(|table| table.render(None, false)).collect();
        for shown in ["shopctl upgrade node 2", "1 to 2", "alive, leads", "2027-01-31T00:00:00Z", "?"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
    }

    #[test]
    fn a_restart_is_seen_by_the_program_or_by_when_it_began() {
        let view = view();
        let (new, old, gone) = (view.node(1).unwrap(), view.node(2).unwrap(), view.node(3).unwrap());
        assert!(new.is_another_run(old) && old.is_another_run(new));
        assert!(!new.is_another_run(new) && !gone.is_another_run(old));
        assert!(new.is_in_service() && !gone.is_in_service());
        assert!(view.is_upgraded(new) && !view.is_upgraded(old) && !view.is_upgraded(gone));
    }
}

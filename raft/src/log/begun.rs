//! The mark that a log was begun. It is kept outside the log's directory: from inside, a log that was lost looks like one
//! that has not begun yet, and a node that began another under its old id could vote twice in a term.

use std::{fs, io, path::Path};

use super::format;
use crate::error::Fault;

const CONTENT: &str = "shopnode-log-begun 1\n";

/// Where the mark of one log is.
pub(crate) struct BegunMark<'a>(pub &'a Path);

impl BegunMark<'_> {
    /// Demands that a log that was begun is in `dir` still. Call it before the log is opened, which makes a new one.
    ///
    /// # Errors
    /// [`Fault::LogLost`] when it is not, [`Fault::LogFormat`] for a mark of another version.
    pub(crate) fn demand(&self, dir: &Path) -> Result<(), Fault> {
        if self.is_set()? && !format::has_files(dir) {
            return Err(Fault::LogLost { path: dir.display().to_string() });
        }
        Ok(())
    }

    /// Notes, durably, that the log in `dir` has begun. Call it when the log is open and nothing is in it yet: a crash
    /// before this leaves an empty log, which nobody counts on.
    ///
    /// # Errors
    /// [`Fault::Log`] when it cannot be made durable.
    pub(crate) fn set(&self, dir: &Path) -> Result<(), Fault> {
        if self.is_set()? {
            return Ok(());
        }
        // The files first: a mark that survives without them would refuse a node that has lost nothing.
        format::sync_dir(&format::log_dir(dir))
            .and_then(|()| format::write_durably(self.0, CONTENT))
            .map_err(|source| Fault::Log { doing: "noting that it has begun", source })
    }

    fn is_set(&self) -> Result<bool, Fault> {
        match fs::read_to_string(self.0) {
            Ok(content) if content == CONTENT => Ok(true),
            Ok(content) => Err(Fault::LogFormat {
                path: self.0.display().to_string(),
                why: format!("it says {:?}, expected {:?}", content.trim_end(), CONTENT.trim_end()),
                advice: "run the version of shopnode that wrote it",
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Fault::Log { doing: "looking whether it was begun", source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use super::*;
    use crate::{
        error::FaultLine,
        log::{DiskLog, Newest},
        observer::NoObserver,
    };

    struct Node(tempfile::TempDir);

    impl Node {
        fn new() -> Node {
            Node(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// As a start does it.
        fn start(&self) -> Result<(), Fault> {
            let (mark, wal) = (self.path("LOG"), self.path("wal"));
            BegunMark(&mark).demand(&wal)?;
            let open = DiskLog::open(
                &wal,
                Newest::IfNew,
                FaultLine::new(),
                Arc::new(NoObserver),
                Box::new(|_| Ok(())),
            )?;
            BegunMark(&mark).set(&wal)?;
            drop(open);
            Ok(())
        }
    }

    #[test]
    fn a_log_that_was_begun_and_is_gone_is_refused_and_not_made_anew() {
        type Loss = fn(&Node) -> io::Result<()>;
        let losses: [(&str, Loss); 5] = [
            ("wal/ is gone", |node| fs::remove_dir_all(node.path("wal"))),
            ("wal/ is empty", |node| {
                fs::remove_dir_all(node.path("wal")).and_then(|()| fs::create_dir(node.path("wal")))
            }),
            ("log/ is gone", |node| fs::remove_dir_all(node.path("wal/log"))),
            ("log/ is gone and FORMAT too", |node| {
                fs::remove_dir_all(node.path("wal/log"))
                    .and_then(|()| fs::remove_file(node.path("wal/FORMAT")))
            }),
            ("log/ is empty", |node| {
                fs::remove_dir_all(node.path("wal/log")).and_then(|()| fs::create_dir(node.path("wal/log")))
            }),
        ];
        for (what, lose) in losses {
            let node = Node::new();
            node.start().unwrap();
            node.start().unwrap();
            lose(&node).unwrap();
            for _ in 0..2 {
                assert_eq!(node.start().unwrap_err().code(), "wal_lost", "{what}");
            }
            assert!(!format::has_files(&node.path("wal")), "{what}");
        }
    }

    #[test]
    fn a_log_from_before_there_were_marks_gets_one() {
        let node = Node::new();
        node.start().unwrap();
        assert_eq!(fs::read_to_string(node.path("LOG")).unwrap(), "shopnode-log-begun 1\n");
        fs::remove_file(node.path("LOG")).unwrap();
        node.start().unwrap();
        fs::remove_dir_all(node.path("wal")).unwrap();
        assert_eq!(node.start().unwrap_err().code(), "wal_lost");
    }

    #[test]
    fn a_start_that_ended_before_the_log_was_used_is_no_loss() {
        let node = Node::new();
        // The mark is written last, and one that was half written has another name.
        fs::write(node.path("LOG.new"), "shopn").unwrap();
        fs::create_dir_all(node.path("wal/log")).unwrap();
        fs::write(node.path("wal/FORMAT"), "shopnode-wal 1\n").unwrap();
        node.start().unwrap();
    }

    #[test]
    fn a_mark_of_another_version_is_refused() {
        let node = Node::new();
        fs::write(node.path("LOG"), "shopnode-log-begun 2\n").unwrap();
        assert_eq!(node.start().unwrap_err().code(), "wal_format");
    }
}

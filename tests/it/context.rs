//! What every step gets, for tests that call the library.
use goldsmith::cx::{BuildId, Cx, Events, Header, Journal, Record, Sink, Stop, UndoLog};
use std::sync::Arc;

/// Keeps a folder as long as anybody has the context that reports to it.
#[derive(Debug)]
struct Folder(#[allow(dead_code, reason = "removed with it")] tempfile::TempDir);

impl Sink for Folder {
    fn take(&self, _record: &Record) {}
}

/// A context whose folders live as long as it does.
pub(crate) fn cx() -> Cx {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let id = BuildId::random();
    let header = Header {
        build: id.clone(),
        name: "test".into(),
        definition: "test.toml".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        pid: std::process::id(),
    };
    let (work, logs) = (root.join("work"), root.join("logs"));
    for folder in [&work, &logs] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let journal = Journal::create(&root.join("journal"), &header).unwrap();
    let events = Events::new(id.clone(), "test", vec![Arc::new(Folder(folder))]);
    Cx::new(id, work, logs, events, Stop::default(), UndoLog::new(journal))
}

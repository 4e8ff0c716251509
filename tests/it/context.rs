//! What every step gets, for tests that call the library.
use goldsmith::cx::{BuildId, Cx, Events, Header, Journal, Stop, UndoLog};

/// A context whose folders live until this process's temporary folder is emptied.
pub(crate) fn cx() -> Cx {
    let root = tempfile::tempdir().unwrap().keep();
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
    let events = Events::new(id.clone(), "test", vec![]);
    Cx::new(id, work, logs, events, Stop::default(), UndoLog::new(journal))
}

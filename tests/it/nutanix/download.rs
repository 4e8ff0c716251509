//! Images that come back: in both dialects, over connections that are cut.
use super::{
    bench::{Bench, said},
    fixture::{Call, Fate, Fixture, PASSWORD, USER},
    prism::{Kept, sha256, state},
};
use crate::context::cx;
use goldsmith::{
    cx::Cx,
    nutanix::{Dialect, Expected, Place, Prism, PrismError, PrismErrorKind, Server, Trust},
    value::{Digest, Secret},
    wire::Arrived,
};
use std::path::{Path, PathBuf};

const UUID: &str = "7b4e43e6-2b6b-4c2f-9ec5-5f0f0c6b7a01";
const V4_FILE: &str = "/api/vmm/v4.0/content/images/7b4e43e6-2b6b-4c2f-9ec5-5f0f0c6b7a01/file";
const V3_FILE: &str = "/api/nutanix/v3/images/7b4e43e6-2b6b-4c2f-9ec5-5f0f0c6b7a01/file";

/// A Prism Central with one image of some MiB.
struct There {
    fixture: Fixture,
    bytes: Vec<u8>,
    cx: Cx,
}

impl There {
    fn new(v4: bool) -> Self {
        let bytes: Vec<u8> = (0..5u32 << 18).flat_map(u32::to_le_bytes).collect();
        let mut state = state(v4);
        state.images.push(Kept {
            uuid: UUID.into(),
            name: "web".into(),
            image_type: "DISK_IMAGE".into(),
            bytes: bytes.clone(),
            ..Kept::default()
        });
        Self { fixture: Fixture::start(state), bytes, cx: cx() }
    }

    fn to(&self) -> PathBuf {
        self.cx.work().join("web.img")
    }

    /// What is in the folder.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.cx.work()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn fetch(&self, expected: Expected<'_>) -> Result<Arrived, PrismError> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(fetch(&self.fixture, &self.cx, &self.to(), expected))
    }

    /// It came as it is there.
    fn came(&self, expected: Expected<'_>) -> Arrived {
        let arrived = self.fetch(expected).unwrap();
        assert!(std::fs::read(self.to()).unwrap() == self.bytes);
        assert_eq!((arrived.bytes, arrived.sha256.hex()), (self.bytes.len() as u64, &*sha256(&self.bytes)));
        assert_eq!(self.files(), ["web.img"]);
        assert_eq!(self.fixture.wrongs(), Vec::<String>::new());
        arrived
    }

    /// The first bytes that were asked for, of each request to this path.
    fn ranges(&self, path: &str) -> Vec<Option<String>> {
        let calls = self.fixture.calls();
        let asked = calls.iter().filter(|call| call.path == path);
        asked.map(|call| call.header("range").map(ToOwned::to_owned)).collect()
    }
}

async fn fetch(fixture: &Fixture, cx: &Cx, to: &Path, expected: Expected<'_>) -> Result<Arrived, PrismError> {
    let place = Place {
        server: Server { host: fixture.url(), port: None, trust: Trust::System },
        user: USER.into(),
        password: Secret::new(PASSWORD),
    };
    let dialect = if fixture.state().v4 { Dialect::V4 } else { Dialect::V3 };
    let prism = Prism::connect(&place, Some(dialect)).await.unwrap();
    prism.download_image(cx, UUID, to, expected).await
}

/// Cuts the first so many downloads after these bytes.
fn cuts(times: usize, after: usize) -> impl Fn(&Call) -> Fate + Send + Sync {
    move |call| {
        let cut = call.path.ends_with("/file") && call.number < times;
        if cut { Fate::Break(after) } else { Fate::Forward }
    }
}

#[test]
fn an_image_comes_as_it_is_there_in_both_dialects() {
    for (v4, path) in [(false, V3_FILE), (true, V4_FILE)] {
        let there = There::new(v4);
        assert_eq!(there.came(Expected::default()).repeated, 0);
        assert_eq!(there.ranges(path), [None]);
        assert_eq!(there.fixture.count("GET", if v4 { V3_FILE } else { V4_FILE }), 0);
    }
}

#[test]
fn a_download_goes_on_where_it_was_cut_if_the_server_gives_parts() {
    let there = There::new(true);
    there.fixture.state().parts = true;
    there.fixture.trouble(cuts(2, 2 << 20));
    assert_eq!(there.came(Expected::default()).repeated, 2);
    let from = |at: u64| Some(format!("bytes={}-", at << 20));
    assert_eq!(there.ranges(V4_FILE), [None, from(2), from(4)]);
}

#[test]
fn where_the_server_gives_no_parts_it_begins_again() {
    let there = There::new(false);
    there.fixture.trouble(cuts(1, 3 << 20));
    assert_eq!(there.came(Expected::default()).repeated, 1);
    assert_eq!(there.ranges(V3_FILE), [None, None]);
}

#[test]
fn another_image_of_the_same_id_is_not_joined_to_what_came() {
    let there = There::new(false);
    there.fixture.state().parts = true;
    let shared = std::sync::Mutex::new(false);
    there.fixture.trouble(move |call| {
        let mut changed = shared.lock().unwrap();
        let first = call.path.ends_with("/file") && !std::mem::replace(&mut changed, true);
        if first { Fate::Break(1 << 20) } else { Fate::Forward }
    });
    // The version that is known by then is none that the server has.
    let changed: Vec<u8> = there.bytes.iter().map(|byte| byte ^ 1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let arrived = runtime.block_on(async {
        let to = there.to();
        let fetching = fetch(&there.fixture, &there.cx, &to, Expected::default());
        let change = async {
            while there.fixture.count("GET", V3_FILE) == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            // It is on its way already.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            there.fixture.state().images[0].bytes.clone_from(&changed);
        };
        tokio::join!(fetching, change).0
    });
    assert_eq!(arrived.unwrap().sha256.hex(), sha256(&changed));
    assert!(std::fs::read(there.to()).unwrap() == changed);
}

#[test]
fn a_server_that_refuses_the_newer_call_is_asked_with_the_older_one() {
    const NO_HANDLER: &str = r#"{"data": {"error": [{"message": "no handler", "code": "VMM-1"}]}}"#;
    let there = There::new(true);
    there.fixture.trouble(|call| {
        if call.path == V4_FILE { Fate::Answer(500, NO_HANDLER.into()) } else { Fate::Forward }
    });
    there.came(Expected::default());
    assert_eq!((there.fixture.count("GET", V4_FILE), there.fixture.count("GET", V3_FILE)), (1, 1));
    // What neither gives is told in the words of the newer.
    there.fixture.trouble(|call| match call.path.as_str() {
        V4_FILE => Fate::Answer(500, NO_HANDLER.into()),
        V3_FILE => Fate::Answer(404, String::new()),
        _ => Fate::Forward,
    });
    let why = goldsmith::cx::causes(&there.fetch(Expected::default()).unwrap_err()).join(": ");
    assert!(why.contains("no handler"), "{why}");
}

#[test]
fn what_is_not_as_expected_does_not_stay() {
    let there = There::new(false);
    let other: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    for expected in [
        Expected { sha256: Some(&other), ..Expected::default() },
        Expected { bytes: Some(7), ..Expected::default() },
    ] {
        let error = there.fetch(expected).unwrap_err();
        assert_eq!(error.to_string(), "could not prove that `web` came whole");
        assert!(!there.to().exists());
        // The build's undo removes what came.
        assert_eq!(there.files().len(), 1);
        std::fs::remove_file(there.cx.work().join(&there.files()[0])).unwrap();
    }
    let right: Digest = format!("sha256:{}", sha256(&there.bytes)).parse().unwrap();
    there.came(Expected { sha256: Some(&right), bytes: Some(there.bytes.len() as u64) });
}

#[test]
fn a_server_that_is_down_is_given_up() {
    let there = There::new(false);
    there
        .fixture
        .trouble(|call| if call.path == V3_FILE { Fate::Answer(503, String::new()) } else { Fate::Forward });
    let error = there.fetch(Expected::default()).unwrap_err();
    assert_eq!(error.kind(), PrismErrorKind::Unavailable);
    assert_eq!(there.fixture.count("GET", V3_FILE), 3);
    there.fixture.state().images.clear();
    assert_eq!(there.fetch(Expected::default()).unwrap_err().kind(), PrismErrorKind::NotFound);
}

/// `goldsmith nutanix download … --json` to its end.
fn run(bench: &Bench, fixture: &Fixture, arguments: &[&str]) -> std::process::Output {
    bench.command(fixture, &["nutanix", "download", "--json"]).args(arguments).output().unwrap()
}

#[test]
fn the_command_brings_back_what_was_published() {
    for v4 in [false, true] {
        let (bench, prism) = (Bench::new(), Fixture::start(state(v4)));
        let bytes = bench.qcow2("node", 9);
        let published = bench.published(&prism, &["node.qcow2"]);
        let output = run(&bench, &prism, &["node", "-o", "back.qcow2"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!((prism.wrongs(), bench.journals()), (Vec::new(), 0));
        let text = String::from_utf8(output.stdout).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&line["event"], &line["uuid"]), (&"downloaded".into(), &published["uuid"]));
        assert_eq!((&line["sha256"], &line["checksum-compared"]), (&sha256(&bytes).into(), &true.into()));
        assert!(std::fs::read(bench.path("back.qcow2")).unwrap() == bytes);
        let output = bench.plain(&["inspect", "back.qcow2", "--json"]).output().unwrap();
        assert!(said(&output).contains("\"qcow2\""), "{}", said(&output));
        // By its UUID, with a digest that it must have.
        let uuid = published["uuid"].as_str().unwrap();
        let right = sha256(&bytes);
        let output = run(&bench, &prism, &[uuid, "-o", "again.qcow2", "--sha256", &right]);
        assert!(output.status.success(), "{}", said(&output));
        let output = run(&bench, &prism, &[uuid, "-o", "other.qcow2", "--sha256", &"0".repeat(64)]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(!bench.path("other.qcow2").exists());
        assert_eq!(bench.journals(), 0);
    }
}

#[test]
fn a_name_that_is_not_one_image_is_told() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    for uuid in [UUID, "7b4e43e6-2b6b-4c2f-9ec5-5f0f0c6b7a02"] {
        let image = Kept { uuid: uuid.into(), name: "web".into(), bytes: vec![7; 9], ..Kept::default() };
        prism.state().images.push(image);
    }
    let output = run(&bench, &prism, &["web", "-o", "web.img"]);
    assert!(!output.status.success());
    let told = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("2 have that name: 7b4e43e6-2b6b-4c2f-9ec5-5f0f0c6b7a01"), "{told}");
    let output = run(&bench, &prism, &["none", "-o", "web.img"]);
    assert!(!output.status.success() && said(&output).contains("of that name or UUID"), "{}", said(&output));
    assert!(!bench.path("web.img").exists());
    assert_eq!(bench.journals(), 0);
    // Another digest than is told is a warning: the disk may be in another form there.
    prism.trouble(|call| {
        if call.path.ends_with("/file") { Fate::Answer(200, "other bytes".into()) } else { Fate::Forward }
    });
    let output = run(&bench, &prism, &[UUID, "-o", "web.img"]);
    assert!(output.status.success() && said(&output).contains("Prism Central tells"), "{}", said(&output));
    assert_eq!(std::fs::read(bench.path("web.img")).unwrap(), b"other bytes");
}

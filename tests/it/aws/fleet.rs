//! What tests of images that exist share: the binary, images in moto, and answers for calls that moto does not know.
use super::{
    moto::{isolate, session},
    proxy::{Call, Fate},
};
use goldsmith::{
    aws::Aws,
    cx::{BuildId, Cx, Events, Header, Journal, Record, Sink, Stop, UndoLog},
};
use std::{
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

/// The binary with a state of its own in `home`, speaking to `url`.
pub(super) fn goldsmith(home: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command
        .args(arguments)
        .args(["--endpoint-url", url])
        .current_dir(home)
        .env("HOME", home)
        .env("GOLDSMITH_STATE_DIR", home.join("state"))
        .env("LANG", "C.UTF-8")
        .env_remove("GITHUB_STEP_SUMMARY")
        .env_remove("GOLDSMITH_WEBHOOK");
    isolate(&mut command);
    command
}

/// How a command ended: code, stdout, stderr.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    #[track_caller]
    pub(super) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

/// Runs the binary to its end without blocking the proxy, which lives in the same runtime.
pub(super) async fn run(mut command: Command) -> Ended {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap().into()
}

/// Registers an image with these tags; its snapshot gets the first of them.
pub(super) async fn image(aws: &Aws, name: &str, tags: &[(&str, &str)]) -> String {
    let made = aws.ec2().register_image().name(name).description("a test's").send().await.unwrap();
    let id = made.image_id().unwrap().to_owned();
    let mut call = aws.ec2().create_tags().resources(&id);
    for (key, value) in tags {
        call = call.tags(tag(key, value));
    }
    if !tags.is_empty() {
        call.send().await.unwrap();
    }
    id
}

pub(super) fn tag(key: &str, value: &str) -> aws_sdk_ec2::types::Tag {
    aws_sdk_ec2::types::Tag::builder().key(key).value(value).build()
}

/// Own images of this name in a region, as moto has them.
pub(super) async fn named(port_url: &str, region: &str, name: &str) -> Vec<aws_sdk_ec2::types::Image> {
    let filter = aws_sdk_ec2::types::Filter::builder().name("name").values(name).build();
    let aws = session(port_url).await.at(region);
    aws.ec2().describe_images().owners("self").filters(filter).send().await.unwrap().images().to_vec()
}

/// An answer of EC2.
pub(super) fn ec2(action: &str, inner: &str) -> Fate {
    let space = "http://ec2.amazonaws.com/doc/2016-11-15/";
    Fate::Answer(
        200,
        format!("<{action}Response xmlns=\"{space}\"><requestId>r-1</requestId>{inner}</{action}Response>"),
    )
}

/// A refusal of EC2.
pub(super) fn refused(status: u16, code: &str, message: &str) -> Fate {
    Fate::Answer(
        status,
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
        ),
    )
}

/// What EC2 answers to the calls that moto does not know, with nothing in the way of public images.
pub(super) fn unknown_to_moto(call: &Call) -> Option<Fate> {
    let action = call.action();
    let inner = match action.as_str() {
        "GetImageBlockPublicAccessState" => {
            "<imageBlockPublicAccessState>unblocked</imageBlockPublicAccessState><managedBy>account</managedBy>"
        }
        "GetSnapshotBlockPublicAccessState" => "<state>unblocked</state><managedBy>account</managedBy>",
        "EnableImageDeprecation" => "<return>true</return>",
        "EnableImageDeregistrationProtection" => "<return>enabled-without-cooldown</return>",
        _ => return None,
    };
    Some(ec2(&action, inner))
}

/// The region for which a call was signed.
pub(super) fn region(call: &Call) -> String {
    let signature =
        call.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
    let scope = signature.and_then(|text| text.split_once("Credential=")?.1.split('/').nth(2));
    scope.unwrap_or_default().to_owned()
}

/// Everything that was reported.
#[derive(Default)]
pub(super) struct Heard(Mutex<Vec<String>>);

impl Sink for Heard {
    fn take(&self, record: &Record) {
        self.0.lock().unwrap().push(serde_json::to_string(&record.event).unwrap());
    }
}

impl Heard {
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// A context of the library's own.
pub(super) fn context(folder: &Path) -> (Cx, Arc<Heard>) {
    let id = BuildId::random();
    let header = Header {
        build: id.clone(),
        name: "test".into(),
        definition: "test".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        pid: std::process::id(),
    };
    let heard = Arc::new(Heard::default());
    let events = Events::new(id.clone(), "test", vec![Arc::clone(&heard) as Arc<dyn Sink>]);
    let journal = Journal::create(&folder.join("journal"), &header).unwrap();
    let (work, logs) = (folder.join("work"), folder.join("logs"));
    (Cx::new(id, work, logs, events, Stop::default(), UndoLog::new(journal)), heard)
}

/// Patience of tests: looks often.
pub(super) fn patience(limit: Duration) -> goldsmith::publish::ami::Patience {
    goldsmith::publish::ami::Patience {
        limit,
        every: Duration::from_millis(50),
        unknown: Duration::from_millis(300),
    }
}

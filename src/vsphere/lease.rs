//! Leases (`HttpNfcLease`): while one is held, the files of a machine can be moved over HTTP, and nothing else happens to the machine.
//!
//! ```text
//!   initializing ─► ready ─► done     complete
//!                     └────► error    aborted, or without progress for too long
//! ```
use super::{
    Fault, Kind, Moref, Node, Thumbprint, VCenter, VsphereError, VsphereErrorKind,
    ovf::{LEASE, LEASE_SECONDS},
    remove::resource,
};
use crate::cx::{Cx, Look, ResourceRef, Sight};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// A datastore that is busy takes its time to make a machine's files.
const READY: Duration = Duration::from_mins(10);
const EVERY: Duration = Duration::from_millis(200);
/// Progress is told so often at least, however long the lease lasts: people look at it in the vCenter too.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// A lease that was asked for.
#[derive(Debug, Clone)]
pub struct Lease {
    vcenter: VCenter,
    moref: Moref,
    /// Completes "could not …".
    attempt: String,
}

/// What a lease that is ready says.
#[derive(Debug, Clone)]
pub struct LeaseInfo {
    /// The machine.
    pub entity: Moref,
    /// Its files.
    pub devices: Vec<LeaseDevice>,
    /// Without progress for so long, the server ends the lease.
    pub timeout: Duration,
}

/// A file on a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseDevice {
    /// The server's name for it, as in the manifest.
    pub key: String,
    /// What the import's specification called it.
    pub import_key: String,
    /// Where it goes to or comes from.
    pub url: Url,
    /// Of the host there, unless that is the server that we talk to.
    pub thumbprint: Option<Thumbprint>,
    /// Whether it is a disk.
    pub disk: bool,
    /// What the file is called there.
    pub target: Option<String>,
    /// Its length, if the server knows it.
    pub bytes: Option<u64>,
}

/// What the server says of a file that went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// As in [`LeaseDevice::key`].
    pub key: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-1 in lower-case hexadecimal; empty if the server made another digest.
    pub sha1: String,
    /// Another digest, with its function as the server calls it: `sha256`.
    pub checksum: Option<(String, String)>,
    /// Size of the disk in bytes.
    pub capacity: Option<u64>,
    /// Bytes of the disk that hold data.
    pub populated: Option<u64>,
}

impl Lease {
    /// The lease that a call answered, which was made to do `attempt`.
    pub(super) fn of_answer(
        vcenter: &VCenter,
        attempt: &str,
        method: &str,
        answer: &Node,
    ) -> Result<Self, VsphereError> {
        let moref = answer.at("returnval").and_then(Node::as_moref).ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("{method} answered without a lease"))
        })?;
        Ok(Self { vcenter: vcenter.clone(), moref, attempt: attempt.to_owned() })
    }

    /// Names it, for who must give it up later.
    pub fn moref(&self) -> &Moref {
        &self.moref
    }

    /// Waits until files can be moved.
    pub async fn ready(&self, cx: &Cx) -> Result<LeaseInfo, VsphereError> {
        let look = || async {
            match self.look().await {
                Ok(Some(info)) => Look::Ready(info),
                Ok(None) => Look::NotYet(vec![Sight::no("lease", "initializing")]),
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let what = format!("the vCenter to be ready to {}", self.attempt);
        Ok(cx.wait_for(&what, READY, EVERY, look).await?)
    }

    /// What it says, once it is ready; an error once it never will be (again).
    async fn look(&self) -> Result<Option<LeaseInfo>, VsphereError> {
        let found = self.vcenter.properties(&self.moref, &["state", "info", "error"]).await?;
        match found.text("state").unwrap_or_default() {
            "initializing" => Ok(None),
            "ready" => match found.get("info") {
                Some(info) => self.info(info).map(Some),
                None => Ok(None),
            },
            state => Err(match found.get("error").filter(|error| !error.nodes.is_empty()) {
                Some(error) => VsphereError::of(&self.attempt, Fault::of_method("HttpNfcLease", error)),
                None => VsphereError::new(VsphereErrorKind::Other, &self.attempt)
                    .because(format!("the lease is in the state `{state}`")),
            }),
        }
    }

    fn info(&self, info: &Node) -> Result<LeaseInfo, VsphereError> {
        const USUAL: u64 = 300;
        let wrong = |why: String| VsphereError::new(VsphereErrorKind::Other, &self.attempt).because(why);
        let entity = info.at("entity").and_then(Node::as_moref);
        let entity = entity.ok_or_else(|| wrong("the lease does not say what it is about".to_owned()))?;
        let seconds = info.text_at("leaseTimeout").and_then(|text| text.parse().ok()).unwrap_or(USUAL);
        let devices = info.all("deviceUrl").map(|device| self.device(device)).collect::<Result<_, _>>();
        Ok(LeaseInfo { entity, devices: devices.map_err(wrong)?, timeout: Duration::from_secs(seconds) })
    }

    fn device(&self, device: &Node) -> Result<LeaseDevice, String> {
        let text = |name: &str| device.text_at(name).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let (url, same) = located(&text("url").unwrap_or_default(), self.vcenter.root())?;
        let thumbprint = text("sslThumbprint").filter(|_| !same).map(|thumbprint| thumbprint.parse());
        Ok(LeaseDevice {
            key: text("key").unwrap_or_default(),
            import_key: text("importKey").unwrap_or_default(),
            url,
            thumbprint: thumbprint.transpose()?,
            disk: device.at("disk").is_some_and(Node::is_true),
            target: text("targetId"),
            bytes: text("fileSize").and_then(|bytes| bytes.parse().ok()).filter(|bytes| *bytes > 0),
        })
    }

    /// Undo data for the machine at `path` that it holds: who removes that machine gives up the lease first, or waits until it has ended.
    pub fn held(&self, info: &LeaseInfo, path: &str, build: &str) -> ResourceRef {
        let (machine, lease) = (info.entity.to_string(), self.moref.to_string());
        let seconds = info.timeout.as_secs().to_string();
        let details =
            [("moref", machine.as_str()), (LEASE, lease.as_str()), (LEASE_SECONDS, seconds.as_str())];
        resource(&self.vcenter, Kind::Machine, path, build, &details)
    }

    /// Keeps the lease alive until the keeper is dropped, however slow the files are. `progress` is what is told.
    pub fn keep(&self, info: &LeaseInfo, progress: &Arc<LeaseProgress>) -> Keeper {
        let stopped = CancellationToken::new();
        let keeper = Keeper {
            lost: CancellationToken::new(),
            why: Arc::default(),
            _stop: stopped.clone().drop_guard(),
        };
        let (lease, progress) = (self.clone(), Arc::clone(progress));
        let (lost, why) = (keeper.lost.clone(), Arc::clone(&keeper.why));
        let every = (info.timeout / 4).min(TOLD_EVERY);
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            loop {
                let Err(error) = lease.tell(progress.percent()).await else {
                    tokio::time::sleep(every).await;
                    continue;
                };
                // A server that does not answer for a while may still hold the lease; what it says counts.
                if error.kind() == VsphereErrorKind::Unavailable {
                    tokio::time::sleep(every.min(Duration::from_secs(1))).await;
                    continue;
                }
                // The lease itself knows better than the call why it ended.
                let error = match lease.look().await {
                    Err(said) if said.fault().is_some() => said,
                    _ => error,
                };
                *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                lost.cancel();
                return;
            }
        }));
        keeper
    }

    async fn tell(&self, percent: u32) -> Result<(), VsphereError> {
        let fill = |call: &mut super::Element| {
            call.number("percent", percent);
        };
        self.vcenter.call(&self.attempt, "HttpNfcLeaseProgress", &self.moref, fill).await.map(drop)
    }

    /// What the server says of the files that went over the wire; nothing if it is too old for that.
    pub async fn manifest(&self) -> Result<Vec<ManifestEntry>, VsphereError> {
        let answer = self.vcenter.call(&self.attempt, "HttpNfcLeaseGetManifest", &self.moref, |_| {}).await;
        match answer {
            Ok(answer) => Ok(answer.all("returnval").map(entry).collect()),
            Err(error) if error.kind() == VsphereErrorKind::Unsupported => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Everything went well: the machine is free.
    pub async fn complete(&self) -> Result<(), VsphereError> {
        self.vcenter.call(&self.attempt, "HttpNfcLeaseComplete", &self.moref, |_| {}).await.map(drop)
    }

    /// Gives it up. What an import made is removed by the server.
    pub async fn abort(&self) {
        // What is left then is undone by its name, and the lease ends by itself.
        let _ = self.vcenter.call(&self.attempt, "HttpNfcLeaseAbort", &self.moref, |_| {}).await;
    }
}

impl VCenter {
    /// Gives up the lease of a process that died. Its session may be all that knows it; then it ends by itself.
    pub(super) async fn give_up_lease(&self, lease: &Moref) {
        let _ = self.call("give up a lease", "HttpNfcLeaseAbort", lease, |_| {}).await;
    }
}

/// The address of a file, with whether it is at the server itself: that says `*` for its own name.
fn located(text: &str, root: &Url) -> Result<(Url, bool), String> {
    let host = root.host_str().unwrap_or_default();
    let port = root.port().map(|port| format!(":{port}")).unwrap_or_default();
    let (text, same) = match text.split_once("://*") {
        // A port that follows the asterisk is a part of what is replaced.
        Some((scheme, rest)) => {
            (format!("{scheme}://{host}{port}/{}", rest.split_once('/').unwrap_or_default().1), true)
        }
        None => (text.to_owned(), false),
    };
    let url = Url::parse(&text).map_err(|error| format!("the lease names a file at `{text}`: {error}"))?;
    if url.scheme() != "https" {
        return Err(format!("the lease names a file at `{text}`, which is not https"));
    }
    let same = same || (url.host_str() == root.host_str() && url.port() == root.port());
    Ok((url, same))
}

fn entry(node: &Node) -> ManifestEntry {
    let number = |name: &str| node.text_at(name).and_then(|text| text.parse().ok());
    let text = |name: &str| node.text_at(name).filter(|text| !text.is_empty()).map(str::to_ascii_lowercase);
    ManifestEntry {
        key: node.text_at("key").unwrap_or_default().to_owned(),
        bytes: number("size").unwrap_or_default(),
        sha1: text("sha1").unwrap_or_default(),
        checksum: text("checksumType").zip(text("checksum")),
        capacity: number("capacity").filter(|bytes| *bytes > 0),
        populated: number("populatedSize").filter(|bytes| *bytes > 0),
    }
}

/// How far the files of a lease are.
#[derive(Debug, Default)]
pub struct LeaseProgress {
    done: AtomicU64,
    total: AtomicU64,
}

impl LeaseProgress {
    /// So many of so many bytes.
    pub fn set(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Never the whole before the lease is complete.
    fn percent(&self) -> u32 {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        (done.saturating_mul(100) / total.max(1)).min(99) as u32
    }
}

/// Keeps a lease alive as long as it lives.
#[derive(Debug)]
pub struct Keeper {
    lost: CancellationToken,
    why: Arc<Mutex<Option<VsphereError>>>,
    _stop: DropGuard,
}

impl Keeper {
    /// Does `work` as long as the lease lives. Why it ended counts more than what the files saw of it.
    pub async fn while_held<T>(
        &self,
        work: impl Future<Output = Result<T, VsphereError>>,
    ) -> Result<T, VsphereError> {
        let done = tokio::select! {
            done = work => Some(done),
            () = self.lost.cancelled() => None,
        };
        match done {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) if !self.lost.is_cancelled() => Err(error),
            _ => Err(self.reason()),
        }
    }

    fn reason(&self) -> VsphereError {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).take();
        why.unwrap_or_else(|| VsphereError::new(VsphereErrorKind::Other, "keep the lease"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_is_the_server_that_we_talk_to() {
        let root: Url = "https://vc.example.com:8443/".parse().unwrap();
        let (url, same) = located("https://*/nfc/52/disk-0.vmdk", &root).unwrap();
        assert_eq!((url.as_str(), same), ("https://vc.example.com:8443/nfc/52/disk-0.vmdk", true));
        let (url, same) = located("https://*:443/nfc/52/disk-0.vmdk", &root).unwrap();
        assert_eq!((url.as_str(), same), ("https://vc.example.com:8443/nfc/52/disk-0.vmdk", true));
        let (url, same) = located("https://esx1.example.com/nfc/52/disk-0.vmdk", &root).unwrap();
        assert_eq!((url.host_str(), same), (Some("esx1.example.com"), false));
        assert!(located("http://esx1/nfc", &root).is_err() && located("", &root).is_err());
    }

    #[test]
    fn progress_is_never_told_as_whole() {
        let progress = LeaseProgress::default();
        assert_eq!(progress.percent(), 0);
        progress.set(5, 10);
        assert_eq!(progress.percent(), 50);
        progress.set(10, 10);
        assert_eq!(progress.percent(), 99);
    }

    #[test]
    fn a_manifest_s_entry_is_read() {
        let node = Node::parse(
            "<returnval><key>/vm-1/x:0</key><sha1>AB</sha1><checksum>CD</checksum><checksumType>SHA256</checksumType>\
             <size>7</size><disk>true</disk><capacity>1024</capacity></returnval>",
        )
        .unwrap();
        let entry = entry(&node);
        assert_eq!((entry.bytes, entry.sha1.as_str(), entry.capacity), (7, "ab", Some(1024)));
        assert_eq!(entry.checksum, Some(("sha256".to_owned(), "cd".to_owned())));
    }
}

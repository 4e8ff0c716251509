//! The files of a lease over HTTP: all at once, with progress, again from the start when a connection is cut.
//!
//! Where the bytes come from and go to is the caller's: a [`Supply`] on its way there, a channel of [`Piece`]s on its way back. Who
//! reads or writes files does so on a thread of its own.
use super::{LeaseDevice, LeaseProgress, Server, Trust, VCenter, VsphereError, VsphereErrorKind, http::Http};
use crate::cx::{Cx, Event, Unit};
use bytes::Bytes;
use sha2::Digest as _;
use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// How often a file is begun again.
const AGAIN: u32 = 3;
/// Progress comes so often at most.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// A host that takes or sends nothing for so long is taken for dead. After the last byte it may write for a while.
const STALLED: Duration = Duration::from_mins(5);

/// Bytes of known length, which can be had again from their start.
pub trait Supply: Send + Sync + fmt::Debug {
    /// How many.
    fn bytes(&self) -> u64;

    /// All of them, in order. An error is the last that comes; so is whatever makes them not what they should be.
    fn open(&self) -> mpsc::Receiver<io::Result<Bytes>>;
}

/// A file to send.
#[derive(Debug, Clone)]
pub struct Upload {
    /// For people.
    pub name: String,
    /// Where to.
    pub device: LeaseDevice,
    /// Whether it is made there as it is; else its content goes into a disk that is there.
    pub create: bool,
    /// What.
    pub supply: Arc<dyn Supply>,
}

/// A file to fetch.
#[derive(Debug)]
pub struct Download {
    /// For people.
    pub name: String,
    /// Where from.
    pub device: LeaseDevice,
    /// Its length, as far as anybody knows; for progress alone.
    pub expected: Option<u64>,
    /// What takes it. When that goes away, the download ends with an error of the kind `Other`.
    pub to: mpsc::Sender<Piece>,
}

/// A part of a file that is fetched.
#[derive(Debug)]
pub enum Piece {
    /// What follows what came before.
    Bytes(Bytes),
    /// Everything so far is void: it comes again from its start.
    Restart,
}

/// A file that went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// As in [`LeaseDevice::key`].
    pub key: String,
    /// For people.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-1 in lower-case hexadecimal: what servers compare.
    pub sha1: String,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// How often it was begun again.
    pub repeated: u32,
}

impl VCenter {
    /// Sends files, all at once.
    pub async fn send_files(
        &self,
        cx: &Cx,
        progress: &Arc<LeaseProgress>,
        files: &[Upload],
    ) -> Result<Vec<Moved>, VsphereError> {
        let total = files.iter().map(|file| file.supply.bytes()).sum();
        let meter = Arc::new(Meter::new(cx, "upload", total, total, progress));
        let moves = files.iter().map(|file| async {
            let http = self.nfc_http(&file.device)?;
            patiently(cx, &file.name, || send(&http, file, &meter)).await
        });
        let moved = cx.stop().unless_cancelled(futures_util::future::try_join_all(moves)).await;
        meter.close();
        moved?
    }

    /// Fetches files, all at once.
    pub async fn fetch_files(
        &self,
        cx: &Cx,
        progress: &Arc<LeaseProgress>,
        files: Vec<Download>,
    ) -> Result<Vec<Moved>, VsphereError> {
        let known = files.iter().map(|file| file.device.bytes.or(file.expected)).sum::<Option<u64>>();
        let exactly = files.iter().map(|file| file.device.bytes).sum::<Option<u64>>();
        let meter =
            Arc::new(Meter::new(cx, "download", exactly.unwrap_or_default(), known.unwrap_or(0), progress));
        let moves = files.into_iter().map(|file| async {
            // By value: when a file is done, who takes it sees the end at once.
            let file = file;
            let http = self.nfc_http(&file.device)?;
            let mut first = true;
            patiently(cx, &file.name, || {
                let again = !std::mem::replace(&mut first, false);
                fetch(&http, &file, &meter, again)
            })
            .await
        });
        let moved = cx.stop().unless_cancelled(futures_util::future::try_join_all(moves)).await;
        meter.close();
        moved?
    }

    /// A host that is not the server itself is known by the thumbprint that the server tells.
    fn nfc_http(&self, device: &LeaseDevice) -> Result<Http, VsphereError> {
        let Some(thumbprint) = &device.thumbprint else { return Ok(self.http().clone()) };
        let host = device.url.host_str().unwrap_or_default();
        let port = device.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Http::new(&Server {
            host: format!("{host}{port}"),
            trust: match &self.place().server.trust {
                Trust::Anything => Trust::Anything,
                _ => Trust::Thumbprint(thumbprint.clone()),
            },
        })
    }
}

/// Does `once` until it goes well, a few times at most, as long as it is the way there that failed.
async fn patiently<F: Future<Output = Result<Moved, VsphereError>>>(
    cx: &Cx,
    name: &str,
    mut once: impl FnMut() -> F,
) -> Result<Moved, VsphereError> {
    let mut repeated = 0;
    loop {
        match once().await {
            Err(error) if error.kind() == VsphereErrorKind::Unavailable && repeated < AGAIN => {
                repeated += 1;
                let why = crate::cx::causes(&error).join(": ");
                cx.events().warn(format!("{why}; `{name}` is begun again"), None);
                tokio::time::sleep(Duration::from_millis(500 << repeated)).await;
            }
            moved => return moved.map(|moved| Moved { repeated, ..moved }),
        }
    }
}

/// Sends a file once.
async fn send(http: &Http, file: &Upload, meter: &Arc<Meter>) -> Result<Moved, VsphereError> {
    let attempt = || format!("send `{}` to {}", file.name, file.device.url.host_str().unwrap_or_default());
    let bytes = file.supply.bytes();
    let account = Arc::new(Account::new(meter));
    let stream = futures_util::stream::unfold(
        (file.supply.open(), Arc::clone(&account)),
        async |(mut from, account)| {
            let piece = from.recv().await?;
            let piece = piece.inspect(|piece| account.add(piece)).map_err(|error| {
                let told = io::Error::new(error.kind(), error.to_string());
                account.sums().trouble = Some(error);
                told
            });
            Some((piece, (from, account)))
        },
    );
    // As VMware's own tools do it: what is no disk replaces what may be there.
    let request = if file.create {
        http.client.put(file.device.url.clone()).header("overwrite", "t")
    } else {
        let kind = "application/x-vnd.vmware-streamVmdk";
        http.client.post(file.device.url.clone()).header("content-type", kind)
    };
    let request = request.header("content-length", bytes).body(reqwest::Body::wrap_stream(stream));
    let answer = account.unless_stalled(&attempt, request.send()).await?;
    if let Some(error) = account.sums().trouble.take() {
        return Err(VsphereError::new(VsphereErrorKind::Other, attempt()).because(error));
    }
    let answer = answer.map_err(|error| http.failed(attempt(), error))?;
    accepted(&attempt, answer).await?;
    account
        .moved(file.device.key.clone(), &file.name, bytes)
        .map_err(|why| VsphereError::new(VsphereErrorKind::Other, attempt()).because(why))
}

/// Fetches a file once.
async fn fetch(http: &Http, file: &Download, meter: &Arc<Meter>, again: bool) -> Result<Moved, VsphereError> {
    let attempt = || format!("fetch `{}` from {}", file.name, file.device.url.host_str().unwrap_or_default());
    let unwanted =
        || VsphereError::new(VsphereErrorKind::Other, attempt()).because("nobody takes it any more");
    let account = Account::new(meter);
    if again {
        file.to.send(Piece::Restart).await.map_err(|_| unwanted())?;
    }
    let request = http.client.get(file.device.url.clone());
    let answer = account.unless_stalled(&attempt, request.send()).await?;
    let answer = answer.map_err(|error| http.failed(attempt(), error))?;
    let mut answer = accepted(&attempt, answer).await?;
    let stated = answer.content_length();
    loop {
        let piece = account.unless_stalled(&attempt, answer.chunk()).await?;
        let Some(piece) = piece.map_err(|error| http.failed(attempt(), error))? else { break };
        account.add(&piece);
        file.to.send(Piece::Bytes(piece)).await.map_err(|_| unwanted())?;
    }
    let came = account.sums().bytes;
    account
        .moved(file.device.key.clone(), &file.name, stated.unwrap_or(came))
        .map_err(|why| VsphereError::new(VsphereErrorKind::Unavailable, attempt()).because(why))
}

/// An answer that says yes; else what it says.
async fn accepted(
    attempt: impl Fn() -> String,
    answer: reqwest::Response,
) -> Result<reqwest::Response, VsphereError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let kind = match status.as_u16() {
        429 | 502..=504 => VsphereErrorKind::Unavailable,
        401 | 403 => VsphereErrorKind::Permission,
        404 => VsphereErrorKind::NotFound,
        507 => VsphereErrorKind::NoSpace,
        _ => VsphereErrorKind::Other,
    };
    let text = super::soap::limited(answer).await.unwrap_or_default();
    let text: String =
        crate::cx::clean_line(text.lines().next().unwrap_or_default()).chars().take(200).collect();
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    Err(VsphereError::new(kind, attempt()).because(format!("the host answered HTTP {status}{said}")))
}

/// What one try of one file has moved. It does not count if the try fails.
#[derive(Debug)]
struct Account {
    sums: Mutex<Sums>,
    meter: Arc<Meter>,
    whole: std::sync::atomic::AtomicBool,
}

struct Sums {
    bytes: u64,
    sha1: sha1::Sha1,
    sha256: sha2::Sha256,
    /// Why the supply ended early.
    trouble: Option<io::Error>,
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sums").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Account {
    fn new(meter: &Arc<Meter>) -> Self {
        let sums =
            Sums { bytes: 0, sha1: sha1::Sha1::default(), sha256: sha2::Sha256::default(), trouble: None };
        Self { sums: Mutex::new(sums), meter: Arc::clone(meter), whole: false.into() }
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, piece: &Bytes) {
        let mut sums = self.sums();
        sums.bytes += piece.len() as u64;
        sums.sha1.update(piece);
        sums.sha256.update(piece);
        drop(sums);
        self.meter.add(piece.len() as u64);
    }

    /// `work`, unless no byte moves for too long meanwhile.
    async fn unless_stalled<T>(
        &self,
        attempt: impl Fn() -> String,
        work: impl Future<Output = T>,
    ) -> Result<T, VsphereError> {
        const LOOK: Duration = Duration::from_secs(5);
        let mut work = std::pin::pin!(work);
        let (mut seen, mut since) = (self.sums().bytes, Instant::now());
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                return Ok(done);
            }
            let now = self.sums().bytes;
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() >= STALLED {
                let why = format!("nothing has moved for {} s, after {seen} bytes", STALLED.as_secs());
                return Err(VsphereError::new(VsphereErrorKind::Unavailable, attempt()).because(why));
            }
        }
    }

    /// The whole file, which must have so many bytes.
    fn moved(&self, key: String, name: &str, bytes: u64) -> Result<Moved, String> {
        let sums = self.sums();
        if sums.bytes != bytes {
            return Err(format!("{} bytes went over the wire, of {bytes}", sums.bytes));
        }
        self.whole.store(true, Ordering::Relaxed);
        Ok(Moved {
            key,
            name: name.to_owned(),
            bytes,
            sha1: hex::encode(sums.sha1.clone().finalize()),
            sha256: hex::encode(sums.sha256.clone().finalize()),
            repeated: 0,
        })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.whole.load(Ordering::Relaxed) {
            self.meter.take_back(self.sums().bytes);
        }
    }
}

/// Progress of all files together.
#[derive(Debug)]
struct Meter {
    cx: Cx,
    what: &'static str,
    total: Option<u64>,
    /// What the lease is told that there is; a guess at times.
    about: u64,
    lease: Arc<LeaseProgress>,
    done: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Meter {
    fn new(cx: &Cx, what: &'static str, total: u64, about: u64, lease: &Arc<LeaseProgress>) -> Self {
        Self {
            cx: cx.clone(),
            what,
            total: (total > 0).then_some(total),
            about,
            lease: Arc::clone(lease),
            done: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.lease.set(done, self.about);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < TOLD_EVERY) && self.total.is_none_or(|total| done < total)
        {
            return;
        }
        *told = Some(Instant::now());
        self.cx.emit(Event::Progress {
            what: self.what.to_owned(),
            done,
            total: self.total,
            unit: Unit::Bytes,
        });
    }

    fn take_back(&self, bytes: u64) {
        let done = self.done.fetch_sub(bytes, Ordering::Relaxed).saturating_sub(bytes);
        self.lease.set(done, self.about);
    }

    fn close(&self) {
        self.cx.emit(Event::ProgressFinished { what: self.what.to_owned() });
    }
}

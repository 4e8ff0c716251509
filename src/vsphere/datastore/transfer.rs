//! Files that are brought to a datastore and back. Such a transfer cannot go on where it was cut: it begins again, a few times.
use super::Datastore;
use crate::{
    cx::{Cx, Event, Undo, UndoHandle, Unit, causes},
    value::Size,
    vsphere::{Kind, VsphereError, VsphereErrorKind, remove::resource},
};
use futures_util::TryStreamExt as _;
use reqwest::{Body, Response, StatusCode};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncWriteExt as _, time::Instant};
use tokio_util::io::ReaderStream;

const ATTEMPTS: u32 = 3;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(500);
/// A connection over which nothing has gone for so long is dead.
const STALLED: Duration = Duration::from_mins(2);
/// After the last byte, the server may have to bring all of it to its host.
const LAST: Duration = Duration::from_mins(15);
const CHUNK: usize = 256 << 10;

/// A file that goes with the build.
#[derive(Debug)]
pub struct Temporary {
    /// `[datastore] folder/name`.
    pub full_path: String,
    /// Its path in the datastore.
    pub path: String,
    /// Its undo.
    pub undo: UndoHandle,
}

/// A try that failed: whether another may help.
enum Failed {
    /// The session ended. Nothing was done.
    Session,
    /// It was cut, or the server is not well.
    Cut(VsphereError),
    Final(VsphereError),
}

impl Datastore {
    /// Brings a file into the datastore for as long as the build lasts. The build's id is a part of its name.
    pub async fn upload_temporary(
        &self,
        cx: &Cx,
        file: &Path,
        name: &str,
    ) -> Result<Temporary, VsphereError> {
        const FOLDER: &str = "goldsmith/build";
        self.make_folders(FOLDER).await?;
        let path = format!("{FOLDER}/{}-{}", cx.id(), super::cached::plain(name));
        let undo = self.plan_file(cx, &path)?;
        self.upload(cx, file, &path).await?;
        Ok(Temporary { full_path: self.full_path(&path), path, undo })
    }

    /// Journals a file that is about to be made. The build's id must be a part of its name: nothing else is removed.
    pub(super) fn plan_file(&self, cx: &Cx, path: &str) -> Result<UndoHandle, VsphereError> {
        let details = [("datacenter", self.datacenter.path.as_str())];
        let undo = resource(&self.vcenter, Kind::File, self.full_path(path), cx.id().as_str(), &details);
        Ok(cx.undo().plan(Undo::Resource(undo))?)
    }

    /// Brings a file to `path`, over what is there, and looks whether all of it arrived. The folder must be there.
    pub async fn upload(&self, cx: &Cx, file: &Path, path: &str) -> Result<(), VsphereError> {
        let attempt = format!("upload `{}` to `{}`", file.display(), self.full_path(path));
        let what = format!("upload {}", path.rsplit('/').next().unwrap_or(path));
        let unreadable = |error: std::io::Error| {
            VsphereError::new(VsphereErrorKind::Other, attempt.clone()).because(error)
        };
        let size = tokio::fs::metadata(file).await.map_err(unreadable)?.len();
        let sent = repeated(cx, self, &attempt, || self.put(cx, &attempt, &what, file, path, size)).await;
        cx.emit(Event::ProgressFinished { what: what.clone() });
        sent?;
        let there = self.file(cx, path).await?;
        match there.as_ref().and_then(|entry| entry.size) {
            Some(there) if there == size => Ok(()),
            Some(there) => Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("{there} of {size} bytes arrived"))),
            None => Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because("the server took it, but it is not there")),
        }
    }

    async fn put(
        &self,
        cx: &Cx,
        attempt: &str,
        what: &str,
        file: &Path,
        path: &str,
        size: u64,
    ) -> Result<(), Failed> {
        let url = self.url(attempt, path).map_err(Failed::Final)?;
        let file = tokio::fs::File::open(file).await.map_err(|error| {
            Failed::Final(VsphereError::new(VsphereErrorKind::Other, attempt).because(error))
        })?;
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let stream = ReaderStream::with_capacity(file, CHUNK).inspect_ok(move |chunk| {
            counted.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        });
        let request = self
            .request(reqwest::Method::PUT, url)
            .header("content-type", "application/octet-stream")
            .header("content-length", size)
            .body(Body::wrap_stream(stream));
        let sending = request.send();
        tokio::pin!(sending);
        let (mut before, mut moved) = (0, Instant::now());
        let response = loop {
            tokio::select! {
                () = cx.stop().cancelled() => return Err(Failed::Final(crate::cx::Cancelled.into())),
                response = &mut sending => break response,
                () = tokio::time::sleep(TELL) => {
                    let now = done.load(Ordering::Relaxed);
                    cx.emit(Event::Progress { what: what.to_owned(), done: now, total: Some(size), unit: Unit::Bytes });
                    if now != before {
                        (before, moved) = (now, Instant::now());
                    }
                    let limit = if now >= size { LAST } else { STALLED };
                    if moved.elapsed() >= limit {
                        return Err(Failed::Cut(stalled(attempt, now, Some(size), limit)));
                    }
                }
            }
        };
        let response = response.map_err(|error| Failed::Cut(self.vcenter.http().failed(attempt, error)))?;
        self.check(attempt, response).await.map(drop)
    }

    /// Brings a file of the datastore here, over what is there. Returns its size.
    pub async fn download(&self, cx: &Cx, path: &str, to: &Path) -> Result<u64, VsphereError> {
        let attempt = format!("download `{}` to `{}`", self.full_path(path), to.display());
        let what = format!("download {}", path.rsplit('/').next().unwrap_or(path));
        let got = repeated(cx, self, &attempt, || self.get(cx, &attempt, &what, path, to)).await;
        cx.emit(Event::ProgressFinished { what });
        got
    }

    async fn get(&self, cx: &Cx, attempt: &str, what: &str, path: &str, to: &Path) -> Result<u64, Failed> {
        let url = self.url(attempt, path).map_err(Failed::Final)?;
        let here = |error: std::io::Error| {
            Failed::Final(VsphereError::new(VsphereErrorKind::Other, attempt).because(error))
        };
        let cancelled = |cancelled: crate::cx::Cancelled| Failed::Final(cancelled.into());
        let sending = tokio::time::timeout(STALLED, self.request(reqwest::Method::GET, url).send());
        let response = match cx.stop().unless_cancelled(sending).await.map_err(cancelled)? {
            Ok(response) => response,
            Err(_elapsed) => return Err(Failed::Cut(stalled(attempt, 0, None, STALLED))),
        };
        let response = response.map_err(|error| Failed::Cut(self.vcenter.http().failed(attempt, error)))?;
        let mut response = self.check(attempt, response).await?;
        let total = response.content_length();
        let mut file = tokio::fs::File::create(to).await.map_err(here)?;
        let (mut done, mut told) = (0, Instant::now());
        loop {
            let chunk = tokio::time::timeout(STALLED, response.chunk());
            let chunk = match cx.stop().unless_cancelled(chunk).await.map_err(cancelled)? {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(error)) => return Err(Failed::Cut(self.vcenter.http().failed(attempt, error))),
                Err(_elapsed) => return Err(Failed::Cut(stalled(attempt, done, total, STALLED))),
            };
            let Some(chunk) = chunk else { break };
            file.write_all(&chunk).await.map_err(here)?;
            done += chunk.len() as u64;
            if told.elapsed() >= TELL {
                told = Instant::now();
                cx.emit(Event::Progress { what: what.to_owned(), done, total, unit: Unit::Bytes });
            }
        }
        file.flush().await.map_err(here)?;
        match total {
            Some(total) if total != done => Err(Failed::Cut(
                VsphereError::new(VsphereErrorKind::Unavailable, attempt)
                    .because(format!("{done} of {total} bytes came")),
            )),
            _ => Ok(done),
        }
    }

    fn request(&self, method: reqwest::Method, url: url::Url) -> reqwest::RequestBuilder {
        let request = self.vcenter.http().client.request(method, url);
        match self.vcenter.cookie() {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    /// What the server's status means.
    async fn check(&self, attempt: &str, response: Response) -> Result<Response, Failed> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failed::Session);
        }
        let said = tokio::time::timeout(Duration::from_secs(10), response.text()).await;
        let said = said.ok().and_then(Result::ok).unwrap_or_default();
        let said = said.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
        let kind = match status.as_u16() {
            403 => VsphereErrorKind::Permission,
            404 => VsphereErrorKind::NotFound,
            507 => VsphereErrorKind::NoSpace,
            500..=599 | 408 | 429 => VsphereErrorKind::Unavailable,
            _ => VsphereErrorKind::Other,
        };
        let said = said.map(|line| format!(": {}", line.chars().take(200).collect::<String>()));
        let error = VsphereError::new(kind, attempt)
            .because(format!("the server answered HTTP {status}{}", said.unwrap_or_default()));
        Err(match status.as_u16() {
            // It does not say more, and this is the most frequent reason.
            500 => Failed::Cut(error.hint(format!(
                "a server answers so when the datastore `{}` is full, or when the user lacks Datastore.FileManagement or \
                 Cryptographer.Access on it",
                self.name
            ))),
            403 => Failed::Final(error.hint(format!(
                "grant the privileges Datastore.FileManagement and Datastore.Browse on the datastore `{}`",
                self.name
            ))),
            404 => Failed::Final(
                error.hint(format!("is the datastore `{}` in `{}`?", self.name, self.datacenter.path)),
            ),
            _ if kind == VsphereErrorKind::Unavailable => Failed::Cut(error),
            _ => Failed::Final(error),
        })
    }
}

/// Does it again from the start when it was cut, and once when the session had ended.
async fn repeated<T, Fut: Future<Output = Result<T, Failed>>>(
    cx: &Cx,
    datastore: &Datastore,
    attempt: &str,
    transfer: impl Fn() -> Fut,
) -> Result<T, VsphereError> {
    let vcenter = &datastore.vcenter;
    let (mut tries, mut renewed) = (0, false);
    loop {
        cx.check()?;
        let cookie = vcenter.cookie();
        match transfer().await {
            Ok(done) => return Ok(done),
            Err(Failed::Final(error)) => return Err(error),
            Err(Failed::Session) if !renewed => {
                renewed = true;
                vcenter.log_in(cookie.as_deref()).await?;
            }
            Err(Failed::Session) => {
                return Err(VsphereError::new(VsphereErrorKind::Auth, attempt)
                    .because("the server does not take the session that it began a moment ago"));
            }
            Err(Failed::Cut(error)) => {
                tries += 1;
                if tries >= ATTEMPTS {
                    return Err(error);
                }
                cx.events().warn(
                    format!("{}; beginning again, {} of {ATTEMPTS}", causes(&error).join(": "), tries + 1),
                    None,
                );
                cx.stop().unless_cancelled(tokio::time::sleep(Duration::from_secs(1 << tries))).await?;
                // A server that was asked without a session may close the connection before it says so.
                vcenter.properties(&datastore.moref, &["name"]).await?;
            }
        }
    }
}

fn stalled(attempt: &str, done: u64, total: Option<u64>, limit: Duration) -> VsphereError {
    let of = total.map(|total| format!(" of {}", Size::bytes(total))).unwrap_or_default();
    VsphereError::new(VsphereErrorKind::Timeout, attempt).because(format!(
        "nothing has gone for {} s after {}{of}",
        limit.as_secs(),
        Size::bytes(done)
    ))
}

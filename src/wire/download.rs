//! A file that is fetched: into a temporary name beside its own, gone on with where a connection was cut, compared, and renamed when it is
//! whole.
use super::{Bar, WireKind};
use crate::{
    cx::{Cx, Failure},
    value::{Digest, DigestAlgorithm, Size},
};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE},
};
use sha2::Digest as _;
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

/// So many tries in a row may bring nothing that lasts.
const ATTEMPTS: u32 = 3;
/// A try that went on and brought as many bytes is worth another.
const WORTH_IT: u64 = 1 << 20;

/// A file to fetch.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// What people call it, with its quotes: `` `web` ``.
    pub(crate) what: &'a str,
    /// Where it goes; what is there gives way when it is whole.
    pub(crate) to: &'a Path,
    /// Its length, where that is known.
    pub(crate) bytes: Option<u64>,
    /// Its SHA-256, where that is known.
    pub(crate) sha256: Option<&'a Digest>,
    /// For how long nothing may come.
    pub(crate) stall: Duration,
}

/// A file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its length.
    pub bytes: u64,
    /// Of all of it.
    pub sha256: Digest,
    /// How often the connection was cut.
    pub repeated: u32,
}

/// What is here so far. The digest is always of exactly those bytes.
struct Part {
    path: PathBuf,
    file: tokio::fs::File,
    done: u64,
    hash: sha2::Sha256,
    /// Of the whole, as the server tells it.
    total: Option<u64>,
    /// What this version of the file is known by (`If-Range`).
    version: Option<HeaderValue>,
    /// Whether the server said that it gives parts.
    ranges: bool,
}

/// Fetches a file. `ask` sends one request with these headers added, and refuses answers other than 200, 206 and 416; it is called again after an
/// error of the kind [`WireKind::UNAVAILABLE`] or `TIMEOUT`. The temporary file is in the journal.
pub(crate) async fn download<K: WireKind, Asked>(
    cx: &Cx,
    wanted: &Wanted<'_>,
    ask: impl Fn(HeaderMap) -> Asked,
) -> Result<Arrived, Failure<K>>
where
    Asked: Future<Output = Result<Response, Failure<K>>>,
{
    let name = wanted.to.file_name().unwrap_or_default().to_string_lossy();
    let path = wanted.to.with_file_name(format!(".goldsmith-{}-{name}", cx.id()));
    let undo = cx.plan_path(&path)?;
    let mut part = Part::create(path).await.map_err(|why| unwritten(wanted, why))?;
    let mut bar = Bar::new(cx, format!("download {}", wanted.what), wanted.bytes);
    let (mut tries, mut repeated) = (0, 0);
    loop {
        cx.check()?;
        let before = part.done;
        let Err(error) = part.go_on(cx, wanted, &mut bar, &ask).await else { break };
        if error.kind() != K::UNAVAILABLE && error.kind() != K::TIMEOUT {
            return Err(error);
        }
        tries = if before > 0 && part.done >= before + WORTH_IT { 0 } else { tries + 1 };
        if tries >= ATTEMPTS {
            return Err(error);
        }
        repeated += 1;
        let why = error.source().map(ToString::to_string).unwrap_or_default();
        let on = match part.resume(wanted) {
            Some(_) => format!("goes on after {}", Size::bytes(part.done)),
            None => "begins again".to_owned(),
        };
        cx.events().warn(format!("the download of {} was cut ({why}); it {on}", wanted.what), None);
        cx.stop().unless_cancelled(tokio::time::sleep(Duration::from_secs(1 << tries.min(4)))).await?;
    }
    drop(bar);
    let sha256 = part.finish(wanted).await?;
    tokio::fs::rename(&part.path, wanted.to).await.map_err(|why| unwritten(wanted, why))?;
    cx.undo().keep(undo)?;
    Ok(Arrived { bytes: part.done, sha256, repeated })
}

impl Part {
    async fn create(path: PathBuf) -> io::Result<Self> {
        let file = tokio::fs::File::create(&path).await?;
        Ok(Self { path, file, done: 0, hash: sha2::Sha256::new(), total: None, version: None, ranges: false })
    }

    /// Forgets what came.
    async fn begin_again(&mut self) -> io::Result<()> {
        self.file.rewind().await?;
        self.file.set_len(0).await?;
        (self.done, self.hash, self.total, self.version) = (0, sha2::Sha256::new(), None, None);
        Ok(())
    }

    /// What asks for the rest, if that can be trusted to belong to what is here: it is the same version, or the digest will tell.
    fn resume(&self, wanted: &Wanted<'_>) -> Option<HeaderMap> {
        let known = self.version.is_some() || (self.ranges && wanted.sha256.is_some());
        if self.done == 0 || !known {
            return None;
        }
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(&format!("bytes={}-", self.done)).ok()?);
        if let Some(version) = &self.version {
            headers.insert(IF_RANGE, version.clone());
        }
        Some(headers)
    }

    /// One request, until its answer ends. What came stays, whatever ended it.
    async fn go_on<K: WireKind, Asked>(
        &mut self,
        cx: &Cx,
        wanted: &Wanted<'_>,
        bar: &mut Bar,
        ask: &impl Fn(HeaderMap) -> Asked,
    ) -> Result<(), Failure<K>>
    where
        Asked: Future<Output = Result<Response, Failure<K>>>,
    {
        let cut =
            |why: String| Failure::new(K::UNAVAILABLE, format!("download {}", wanted.what)).because(why);
        let here = |why: io::Error| unwritten::<K>(wanted, why);
        let headers = self.resume(wanted);
        if headers.is_none() {
            self.begin_again().await.map_err(here)?;
        }
        let asked = in_time(cx, wanted, ask(headers.unwrap_or_default()));
        let mut response = asked.await??;
        match (response.status(), content_range(response.headers())) {
            (StatusCode::PARTIAL_CONTENT, Some((first, total)))
                if self.done > 0 && first == self.done && (self.total.is_none() || total == self.total) => {}
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                self.begin_again().await.map_err(here)?;
                return Err(cut("the server sent another part than was asked for".to_owned()));
            }
            _ => {
                if self.done > 0 {
                    self.begin_again().await.map_err(here)?;
                }
                self.total = response.content_length();
                self.version = version(response.headers());
                self.ranges =
                    response.headers().get(ACCEPT_RANGES).is_some_and(|said| said.as_bytes() == b"bytes");
            }
        }
        bar.expect(self.total);
        let came = loop {
            match in_time(cx, wanted, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    self.file.write_all(&chunk).await.map_err(here)?;
                    self.hash.update(&chunk);
                    self.done += chunk.len() as u64;
                    bar.show(self.done);
                }
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(error)) => break Err(cut(super::chain(&error))),
                Err(error) => break Err(error),
            }
        };
        self.file.flush().await.map_err(here)?;
        came?;
        match self.total.filter(|total| *total != self.done) {
            Some(total) => Err(cut(format!("{} of {total} bytes came", self.done))),
            None => Ok(()),
        }
    }

    /// Puts all of it on the disk, and compares it with what is known of it.
    async fn finish<K: WireKind>(&mut self, wanted: &Wanted<'_>) -> Result<Digest, Failure<K>> {
        self.file.sync_all().await.map_err(|why| unwritten(wanted, why))?;
        let wrong = |why: String| {
            Failure::new(K::OTHER, format!("prove that {} came whole", wanted.what)).because(why)
        };
        if let Some(bytes) = wanted.bytes.filter(|bytes| *bytes != self.done) {
            return Err(wrong(format!("it has {} bytes, not {bytes}", self.done)));
        }
        let sha256 = Digest::from_bytes(DigestAlgorithm::Sha256, &self.hash.clone().finalize())
            .ok_or_else(|| wrong("its digest has another length".to_owned()))?;
        match wanted.sha256.filter(|expected| **expected != sha256) {
            Some(expected) => {
                Err(wrong(format!("its SHA-256 is {}, and {} is told of it", sha256.hex(), expected.hex())))
            }
            None => Ok(sha256),
        }
    }
}

/// What comes before the time without anything is over, unless the user interrupts.
async fn in_time<K: WireKind, T>(
    cx: &Cx,
    wanted: &Wanted<'_>,
    coming: impl Future<Output = T>,
) -> Result<T, Failure<K>> {
    let limited = tokio::time::timeout(wanted.stall, coming);
    cx.stop().unless_cancelled(limited).await?.map_err(|_| {
        Failure::new(K::UNAVAILABLE, format!("download {}", wanted.what))
            .because(format!("nothing came for {} s", wanted.stall.as_secs()))
    })
}

fn unwritten<K: WireKind>(wanted: &Wanted<'_>, why: io::Error) -> Failure<K> {
    let kind = if why.kind() == io::ErrorKind::StorageFull { K::NO_SPACE } else { K::OTHER };
    Failure::new(kind, format!("write `{}`", wanted.to.display())).because(why)
}

/// First byte and total of `Content-Range: bytes 5-9/10`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let said = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = said.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

/// What `If-Range` takes: a strong ETag or a date.
fn version(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    strong.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

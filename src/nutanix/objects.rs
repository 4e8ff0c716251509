//! The object store inside a Prism Central ("Objects Lite"), where v4 wants the bytes of images: S3, path-style, below
//! `/api/prism/v4.0/objects/`, in the bucket `vmm-images`. Large files go in parts: a part whose connection is cut is sent again, alone.
use super::{
    Fault, Kind, Prism, PrismError, PrismErrorKind,
    call::{escape, pause},
    http,
    passing::{CHUNK, Count, unreadable, watch},
    resource,
    sign::{Keys, ToSign, digest},
};
use crate::{
    cx::{Cx, Undo, UndoHandle},
    value::Secret,
};
use base64::Engine as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

const BUCKET: &str = "api/prism/v4.0/objects/vmm-images";
/// The size of a part in bytes, if S3's limit of parts allows.
const PART: u64 = 16 << 20;
/// S3's limit.
const PARTS: u64 = 10_000;
/// Parts on their way at once.
const AT_ONCE: usize = 4;
/// How often a part is sent.
const ATTEMPTS: u32 = 6;
/// The longest that a request without a part in it may take.
const ANSWER: Duration = Duration::from_mins(5);

/// A file that is in the store now.
#[derive(Debug)]
pub struct Staged {
    /// Its key.
    pub key: String,
    /// How it is removed.
    pub undo: UndoHandle,
    /// How often a part was sent again.
    pub repeated: u32,
}

/// One part.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// From 1.
    number: u64,
    offset: u64,
    bytes: u64,
}

/// A request to the store.
struct Ask<'a> {
    method: reqwest::Method,
    key: &'a str,
    /// Sorted, escaped.
    query: String,
    body: Bytes,
    /// Who counts the bytes that pass: of all, and of this request.
    count: Option<(&'a Count, &'a Arc<AtomicU64>)>,
}

/// What it answered.
struct Told {
    etag: Option<String>,
    text: String,
}

impl Prism {
    /// Sends a file to the store under `key`. It is in the journal from before its first byte.
    pub async fn stage(&self, cx: &Cx, key: &str, (path, bytes): (&Path, u64)) -> Result<Staged, PrismError> {
        let attempt = format!("upload `{}`", path.display());
        let undo = |upload: &[(&str, &str)]| {
            Undo::Resource(resource(self, Kind::Object, key, cx.id().as_str(), upload))
        };
        let handle = cx.undo().plan(undo(&[]))?;
        let (count, repeated) = (Count::default(), AtomicU32::new(0));
        let work = Sending { prism: self, attempt: &attempt, key, path, count: &count, repeated: &repeated };
        if bytes <= PART {
            let part = Part { number: 1, offset: 0, bytes };
            let sent = work.send(part, String::new());
            watch(cx, &attempt, ("upload", bytes), &count, sent).await??;
            return Ok(Staged { key: key.to_owned(), undo: handle, repeated: repeated.into_inner() });
        }
        let told = self.store(&attempt, &Ask::new(reqwest::Method::POST, key).query("uploads=")).await?;
        let upload = value_of(&told.text, "UploadId").ok_or_else(|| unclear(&attempt, "an upload"))?;
        cx.undo().resolve(handle, undo(&[(UPLOAD, &upload)]))?;
        let parts = work.all(&upload, bytes);
        let etags = watch(cx, &attempt, ("upload", bytes), &count, parts).await??;
        self.complete(&attempt, key, &upload, &etags).await?;
        cx.undo().resolve(handle, undo(&[]))?;
        Ok(Staged { key: key.to_owned(), undo: handle, repeated: repeated.into_inner() })
    }

    async fn complete(
        &self,
        attempt: &str,
        key: &str,
        upload: &str,
        etags: &[(u64, String)],
    ) -> Result<(), PrismError> {
        let mut body =
            String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for (number, etag) in etags {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            body.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        body.push_str("</CompleteMultipartUpload>");
        let ask = Ask::new(reqwest::Method::POST, key)
            .query(format!("uploadId={}", escape(upload)))
            .body(body.into());
        let told = match self.store(attempt, &ask).await {
            // An answer that got lost: it was done, and there is no such upload any more. The digest of the image tells if not.
            Err(error) if error.kind() == PrismErrorKind::NotFound => return Ok(()),
            told => told?,
        };
        // This request may fail after its status was sent.
        if let Some(code) = value_of(&told.text, "Code") {
            let why = value_of(&told.text, "Message").unwrap_or_default();
            return Err(PrismError::new(PrismErrorKind::Other, attempt)
                .because(format!("the parts could not be joined: {why} ({code})")));
        }
        Ok(())
    }

    /// Removes what was sent: an upload that did not end, and the object. Gone already is a success.
    pub(super) async fn unstage(&self, key: &str, upload: Option<&str>) -> Result<(), PrismError> {
        let attempt = format!("remove the uploaded file {key}");
        if let Some(upload) = upload {
            let ask = Ask::new(reqwest::Method::DELETE, key).query(format!("uploadId={}", escape(upload)));
            unless_gone(self.store(&attempt, &ask).await)?;
        }
        unless_gone(self.store(&attempt, &Ask::new(reqwest::Method::DELETE, key)).await)
    }

    /// Makes a request, again after trouble: each of them is the same when made twice.
    async fn store(&self, attempt: &str, ask: &Ask<'_>) -> Result<Told, PrismError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match tokio::time::timeout(ANSWER, self.store_once(attempt, ask)).await {
                Ok(Err(error)) if error.kind() == PrismErrorKind::Unavailable && tries < ATTEMPTS => {}
                Ok(answered) => return answered,
                Err(_) if tries < ATTEMPTS => {}
                Err(_) => {
                    return Err(PrismError::new(PrismErrorKind::Timeout, attempt)
                        .because(format!("no answer within {} minutes", ANSWER.as_secs() / 60)));
                }
            }
            tokio::time::sleep(pause(tries)).await;
        }
    }

    async fn store_once(&self, attempt: &str, ask: &Ask<'_>) -> Result<Told, PrismError> {
        let question = if ask.query.is_empty() { "" } else { "?" };
        let url = self.url(attempt, &format!("{BUCKET}/{}{question}{}", escape(ask.key), ask.query))?;
        let name = format!("{} {}", ask.method, url.path());
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let at = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let payload = digest(&ask.body);
        let signed = ToSign {
            method: ask.method.as_str(),
            host: &host,
            path: url.path(),
            query: &ask.query,
            payload: &payload,
            at: &at,
        };
        let authorization = signed.authorization(&self.keys());
        let request = self
            .client()
            .request(ask.method.clone(), url)
            .header("authorization", authorization)
            .header("x-amz-date", &at)
            .header("x-amz-content-sha256", &payload)
            .header("content-type", "application/octet-stream")
            .header("content-length", ask.body.len())
            .body(ask.stream());
        let response = request.send().await.map_err(|error| http::failed(attempt, &error))?;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(ToOwned::to_owned);
        let text = http::text(response)
            .await
            .map_err(|error| PrismError::new(PrismErrorKind::Unavailable, attempt).because(error))?;
        if (200..300).contains(&status) {
            return Ok(Told { etag, text });
        }
        let mut fault = Fault::of_answer(&name, status, &text);
        fault.codes.extend(value_of(&text, "Code"));
        fault.messages.extend(value_of(&text, "Message"));
        // A store says by 500 that it may work later.
        let later = status == 500 && fault.kind() == PrismErrorKind::Other;
        fault.status = if later { 503 } else { status };
        Err(PrismError::of(attempt, fault))
    }

    fn keys(&self) -> Keys {
        let place = self.place();
        let both = format!("{}:{}", place.user, place.password.expose());
        let key = base64::engine::general_purpose::STANDARD.encode(both);
        Keys { access: Secret::new(key.clone()), secret: Secret::new(key) }
    }
}

/// The detail that names an upload that did not end.
pub(super) const UPLOAD: &str = "upload";

impl<'a> Ask<'a> {
    fn new(method: reqwest::Method, key: &'a str) -> Self {
        Self { method, key, query: String::new(), body: Bytes::new(), count: None }
    }

    fn query(self, query: impl Into<String>) -> Self {
        Self { query: query.into(), ..self }
    }

    fn body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The body in pieces, so that it is seen how far it is.
    fn stream(&self) -> reqwest::Body {
        let Some((count, passed)) = self.count else { return self.body.clone().into() };
        let (count, passed, body) = (count.clone(), Arc::clone(passed), self.body.clone());
        let pieces = (0..body.len()).step_by(CHUNK).map(move |at| {
            let piece = body.slice(at..body.len().min(at + CHUNK));
            count.add(piece.len() as u64);
            passed.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok::<_, std::io::Error>(piece)
        });
        reqwest::Body::wrap_stream(stream::iter(pieces))
    }
}

/// A file on its way.
struct Sending<'a> {
    prism: &'a Prism,
    attempt: &'a str,
    key: &'a str,
    path: &'a Path,
    count: &'a Count,
    repeated: &'a AtomicU32,
}

impl Sending<'_> {
    /// Sends all parts; returns their tags in order.
    async fn all(&self, upload: &str, bytes: u64) -> Result<Vec<(u64, String)>, PrismError> {
        let upload = escape(upload);
        let sent = stream::iter(parts(bytes)).map(|part| {
            let query = format!("partNumber={}&uploadId={upload}", part.number);
            async move {
                let etag = self.send(part, query).await?;
                Ok((part.number, etag.ok_or_else(|| unclear(self.attempt, "the tag of a part"))?))
            }
        });
        sent.buffered(AT_ONCE).try_collect().await
    }

    /// Sends a part, again when its connection was cut.
    async fn send(&self, part: Part, query: String) -> Result<Option<String>, PrismError> {
        let body = self.read(part).await.map_err(|why| unreadable(self.path, why))?;
        let passed = Arc::new(AtomicU64::new(0));
        let count = Some((self.count, &passed));
        let ask = Ask { method: reqwest::Method::PUT, key: self.key, query, body, count };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.prism.store_once(self.attempt, &ask).await {
                Ok(told) => return Ok(told.etag),
                Err(error) if error.kind() == PrismErrorKind::Unavailable && tries < ATTEMPTS => {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    // What passed of it passes once more.
                    self.count.take_back(passed.swap(0, Ordering::Relaxed));
                    tokio::time::sleep(pause(tries)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&self, part: Part) -> std::io::Result<Bytes> {
        let mut file = tokio::fs::File::open(self.path).await?;
        file.seek(std::io::SeekFrom::Start(part.offset)).await?;
        let mut bytes = vec![0; usize::try_from(part.bytes).map_err(std::io::Error::other)?];
        file.read_exact(&mut bytes).await?;
        Ok(bytes.into())
    }
}

/// How a file of so many bytes is divided.
fn parts(bytes: u64) -> impl Iterator<Item = Part> {
    let size = PART.max(bytes.div_ceil(PARTS).next_multiple_of(1 << 20));
    (0..bytes.div_ceil(size)).map(move |at| Part {
        number: at + 1,
        offset: at * size,
        bytes: size.min(bytes - at * size),
    })
}

fn unless_gone(removed: Result<Told, PrismError>) -> Result<(), PrismError> {
    match removed {
        Err(error) if error.kind() != PrismErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unclear(attempt: &str, what: &str) -> PrismError {
    PrismError::new(PrismErrorKind::Other, attempt).because(format!("the answer does not tell {what}"))
}

/// The text of the first element of this name.
fn value_of(text: &str, name: &str) -> Option<String> {
    let document = roxmltree::Document::parse(text.trim()).ok()?;
    let node = document.descendants().find(|node| node.tag_name().name() == name)?;
    node.text().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_divided_into_parts_that_s3_takes() {
        for bytes in [PART + 1, 3 * PART, 1 << 40, (1 << 40) + 12345] {
            let parts: Vec<Part> = parts(bytes).collect();
            assert!(parts.len() as u64 <= PARTS, "{bytes}");
            assert_eq!(parts.iter().map(|part| part.bytes).sum::<u64>(), bytes);
            assert!(parts.iter().zip(1..).all(|(part, number)| part.number == number));
            let last = parts[parts.len() - 1];
            assert_eq!(last.offset + last.bytes, bytes);
            assert!(parts.iter().all(|part| part.bytes >= 5 << 20 || part.number == last.number));
        }
    }

    #[test]
    fn answers_of_the_store_are_read() {
        let text = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <UploadId>a b&amp;c</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(value_of(text, "UploadId").as_deref(), Some("a b&c"));
        assert_eq!(value_of("", "Code"), None);
    }
}

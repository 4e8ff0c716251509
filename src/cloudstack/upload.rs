//! Files into a template: the server gives a place and a signature, and a storage VM takes the file there, as a form.
//!
//! Names of headers and the form are those of the server's own user interface (`RegisterOrUploadTemplate.vue`) and of what it speaks to
//! (`HttpUploadServerHandler`). A storage VM takes one upload for a place: one that was cut can neither go on nor begin again there.
use super::{
    CloudStack, CloudStackError, CloudStackErrorKind, Params,
    answer::text,
    http,
    transfer::{Passing, unreadable},
};
use crate::{
    cx::{Cx, Event, Sight},
    value::Secret,
    wire::Bar,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::{path::Path, time::Duration};
use tokio::time::Instant;

/// How long no byte may move.
const STALLED: Duration = Duration::from_mins(10);
/// How long a storage VM may take for what it does with a file that it has: it looks at it, hashes it, and may unpack it.
const DIGESTING: Duration = Duration::from_hours(2);
/// As much of a refusal is read, in bytes.
const REFUSAL: usize = 64 << 10;

/// A place for one file.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The template that it becomes.
    pub id: String,
    url: String,
    signature: Secret,
    expires: String,
    metadata: Secret,
}

/// A file to send.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file.
    pub path: &'a Path,
    /// What it is called there; its end tells the storage VM what it is.
    pub name: &'a str,
    /// In bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: &'a str,
}

/// How a file arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// The storage VM said that it did.
    Accepted,
    /// All was sent, and no answer came through, for this reason; the template will tell.
    Unanswered(String),
}

impl CloudStack {
    /// Makes a template that waits for its file, and asks where that goes.
    pub async fn upload_ticket(&self, name: &str, params: &Params) -> Result<Ticket, CloudStackError> {
        let attempt = format!("prepare the upload of the template `{name}`");
        let answer = self.call(&attempt, "getUploadParamsForTemplate", params).await?;
        let told = &answer["getuploadparams"];
        let ticket = Ticket {
            id: text(&told["id"]),
            url: text(&told["postURL"]),
            signature: Secret::new(text(&told["signature"])),
            expires: text(&told["expires"]),
            metadata: Secret::new(text(&told["metadata"])),
        };
        if ticket.id.is_empty() || ticket.url.is_empty() || ticket.metadata.expose().is_empty() {
            return Err(CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because("the answer does not say where the file goes"));
        }
        Ok(ticket)
    }

    /// Sends a file there, once. The error is [`CloudStackErrorKind::Unavailable`] if it may arrive with another ticket.
    pub async fn post_file(
        &self,
        cx: &Cx,
        ticket: &Ticket,
        source: Source<'_>,
    ) -> Result<Posted, CloudStackError> {
        let attempt = format!("upload `{}` to {}", source.path.display(), host(&ticket.url));
        let file = tokio::fs::File::open(source.path).await.map_err(|why| unreadable(source.path, why))?;
        let boundary = format!("goldsmith-{}", uuid::Uuid::new_v4().simple());
        let (head, tail) = frame(&boundary, source.name);
        let length = (head.len() + tail.len()) as u64 + source.size;
        let passing = Passing::default();
        let whole = |text: String| stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
        let body = whole(head).chain(passing.stream(file)).chain(whole(tail));
        let request = self
            .http()
            .storage
            .post(&ticket.url)
            .header("content-type", format!("multipart/form-data; boundary={boundary}"))
            .header("content-length", length)
            .header("X-signature", ticket.signature.expose())
            .header("X-expires", &ticket.expires)
            .header("X-metadata", ticket.metadata.expose())
            .body(reqwest::Body::wrap_stream(body));
        let answer = watch(cx, &attempt, source, &passing, request.send()).await?;
        let all = passing.done() == source.size;
        if all && passing.sha256() != source.sha256 {
            return Err(CloudStackError::new(CloudStackErrorKind::Usage, attempt)
                .because("the file changed while it was read"));
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) if all => {
                return Ok(Posted::Unanswered(causes(&http::failed(&attempt, &error))));
            }
            Err(error) => {
                let failed = http::failed(&attempt, &error);
                let hint = "storage VMs have an address and a certificate of their own (`--ca-file` and `--insecure` are for both); \
                     where neither can be had, `--url` has the cloud fetch the file itself";
                return Err(match failed.kind() {
                    CloudStackErrorKind::Trust => failed.hint(hint).unsent(),
                    _ if error.is_connect() => failed.hint(hint).unsent(),
                    _ => failed,
                });
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(Posted::Accepted);
        }
        if all && matches!(status.as_u16(), 502 | 504) {
            // A proxy before the storage VM that has no patience.
            return Ok(Posted::Unanswered(format!("HTTP {status}")));
        }
        let said = http::limited(response, REFUSAL).await.unwrap_or_default();
        let said = crate::cx::clean_line(said.trim());
        let why = if said.is_empty() || said.starts_with('<') {
            format!("the storage VM answered HTTP {status}")
        } else {
            format!("the storage VM answered HTTP {status}: {said}")
        };
        let may_work = !all && status.is_server_error();
        let kind = match status.as_u16() {
            _ if may_work => CloudStackErrorKind::Unavailable,
            429 | 503 => CloudStackErrorKind::Unavailable,
            _ => CloudStackErrorKind::Other,
        };
        let error = CloudStackError::new(kind, attempt).because(why);
        Err(match status.as_u16() {
            413 => error
                .hint("a proxy before the storage VM does not take files of this size; `--url` does without"),
            _ => error,
        })
    }
}

fn causes(error: &CloudStackError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

fn host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| url.host_str());
    format!("the storage VM {}", host.unwrap_or("whose address is none"))
}

/// What stands before and after a file in a form with one field (RFC 7578).
fn frame(boundary: &str, name: &str) -> (String, String) {
    let name: String =
        name.chars().map(|c| if matches!(c, '"' | '\\') || c.is_control() { '_' } else { c }).collect();
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"files[]\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    (head, format!("\r\n--{boundary}--\r\n"))
}

/// Waits for a request whose body passes: shows it, ends it when nothing moves or the user interrupts.
async fn watch<T>(
    cx: &Cx,
    attempt: &str,
    source: Source<'_>,
    passing: &Passing,
    request: impl Future<Output = T>,
) -> Result<T, CloudStackError> {
    const GLANCE: Duration = Duration::from_millis(200);
    let mut bar = Some(Bar::new(cx, format!("upload {}", source.name), Some(source.size)));
    let mut request = std::pin::pin!(request);
    let mut moved = (0, Instant::now());
    let mut told = Instant::now();
    loop {
        let glance = tokio::time::timeout(GLANCE, &mut request);
        let answered = cx.stop().unless_cancelled(glance).await?;
        let done = passing.done();
        if let Some(bar) = &mut bar {
            bar.show(done);
        }
        if let Ok(answer) = answered {
            return Ok(answer);
        }
        if moved.0 != done {
            moved = (done, Instant::now());
        }
        let (since, all) = (moved.1.elapsed(), done >= source.size);
        let limit = if all { DIGESTING } else { STALLED };
        if since >= limit {
            return Err(CloudStackError::new(CloudStackErrorKind::Unavailable, attempt)
                .because(format!("nothing moves for {} minutes", limit.as_secs() / 60)));
        }
        if all && since >= Duration::from_secs(1) {
            bar = None;
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                cx.emit(Event::Waiting {
                    what: "the storage VM to take the file".to_owned(),
                    seen: vec![Sight::unknown("answer", "not yet")],
                    elapsed: since.into(),
                    limit: limit.into(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_as_browsers_write_it() {
        let (head, tail) = frame("b", "we\"b.qcow2");
        assert_eq!(
            format!("{head}…{tail}"),
            "--b\r\nContent-Disposition: form-data; name=\"files[]\"; filename=\"we_b.qcow2\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n…\r\n--b--\r\n"
        );
    }
}

//! Files out of a cloud: an address that a storage VM serves for some time.
use super::{
    CloudStack, CloudStackError, CloudStackErrorKind, http,
    transfer::{Bar, Passing},
};
use crate::cx::Cx;
use futures_util::StreamExt as _;
use std::{path::Path, time::Duration};
use tokio::io::AsyncWriteExt as _;

/// How long no byte may come.
const STALLED: Duration = Duration::from_mins(2);

impl CloudStack {
    /// Fetches what is at an address into a file, once; what is there is overwritten. Returns its length in bytes, and its SHA-256 in
    /// hexadecimal digits. The error is [`CloudStackErrorKind::Unavailable`] if it may work when begun again.
    pub async fn fetch_file(
        &self,
        cx: &Cx,
        url: &str,
        what: &str,
        to: &Path,
    ) -> Result<(u64, String), CloudStackError> {
        let attempt = format!("download {what} from {}", host(url));
        let cut = |why: String| CloudStackError::new(CloudStackErrorKind::Unavailable, &attempt).because(why);
        let unwritten = |why: std::io::Error| {
            let full = why.kind() == std::io::ErrorKind::StorageFull;
            let kind = if full { CloudStackErrorKind::Quota } else { CloudStackErrorKind::Other };
            CloudStackError::new(kind, format!("write `{}`", to.display())).because(why)
        };
        let request = self.http().storage.get(url).send();
        let response = cx.stop().unless_cancelled(request).await?;
        let response = response.map_err(|error| http::failed(&attempt, &error))?;
        let status = response.status();
        if !status.is_success() {
            let kind = if status.is_server_error() {
                CloudStackErrorKind::Unavailable
            } else {
                CloudStackErrorKind::Other
            };
            return Err(CloudStackError::new(kind, attempt).because(format!("it answered HTTP {status}")));
        }
        let total = response.content_length();
        let mut file = tokio::fs::File::create(to).await.map_err(unwritten)?;
        let mut bar = Bar::new(cx, format!("download {what}"), total);
        let passing = Passing::default();
        let mut body = response.bytes_stream();
        loop {
            let next = tokio::time::timeout(STALLED, body.next());
            let chunk = match cx.stop().unless_cancelled(next).await? {
                Ok(Some(chunk)) => chunk.map_err(|error| http::failed(&attempt, &error))?,
                Ok(None) => break,
                Err(_) => return Err(cut(format!("nothing came for {} minutes", STALLED.as_secs() / 60))),
            };
            passing.pass(&chunk);
            file.write_all(&chunk).await.map_err(unwritten)?;
            bar.show(passing.done());
        }
        file.flush().await.map_err(unwritten)?;
        file.sync_all().await.map_err(unwritten)?;
        if let Some(total) = total.filter(|total| *total != passing.done()) {
            return Err(cut(format!("{} of {total} bytes came", passing.done())));
        }
        Ok((passing.done(), passing.sha256()))
    }
}

fn host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    parsed.as_ref().and_then(|url| url.host_str()).unwrap_or("an address that is none").to_owned()
}

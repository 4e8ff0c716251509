//! Files out of a cloud: an address that a storage VM serves for some time.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, http};
use crate::{
    cx::Cx,
    value::Digest,
    wire::{self, Arrived, Wanted},
};
use reqwest::{StatusCode, header::HeaderMap};
use std::{path::Path, time::Duration};

/// How long no byte may come.
const STALLED: Duration = Duration::from_mins(2);

impl CloudStack {
    /// Fetches what is at an address to `to`, over what is there, when all of it came with this digest. Until then it is in a file beside it,
    /// which is in the journal. Where the connection is cut, it goes on if the storage VM gives parts, and begins again if not.
    pub async fn fetch_file(
        &self,
        cx: &Cx,
        url: &str,
        what: &str,
        to: &Path,
        sha256: Option<&Digest>,
    ) -> Result<Arrived, CloudStackError> {
        let attempt = format!("download {what} from {}", host(url));
        let ask = async |headers: HeaderMap| {
            let response = self.http().storage.get(url).headers(headers).send().await;
            let response = response.map_err(|error| http::failed(&attempt, &error))?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                    Ok(response)
                }
                status => {
                    let kind = if status.is_server_error() {
                        CloudStackErrorKind::Unavailable
                    } else {
                        CloudStackErrorKind::Other
                    };
                    Err(CloudStackError::new(kind, attempt.as_str())
                        .because(format!("it answered HTTP {status}")))
                }
            }
        };
        let wanted = Wanted { what, to, bytes: None, sha256, stall: STALLED };
        wire::download(cx, &wanted, ask).await
    }
}

fn host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    parsed.as_ref().and_then(|url| url.host_str()).unwrap_or("an address that is none").to_owned()
}

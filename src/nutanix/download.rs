//! The bytes of an image, brought to this host.
use super::{Dialect, Fault, Prism, PrismError, PrismErrorKind, call::escape, http};
use crate::{
    cx::Cx,
    value::Digest,
    wire::{self, Arrived, Wanted},
};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// How long no byte may come. A Prism Central gets them from one of its clusters first.
const STALLED: Duration = Duration::from_mins(5);

/// What is known of the bytes of an image before they come. What a Prism Central tells of an image may be about the disk that it made of the
/// file, so it is the caller's to say what must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// Their number.
    pub bytes: Option<u64>,
    /// Their SHA-256.
    pub sha256: Option<&'a Digest>,
}

impl Prism {
    /// Fetches the bytes of an image to `to`, over what is there, when all of them came and are as expected. Until then they are in a file
    /// beside it, which is in the journal. Where the connection is cut, it goes on if the server gives parts, and begins again if not.
    ///
    /// Version 4 has a call for it (`getFileByImageId`). Where that is refused, version 3's is used, as Nutanix's plugin for Packer does.
    pub async fn download_image(
        &self,
        cx: &Cx,
        uuid: &str,
        to: &Path,
        expected: Expected<'_>,
    ) -> Result<Arrived, PrismError> {
        let image = self.image(uuid).await?;
        let what = format!("`{}`", image.name);
        let attempt = format!("download the image {what}");
        let wanted =
            Wanted { what: &what, to, bytes: expected.bytes, sha256: expected.sha256, stall: STALLED };
        let older = AtomicBool::new(self.dialect() == Dialect::V3);
        let ask = async |headers: HeaderMap| {
            if older.load(Ordering::Relaxed) {
                return self.ask_file(&attempt, Dialect::V3, uuid, headers).await;
            }
            let refused = match self.ask_file(&attempt, Dialect::V4, uuid, headers.clone()).await {
                Err(error) if is_refused(&error) => error,
                answer => return answer,
            };
            match self.ask_file(&attempt, Dialect::V3, uuid, headers).await {
                // What is left of version 3 there says less.
                Err(error) if is_refused(&error) => Err(refused),
                answer => {
                    older.store(answer.is_ok(), Ordering::Relaxed);
                    answer
                }
            }
        };
        wire::download(cx, &wanted, ask).await
    }

    /// Asks for the bytes, or for a part of them.
    async fn ask_file(
        &self,
        attempt: &str,
        dialect: Dialect,
        uuid: &str,
        headers: HeaderMap,
    ) -> Result<Response, PrismError> {
        let images = match dialect {
            Dialect::V3 => "api/nutanix/v3/images",
            Dialect::V4 => "api/vmm/v4.0/content/images",
        };
        let url = self.url(attempt, &format!("{images}/{}/file", escape(uuid)))?;
        let name = format!("GET {}", url.path());
        let place = self.place();
        let request = self
            .client()
            .get(url)
            .basic_auth(&place.user, Some(place.password.expose()))
            .header("accept", "application/octet-stream, application/json")
            .headers(headers);
        let response = request.send().await.map_err(|error| http::failed(attempt, &error))?;
        let status = response.status();
        if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE)
        {
            let text = http::text(response).await.unwrap_or_default();
            return Err(PrismError::of(attempt, Fault::of_answer(&name, status.as_u16(), &text)));
        }
        // A page to log in at is no disk.
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if let Some(kind) = kind.filter(|kind| kind.starts_with("text/html") || kind.contains("json")) {
            return Err(PrismError::new(PrismErrorKind::Unsupported, attempt)
                .because(format!("{name} was answered with {kind}, which is no image")));
        }
        Ok(response)
    }
}

/// Whether a server answered, and does not do this.
fn is_refused(error: &PrismError) -> bool {
    match error.kind() {
        PrismErrorKind::NotFound | PrismErrorKind::Unsupported => true,
        PrismErrorKind::Other => error.fault().is_some(),
        _ => false,
    }
}

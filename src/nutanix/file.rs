//! The bytes of an image in v3: one request, without a way to go on after it was cut.
use super::{
    Fault, Prism, PrismError, PrismErrorKind,
    call::escape,
    http,
    passing::{CHUNK, Count, unreadable, watch},
};
use crate::{cx::Cx, value::Digest};
use futures_util::StreamExt as _;
use std::path::Path;
use tokio_util::io::ReaderStream;

impl Prism {
    /// Sends the bytes of an image that was made without any. The server compares them with the digest.
    pub async fn send_image(
        &self,
        cx: &Cx,
        uuid: &str,
        (path, bytes, sha256): (&Path, u64, &Digest),
    ) -> Result<(), PrismError> {
        let attempt = format!("upload `{}` to the image {uuid}", path.display());
        let url = self.url(&attempt, &format!("api/nutanix/v3/images/{}/file", escape(uuid)))?;
        let name = format!("PUT {}", url.path());
        let file = tokio::fs::File::open(path).await.map_err(|why| unreadable(path, why))?;
        let count = Count::default();
        let passing = count.clone();
        let stream = ReaderStream::with_capacity(file, CHUNK)
            .map(move |read| read.inspect(|chunk| passing.add(chunk.len() as u64)));
        let place = self.place();
        let request = self
            .client()
            .put(url)
            .basic_auth(&place.user, Some(place.password.expose()))
            .header("accept", "application/json")
            .header("content-type", "application/octet-stream")
            .header("content-length", bytes)
            .header("x-nutanix-checksum-type", "SHA_256")
            .header("x-nutanix-checksum-bytes", sha256.hex())
            .body(reqwest::Body::wrap_stream(stream));
        let response = watch(cx, &attempt, ("upload", bytes), &count, request.send()).await?;
        let response = response.map_err(|error| http::failed(&attempt, &error))?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let text = http::text(response).await.unwrap_or_default();
            return Err(PrismError::of(&attempt, Fault::of_answer(&name, status, &text)));
        }
        if count.get() != bytes {
            let why = format!("it has {} bytes now, not {bytes}: somebody changed it", count.get());
            return Err(PrismError::new(PrismErrorKind::Usage, attempt).because(why));
        }
        Ok(())
    }
}

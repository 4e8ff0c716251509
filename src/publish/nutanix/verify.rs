//! Whether an image is what was sent.
use super::Local;
use crate::{
    cx::Cx,
    nutanix::{Image, PrismError, PrismErrorKind},
    value::{Digest, Size},
};

/// Compares what the server tells with what was sent. It knows some of it only.
pub(super) fn verify(
    cx: &Cx,
    image: &Image,
    sent: Option<&Local>,
    sha256: Option<&Digest>,
) -> Result<(), PrismError> {
    let wrong = |why: String| {
        Err(PrismError::new(PrismErrorKind::Other, format!("verify the image `{}`", image.name))
            .because(why)
            .hint("something on the way changed the bytes: publish it again"))
    };
    if let (Some(told), Some(sha256)) = (&image.sha256, sha256)
        && told != sha256.hex()
    {
        return wrong(format!("Prism Central has the SHA-256 {told}, not {}", sha256.hex()));
    }
    let (Some(sent), Some(told)) = (sent, image.bytes) else { return Ok(()) };
    // It tells the length of the file, or the size of the disk that it made of it.
    let expected = [sent.bytes, sent.disk_bytes];
    if expected.contains(&told) {
        return Ok(());
    }
    let text = format!(
        "Prism Central has {} ({told} bytes); the file has {}, its disk {}",
        Size::bytes(told),
        sent.bytes,
        sent.disk_bytes
    );
    if told < sent.bytes.min(sent.disk_bytes) {
        return wrong(text);
    }
    cx.events().warn(text, Some("boot a machine of it once before it is used".to_owned()));
    Ok(())
}

//! Signatures of requests to the object store of a Prism Central: AWS's version 4, by
//! [its specification](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). It is forty lines; Amazon's own
//! crates are behind a feature that who has a Nutanix need not compile.
use crate::value::Secret;
use sha2::{Digest as _, Sha256};

/// The one region that the store knows.
const REGION: &str = "us-east-1";

/// Who asks: the store takes the base64 of `user:password` as both keys.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) access: Secret,
    pub(super) secret: Secret,
}

/// What of a request is signed.
#[derive(Debug)]
pub(super) struct ToSign<'a> {
    pub(super) method: &'a str,
    /// As in the header: with the port, unless it is the scheme's own.
    pub(super) host: &'a str,
    /// As it is sent.
    pub(super) path: &'a str,
    /// Sorted by name; as they are sent.
    pub(super) query: &'a str,
    /// SHA-256 of the body.
    pub(super) payload: &'a str,
    /// `20260131T235959Z`
    pub(super) at: &'a str,
}

impl ToSign<'_> {
    /// The header `authorization`.
    pub(super) fn authorization(&self, keys: &Keys) -> String {
        const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";
        let Self { method, host, path, query, payload, at } = self;
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{at}\n\n{SIGNED}\n{payload}"
        );
        let day = at.get(..8).unwrap_or(at);
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", digest(canonical.as_bytes()));
        let mut key = format!("AWS4{}", keys.secret.expose()).into_bytes();
        for part in [day, REGION, "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes()).to_vec();
        }
        let signature = hex::encode(hmac(&key, text.as_bytes()));
        let access = keys.access.expose();
        format!("AWS4-HMAC-SHA256 Credential={access}/{scope},SignedHeaders={SIGNED},Signature={signature}")
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let found = hex::encode(hmac(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let found =
            hex::encode(hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"));
        assert_eq!(found, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}

//! How a call is signed: HMAC-SHA1 over its parameters, sorted, escaped and in lower case.
//! ([Signing API requests](https://docs.cloudstack.apache.org/en/latest/developersguide/dev.html#how-to-sign-an-api-call-with-python))
use crate::value::Secret;
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::fmt::Write as _;

/// A text as the server writes it when it checks the signature: as Java's `URLEncoder` does, with `%20` for a space. Clients in other
/// languages leave `~` as it is, and escape `*`, which the server does not.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => escaped.push(byte.into()),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

/// The signature of these parameters, and all of them with it as a form.
pub(super) fn signed(mut params: Vec<(String, String)>, secret: &Secret) -> String {
    params.sort();
    let plain: Vec<String> = params.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let plain = plain.join("&");
    let signature = base64::engine::general_purpose::STANDARD.encode(digest(secret, &plain.to_lowercase()));
    // Only the names of maps have anything in them that a form escapes.
    let form: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    format!("{}&signature={}", form.join("&"), escape(&signature))
}

fn digest(secret: &Secret, text: &str) -> Vec<u8> {
    // A key of HMAC has any length.
    let Ok(mut mac) = Hmac::<sha1::Sha1>::new_from_slice(secret.expose().as_bytes()) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_the_server_does() {
        assert_eq!(escape("a b+c*d~e/é_.-"), "a%20b%2Bc*d%7Ee%2F%C3%A9_.-");
    }

    #[test]
    fn an_hmac_is_that_of_rfc_2202() {
        let secret = Secret::new("Jefe");
        let found = digest(&secret, "what do ya want for nothing?");
        assert_eq!(hex::encode(found), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }

    /// The example of CloudStack's developer's guide.
    #[test]
    fn parameters_are_sorted_and_the_signature_is_escaped() {
        let params = [
            ("response", "json"),
            ("command", "listUsers"),
            (
                "apiKey",
                "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg",
            ),
        ];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let secret = Secret::new(
            "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ",
        );
        let form = signed(params, &secret);
        assert!(form.starts_with("apiKey=plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM"), "{form}");
        assert!(form.ends_with("&response=json&signature=TTpdDq%2F7j%2FJ58XCRHomKoQXEQds%3D"), "{form}");
    }
}

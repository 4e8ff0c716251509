//! What a server answers in place of a result, read as a [`Fault`].
use super::op::Dialect;
use crate::vsphere::Fault;
use serde_json::Value;

/// The fault that an answer with this HTTP status is. `call` names the call: `POST /api/content/library/item`.
pub(super) fn fault(dialect: Dialect, call: &str, status: u16, body: &str) -> Fault {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let (said, messages) = match dialect {
        Dialect::Api => (answer["error_type"].as_str().map(ToOwned::to_owned), &answer["messages"]),
        Dialect::Rest => {
            let kind = answer["type"].as_str().and_then(|kind| kind.rsplit('.').next());
            (kind.map(str::to_ascii_uppercase), &answer["value"]["messages"])
        }
    };
    // `ERROR` is what says nothing.
    let name =
        said.filter(|said| said != "ERROR").or_else(|| by_status(dialect, status).map(ToOwned::to_owned));
    let message = told(messages);
    let message = match (message.is_empty(), &name) {
        (true, _) => format!("HTTP {status}"),
        (false, _) => message,
    };
    Fault { call: call.to_owned(), name, message, details: Vec::new() }
}

/// The sentences of a list of `LocalizableMessage`.
pub(super) fn told(messages: &Value) -> String {
    let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
    let said = messages.iter().filter_map(|message| message["default_message"].as_str().map(str::trim));
    said.filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What a status says where the body says nothing.
fn by_status(dialect: Dialect, status: u16) -> Option<&'static str> {
    Some(match (status, dialect) {
        (400, _) => "INVALID_ARGUMENT",
        (401, _) => "UNAUTHENTICATED",
        (403, _) => "UNAUTHORIZED",
        // Things that are not there are told with a body in this dialect; it is the call that does not exist.
        (404, Dialect::Api) | (405, _) => "OPERATION_NOT_FOUND",
        (404, Dialect::Rest) => "NOT_FOUND",
        (429 | 502 | 503, _) => "SERVICE_UNAVAILABLE",
        (504, _) => "TIMED_OUT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsphere::VsphereErrorKind as Kind;

    #[test]
    fn errors_of_both_dialects_are_read() {
        let api = "{\"error_type\":\"ALREADY_EXISTS\",\"messages\":[{\"id\":\"x\",\"default_message\":\"There is one.\",\"args\":[]}]}";
        let fault = super::fault(Dialect::Api, "POST /api/cis/tagging/tag", 400, api);
        assert_eq!(fault.kind(), Kind::Exists);
        assert_eq!(fault.to_string(), "POST /api/cis/tagging/tag answered ALREADY_EXISTS: There is one.");
        let rest = "{\"type\":\"com.vmware.vapi.std.errors.unauthorized\",\"value\":{\"messages\":\
                    [{\"id\":\"x\",\"default_message\":\"No.\",\"args\":[]}]}}";
        let fault = super::fault(Dialect::Rest, "POST /rest/x", 403, rest);
        assert_eq!((fault.kind(), fault.message.as_str()), (Kind::Permission, "No."));
    }

    #[test]
    fn a_status_says_what_the_body_does_not() {
        let kind = |dialect, status| super::fault(dialect, "GET /x", status, "<html>").kind();
        assert_eq!(kind(Dialect::Rest, 404), Kind::NotFound);
        assert_eq!(kind(Dialect::Api, 404), Kind::Unsupported);
        assert_eq!(kind(Dialect::Api, 401), Kind::Auth);
        assert_eq!(kind(Dialect::Api, 503), Kind::Unavailable);
        assert_eq!(kind(Dialect::Api, 418), Kind::Other);
        assert_eq!(
            super::fault(Dialect::Api, "GET /x", 503, "").to_string(),
            "GET /x answered SERVICE_UNAVAILABLE: HTTP 503"
        );
    }
}

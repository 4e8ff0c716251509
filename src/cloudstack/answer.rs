//! What a server answers: `{"listzonesresponse": {…}}`, or an error with a number and a text.
use super::CloudStackErrorKind;
use serde_json::Value;
use std::{error::Error, fmt};

/// A refusal, of a call or of a job: `errorcode` and `errortext`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `ApiErrorCode` of the server's sources, which is the status of the answer, too.
    pub code: u16,
    /// In the server's words.
    pub text: String,
}

impl Fault {
    /// From `{"errorcode": 431, "errortext": "…"}`.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let code = value.get("errorcode").and_then(Value::as_u64)?;
        let text = value.get("errortext").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        Some(Self { code: u16::try_from(code).unwrap_or_default(), text })
    }

    /// Whether the text has this in it, in whatever case.
    pub fn says(&self, part: &str) -> bool {
        self.text.to_lowercase().contains(&part.to_lowercase())
    }

    pub(super) fn kind(&self) -> CloudStackErrorKind {
        match self.code {
            401 | 411 => CloudStackErrorKind::Auth,
            // The text is the server's for every identifier that leads nowhere.
            430 | 431 if self.says("entity does not exist") || self.says("unable to find") => {
                CloudStackErrorKind::NotFound
            }
            405 | 432 => CloudStackErrorKind::Unsupported,
            429 | 502..=504 => CloudStackErrorKind::Unavailable,
            531 => CloudStackErrorKind::Permission,
            532 | 533 | 535 => CloudStackErrorKind::Quota,
            _ => CloudStackErrorKind::Other,
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self.code {
            401 => {
                "look at the API key, its secret key, and whether its user is enabled and may make this call"
            }
            429 => "the cloud limits how often it is called; try again later",
            531 => "the user of the keys may not do this; an administrator of the domain or of the cloud may",
            532 | 535 => {
                "remove what is not needed (`listResourceLimits` tells the limits), or have the limit raised"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.text.is_empty() { "the cloud says no more" } else { self.text.as_str() };
        write!(f, "{text} (error {})", self.code)
    }
}

impl Error for Fault {}

/// What is in an answer: its one field, whatever it is called. `getUploadParamsForTemplate` does not call it as other calls do.
pub(super) fn inner(answer: Value) -> Option<Value> {
    match answer {
        Value::Object(fields) if fields.len() == 1 => fields.into_iter().next().map(|(_, value)| value),
        _ => None,
    }
}

/// A number or a text as a text: identifiers were numbers in versions before 3.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_are_told_by_their_numbers() {
        let fault =
            |code: u64, text: &str| Fault::of(&json!({"errorcode": code, "errortext": text})).unwrap();
        let gone =
            "Invalid parameter id value=x due to incorrect long value format, or entity does not exist";
        for (code, text, kind) in [
            (401, "unable to verify user credentials", CloudStackErrorKind::Auth),
            (431, gone, CloudStackErrorKind::NotFound),
            (431, "the template is either getting uploaded", CloudStackErrorKind::Other),
            (432, "the given command does not exist", CloudStackErrorKind::Unsupported),
            (531, "no", CloudStackErrorKind::Permission),
            (535, "Maximum number of resources of type 'template' exceeded", CloudStackErrorKind::Quota),
            (530, "Internal error", CloudStackErrorKind::Other),
        ] {
            assert_eq!(fault(code, text).kind(), kind, "{code} {text}");
        }
        assert_eq!(fault(530, "").to_string(), "the cloud says no more (error 530)");
        assert_eq!(Fault::of(&json!({"count": 1})), None);
    }

    #[test]
    fn the_name_of_an_answer_does_not_matter() {
        assert_eq!(inner(json!({"postuploadtemplateresponse": {"a": 1}})), Some(json!({"a": 1})));
        assert_eq!(inner(json!([1])), None);
    }
}

//! One error for all of Amazon's calls: what was attempted, what the service answered, what to do.
use crate::cx::{Cancelled, JournalError, WaitError};
use aws_smithy_runtime_api::{client::result::SdkError, http::Response};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::{error::Error, fmt};

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsErrorKind {
    /// No credentials, or wrong ones.
    Auth,
    /// Not allowed.
    Permission,
    /// Something named is not there.
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// Too many calls, even after waiting.
    Throttled,
    /// The service did not answer, or with an error of its own; it may work later.
    Unavailable,
    /// What the user asked for cannot be.
    Usage,
    /// It took too long.
    Timeout,
    /// The user interrupted it.
    Cancelled,
    /// Anything else.
    Other,
}

/// Something in an account could not be done.
#[derive(Debug)]
pub struct AwsError {
    kind: AwsErrorKind,
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
}

impl AwsError {
    /// `attempt` completes the sentence "could not …".
    pub fn new(kind: AwsErrorKind, attempt: impl Into<String>) -> Self {
        Self { kind, attempt: attempt.into(), source: None, hint: None }
    }

    /// The error of `call`, which was made to do `attempt` ("could not …").
    pub fn of<E>(attempt: impl Into<String>, call: &'static str, error: SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = metadata.and_then(|meta| meta.code()).map(ToOwned::to_owned);
        let request_id = metadata
            .and_then(|meta| meta.extra("aws_request_id"))
            .or_else(|| error.raw_response().and_then(|response| response.headers().get("x-amzn-requestid")))
            .map(ToOwned::to_owned);
        let message = match metadata.and_then(|meta| meta.message()) {
            Some(message) => message.trim().to_owned(),
            None if code.is_some() => String::new(),
            None => on_the_way(&error),
        };
        let kind = kind(&error, code.as_deref(), status);
        let hint = hint(kind, code.as_deref());
        let mut made =
            AwsError::new(kind, attempt).because(ApiError { call, code, message, request_id, status });
        made.hint = hint;
        made
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> AwsErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// All that it says, for errors of those who call this module: kind, attempt, cause and hint.
    #[allow(clippy::type_complexity, reason = "it is taken apart at once")]
    pub fn into_parts(self) -> (AwsErrorKind, String, Option<Box<dyn Error + Send + Sync>>, Option<String>) {
        (self.kind, self.attempt, self.source, self.hint)
    }

    /// The service's own word for the error, such as `InvalidAMIID.NotFound`.
    pub fn code(&self) -> Option<&str> {
        self.source.as_ref()?.downcast_ref::<ApiError>()?.code.as_deref()
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl Error for AwsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What a service answered instead of doing what was asked.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The call: `RegisterImage`.
    pub call: &'static str,
    /// Its word for the error.
    pub code: Option<String>,
    /// Its sentence, or what happened on the way.
    pub message: String,
    /// What its support asks for.
    pub request_id: Option<String>,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        if let Some(code) = &self.code {
            write!(f, " answered {code}")?;
        } else if let Some(status) = self.status {
            write!(f, " answered HTTP {status}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl Error for ApiError {}

/// What happened when there was no answer: the innermost messages, since the outer ones are "dispatch failure".
fn on_the_way<E: Error + 'static>(error: &SdkError<E, Response>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

fn kind<E: Error + 'static>(
    error: &SdkError<E, Response>,
    code: Option<&str>,
    status: Option<u16>,
) -> AwsErrorKind {
    if let Some(code) = code {
        let known = match code {
            "AuthFailure"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "MissingAuthenticationToken" => Some(AwsErrorKind::Auth),
            "UnauthorizedOperation"
            | "AccessDenied"
            | "AccessDeniedException"
            | "OptInRequired"
            | "UnauthorizedException" => Some(AwsErrorKind::Permission),
            "InvalidAMIName.Duplicate"
            | "ParameterAlreadyExists"
            | "InvalidKeyPair.Duplicate"
            | "InvalidGroup.Duplicate" => Some(AwsErrorKind::Exists),
            "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException"
            | "RequestThrottledException"
            | "SlowDown" => Some(AwsErrorKind::Throttled),
            "InvalidAMIID.Unavailable"
            | "ResourceNotFoundException"
            | "ParameterNotFound"
            | "NoSuchEntity"
            | "NoSuchKey"
            | "NoSuchBucket" => Some(AwsErrorKind::NotFound),
            code if code.ends_with(".NotFound") => Some(AwsErrorKind::NotFound),
            _ => None,
        };
        if let Some(kind) = known {
            return kind;
        }
    }
    match (error, status) {
        // Also when the answer was not what the service usually says.
        (_, Some(403)) => AwsErrorKind::Permission,
        (SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_), _) => {
            let chain = on_the_way(error);
            let credentials = [
                "credentials provider",
                "no credentials found",
                "no providers in chain",
                "while loading credentials",
            ]
            .iter()
            .any(|text| chain.contains(text));
            if credentials { AwsErrorKind::Auth } else { AwsErrorKind::Unavailable }
        }
        (_, Some(429)) => AwsErrorKind::Throttled,
        (_, Some(status)) if status >= 500 => AwsErrorKind::Unavailable,
        _ => AwsErrorKind::Other,
    }
}

fn hint(kind: AwsErrorKind, code: Option<&str>) -> Option<String> {
    let text = match (kind, code) {
        (_, Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired")) => {
            "the credentials are over: log in again (`aws sso login`), and look at this host's clock"
        }
        (_, Some("OptInRequired")) => "the region must be enabled for the account first",
        (AwsErrorKind::Auth, None) => {
            "no credentials were found: set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`"
        }
        (AwsErrorKind::Auth, _) => "look at the credentials with `aws sts get-caller-identity`",
        (AwsErrorKind::Permission, _) => "`goldsmith doctor --aws` prints the permissions that are needed",
        (AwsErrorKind::Throttled, _) => "the account's quota for these calls is used up: try again later",
        _ => return None,
    };
    Some(text.to_owned())
}

impl From<Cancelled> for AwsError {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(AwsErrorKind::Cancelled, "go on").because(cancelled)
    }
}

impl From<JournalError> for AwsError {
    fn from(error: JournalError) -> Self {
        Self::new(AwsErrorKind::Other, "record how to undo the next step").because(error)
    }
}

impl From<WaitError> for AwsError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Cancelled(cancelled) => cancelled.into(),
            WaitError::TimedOut { .. } => {
                Self::new(AwsErrorKind::Timeout, "see the end of what was begun").because(error)
            }
            WaitError::Hopeless { .. } => {
                Self::new(AwsErrorKind::Other, "see the end of what was begun").because(error)
            }
        }
    }
}

//! Answers of servers that are handed on as they come: to a guest or a tool that reads by itself.
use super::{FetchError, Fetcher, Way};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::{
    Method,
    header::{
        ACCEPT, ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
        HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, WWW_AUTHENTICATE,
    },
};
use std::{fmt, io, pin::Pin};
use url::Url;

/// What of a question is passed on.
const ASKED: [HeaderName; 6] = [ACCEPT, AUTHORIZATION, RANGE, IF_RANGE, IF_MODIFIED_SINCE, IF_NONE_MATCH];
/// What of an answer is.
const TOLD: [HeaderName; 7] =
    [ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, WWW_AUTHENTICATE];

/// A server's answer.
pub struct Passed {
    /// Its status.
    pub status: u16,
    /// What of its head is of use to others.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send + Sync>>,
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passed").field("status", &self.status).finish_non_exhaustive()
    }
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let wanted =
        names.iter().flat_map(|name| headers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    wanted.collect()
}

impl Fetcher {
    /// Asks the server of `url`, for the head of it only with `head`, with what of `headers` concerns the question. Collections are not asked.
    pub async fn pass(&self, head: bool, url: &Url, headers: &HeaderMap) -> Result<Passed, FetchError> {
        if !matches!(self.gate().way(url, None), Way::Network) {
            return Err(self.gate().refuse(url));
        }
        let method = if head { Method::HEAD } else { Method::GET };
        let request = self.client()?.request(method, url.clone()).headers(only(headers, &ASKED));
        let asking = tokio::time::timeout(self.patience.stall, request.send()).await;
        let response = asking
            .map_err(|_| FetchError::Stalled {
                url: Box::new(url.clone()),
                limit: self.patience.stall.into(),
            })?
            .map_err(|error| FetchError::network(url, error))?;
        let (status, headers) = (response.status().as_u16(), only(response.headers(), &TOLD));
        let body = response.bytes_stream().map(|piece| piece.map_err(io::Error::other));
        Ok(Passed { status, headers, body: Box::pin(body) })
    }
}

//! A word to people: a webhook as Mattermost and Slack take it.
use crate::{fetch, value::Secret};
use std::time::Duration;

/// Posts `text` as `{"text": …}` ([incoming webhooks](https://developers.mattermost.com/integrate/webhooks/incoming/)). The address is a
/// secret: who knows it can post.
pub async fn notify(url: &Secret, text: &str) -> Result<(), fetch::PostError> {
    const LIMIT: Duration = Duration::from_secs(20);
    fetch::post_json(url, serde_json::json!({ "text": text }).to_string(), LIMIT).await
}

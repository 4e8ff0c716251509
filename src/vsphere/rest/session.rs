//! A session of this interface: which dialect the server speaks, who is logged in, and again when it expired.
use super::{
    answer::fault,
    calls,
    op::{self, Dialect, Op},
};
use crate::{
    cx::{Cx, Look, Sight},
    value::Secret,
    vsphere::{VCenter, VsphereError, VsphereErrorKind, soap::limited},
};
use serde_json::Value;
use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

/// The header that names the session.
pub(super) const SESSION: &str = "vmware-api-session-id";
/// How often a call that a server was too busy for, or that reads only, is made.
const ATTEMPTS: u32 = 6;

/// What is known of a session in it.
#[derive(Debug, Default)]
pub(in crate::vsphere) struct State {
    session: RwLock<Option<Session>>,
    /// Who logs in does it alone.
    login: tokio::sync::Mutex<()>,
}

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) dialect: Dialect,
    pub(super) key: Secret,
}

impl State {
    fn get(&self) -> Option<Session> {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, session: Option<Session>) -> Option<Session> {
        std::mem::replace(&mut self.session.write().unwrap_or_else(PoisonError::into_inner), session)
    }
}

/// One try that failed, and whether the server cannot have begun.
struct Failed {
    error: VsphereError,
    untouched: bool,
}

impl VCenter {
    /// Makes a call, to do `attempt` ("could not …"). Arguments go into the address, or else into the body.
    pub(super) async fn rest(
        &self,
        attempt: &str,
        op: &Op,
        arguments: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, VsphereError> {
        let mut renewed = false;
        loop {
            let session = self.rest_session().await?;
            match self.rest_send(attempt, op, &session, arguments, body.as_ref()).await {
                // A session ends after some time without calls, and with the server's restart. Nothing was done.
                Err(error) if !renewed && is_expired(&error) => {
                    renewed = true;
                    self.rest_renew(&session).await?;
                }
                answer => return answer,
            }
        }
    }

    /// Makes a call that the server answers when it has copied disks; says that it takes its time. Nobody waits for it any more after an interruption.
    pub(super) async fn rest_slowly(
        &self,
        cx: &Cx,
        attempt: &str,
        op: &Op,
        arguments: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, VsphereError> {
        const GLANCE: Duration = Duration::from_secs(1);
        let call = tokio::sync::Mutex::new(Box::pin(self.rest(attempt, op, arguments, body)));
        let look = || async {
            let mut call = call.lock().await;
            match tokio::time::timeout(GLANCE, call.as_mut()).await {
                Ok(Ok(answer)) => Look::Ready(answer),
                Ok(Err(error)) => Look::Hopeless(Box::new(error)),
                Err(_) => Look::NotYet(vec![Sight::unknown("answer", "not yet")]),
            }
        };
        let what = format!("the vCenter to {attempt}");
        Ok(cx.wait_for(&what, op::COPYING, Duration::ZERO, look).await?)
    }

    /// The session; logs in if there is none.
    pub(super) async fn rest_session(&self) -> Result<Session, VsphereError> {
        match self.rest_state().get() {
            Some(session) => Ok(session),
            None => self.rest_log_in(None).await,
        }
    }

    /// Logs in again, unless somebody else did since `stale` was seen.
    pub(super) async fn rest_renew(&self, stale: &Session) -> Result<Session, VsphereError> {
        self.rest_log_in(Some(stale)).await
    }

    async fn rest_log_in(&self, stale: Option<&Session>) -> Result<Session, VsphereError> {
        let state = self.rest_state();
        let _turn = state.login.lock().await;
        if let Some(session) = state.get()
            && stale.is_none_or(|stale| stale.key.expose() != session.key.expose())
        {
            return Ok(session);
        }
        let place = self.place();
        let attempt = format!("log in to the REST interface of {} as `{}`", place.server, place.user);
        if !self.about().is_vcenter {
            return Err(VsphereError::new(VsphereErrorKind::Unsupported, attempt).because(format!(
                "{} is no vCenter: it has no tags and no content libraries",
                self.about().full_name
            )));
        }
        let session = match self.rest_begin(&attempt, Dialect::Api).await {
            // Versions before 7.0 U2 have the older form only.
            Err(error) if error.kind() == VsphereErrorKind::Unsupported => {
                self.rest_begin(&attempt, Dialect::Rest).await?
            }
            begun => begun?,
        };
        state.set(Some(session.clone()));
        Ok(session)
    }

    async fn rest_begin(&self, attempt: &str, dialect: Dialect) -> Result<Session, VsphereError> {
        let place = self.place();
        let build = |request: reqwest::RequestBuilder| {
            // Without this header the older form sets a cookie besides.
            request
                .basic_auth(&place.user, Some(place.password.expose()))
                .header("vmware-use-header-authn", "true")
        };
        let (answer, header) = self.rest_repeat(attempt, &calls::LOG_IN, dialect, &[], None, &build).await?;
        let key = header.or_else(|| answer.as_str().map(ToOwned::to_owned));
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("{} answered without a session", calls::LOG_IN.name(dialect))));
        };
        Ok(Session { dialect, key: Secret::new(key) })
    }

    async fn rest_send(
        &self,
        attempt: &str,
        op: &Op,
        session: &Session,
        arguments: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, VsphereError> {
        let build = |request: reqwest::RequestBuilder| request.header(SESSION, session.key.expose());
        let sent = self.rest_repeat(attempt, op, session.dialect, arguments, body, &build).await;
        sent.map(|(answer, _)| answer)
    }

    /// Sends a call, again when nothing can have happened yet, or when it only reads. Returns the answer and the session that it tells of.
    async fn rest_repeat(
        &self,
        attempt: &str,
        op: &Op,
        dialect: Dialect,
        arguments: &[(&str, &str)],
        body: Option<&Value>,
        build: &(dyn Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder + Sync),
    ) -> Result<(Value, Option<String>), VsphereError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.rest_once(attempt, op, dialect, arguments, body, build).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            let may_repeat =
                failed.error.kind() == VsphereErrorKind::Unavailable && (failed.untouched || op.reads);
            if tries >= ATTEMPTS || !may_repeat {
                return Err(failed.error);
            }
            tokio::time::sleep(Duration::from_millis(250 << tries.min(6))).await;
        }
    }

    async fn rest_once(
        &self,
        attempt: &str,
        op: &Op,
        dialect: Dialect,
        arguments: &[(&str, &str)],
        body: Option<&Value>,
        build: &(dyn Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder + Sync),
    ) -> Result<(Value, Option<String>), Failed> {
        let failed = |error: VsphereError, untouched| Failed { error, untouched };
        let other = |why: String| VsphereError::new(VsphereErrorKind::Other, attempt).because(why);
        let call = op.name(dialect);
        let built = op.build(dialect, arguments, body.cloned());
        let url = self.root().join(&built.path).map_err(|error| failed(other(error.to_string()), true))?;
        let method = reqwest::Method::from_bytes(built.method.as_bytes())
            .map_err(|error| failed(other(error.to_string()), true))?;
        let mut request = build(self.http().client.request(method, url))
            .timeout(op.limit)
            .header("accept", "application/json");
        if let Some(body) = &built.body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| {
            let untouched = error.is_connect();
            failed(self.http().failed(attempt, error), untouched)
        })?;
        let status = response.status();
        let key = response.headers().get(SESSION).and_then(|key| key.to_str().ok()).map(ToOwned::to_owned);
        let text = limited(response).await.map_err(|error| {
            failed(VsphereError::new(VsphereErrorKind::Unavailable, attempt).because(error), false)
        })?;
        if !status.is_success() {
            let fault = fault(dialect, &call, status.as_u16(), &text);
            let untouched = matches!(status.as_u16(), 429 | 502 | 503);
            return Err(failed(VsphereError::of(attempt, fault), untouched));
        }
        if text.trim().is_empty() {
            return Ok((Value::Null, key));
        }
        let mut answer: Value = serde_json::from_str(&text)
            .map_err(|error| failed(other(format!("{call} answered no JSON: {error}")), false))?;
        if dialect == Dialect::Rest {
            answer = answer.get_mut("value").map(Value::take).unwrap_or_default();
        }
        Ok((answer, key))
    }

    /// Ends the session. That it fails hurts nobody: it ends by itself.
    pub(in crate::vsphere) async fn rest_log_out(&self) {
        if let Some(session) = self.rest_state().set(None) {
            let _ = self.rest_send("log out", &calls::LOG_OUT, &session, &[], None).await;
        }
    }
}

fn is_expired(error: &VsphereError) -> bool {
    error.fault().is_some_and(|fault| fault.is("UNAUTHENTICATED"))
}

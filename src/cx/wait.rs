//! The one loop that may sleep: bounded, cancellable, and it says what it last saw.
use super::{Cancelled, Cx, Event, Sight};
use crate::value::HumanDuration;
use std::time::Duration;
use tokio::time::Instant;

/// What one look at the awaited thing found.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Ready(T),
    /// Not yet; this is what can be seen meanwhile.
    NotYet(Vec<Sight>),
    /// It will never come; waiting longer is pointless.
    Hopeless(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a wait ended without result.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The limit passed.
    #[error("gave up waiting for {what} after {limit}; last seen: {}", Sight::line(.seen))]
    TimedOut {
        /// What was awaited.
        what: String,
        /// How long.
        limit: HumanDuration,
        /// The last observation.
        seen: Vec<Sight>,
    },
    /// It cannot come any more.
    #[error("waiting for {what} became pointless")]
    Hopeless {
        /// What was awaited.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The user interrupted the build.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Cx {
    /// Looks every `every` until the thing is there, at most for `limit`. Reports what is seen once a second at most, and
    /// at once when it changes.
    pub async fn wait_for<T, F, Fut>(
        &self,
        what: &str,
        limit: Duration,
        every: Duration,
        mut look: F,
    ) -> Result<T, WaitError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Look<T>>,
    {
        let start = Instant::now();
        let deadline = start + limit;
        let mut last: Vec<Sight> = Vec::new();
        let mut reported: Option<Instant> = None;
        loop {
            self.check()?;
            let timed = tokio::time::timeout_at(deadline, self.stop().unless_cancelled(look())).await;
            match timed {
                Ok(looked) => match looked? {
                    Look::Ready(value) => return Ok(value),
                    Look::Hopeless(source) => {
                        return Err(WaitError::Hopeless { what: what.to_owned(), source });
                    }
                    Look::NotYet(seen) => {
                        let due = reported.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
                        if due || seen != last {
                            reported = Some(Instant::now());
                            self.emit(Event::Waiting {
                                what: what.to_owned(),
                                seen: seen.clone(),
                                elapsed: start.elapsed().into(),
                                limit: limit.into(),
                            });
                        }
                        last = seen;
                    }
                },
                Err(_elapsed) if last.is_empty() => last = vec![Sight::no("answer", "none came")],
                Err(_elapsed) => {}
            }
            if Instant::now() >= deadline {
                return Err(WaitError::TimedOut { what: what.to_owned(), limit: limit.into(), seen: last });
            }
            self.stop().unless_cancelled(tokio::time::sleep(every)).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::tests_support::cx;

    #[tokio::test(start_paused = true)]
    async fn a_wait_returns_what_it_waited_for() {
        let cx = cx();
        let mut looks = 0;
        let found = cx
            .wait_for("three", Duration::from_secs(60), Duration::from_secs(1), || {
                looks += 1;
                let looks = looks;
                async move { if looks == 3 { Look::Ready(looks) } else { Look::NotYet(vec![]) } }
            })
            .await;
        assert_eq!(found.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_times_out_says_what_it_last_saw() {
        let cx = cx();
        let error = cx
            .wait_for::<(), _, _>("the port", Duration::from_secs(5), Duration::from_secs(1), || async {
                Look::NotYet(vec![Sight::no("port 22", "refused")])
            })
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "gave up waiting for the port after 5 s; last seen: port 22 ✗ (refused)"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_never_answers_is_bounded_too() {
        let cx = cx();
        let error = cx
            .wait_for::<(), _, _>(
                "silence",
                Duration::from_secs(5),
                Duration::from_secs(1),
                std::future::pending,
            )
            .await
            .unwrap_err();
        assert!(matches!(error, WaitError::TimedOut { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_ends_at_once() {
        let cx = cx();
        cx.stop().cancel();
        let error = cx
            .wait_for::<(), _, _>(
                "for ever",
                Duration::from_secs(5),
                Duration::from_secs(1),
                std::future::pending,
            )
            .await
            .unwrap_err();
        assert!(matches!(error, WaitError::Cancelled(_)));
    }
}

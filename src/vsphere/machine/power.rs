//! On, off, and what a machine asks meanwhile.
use super::Machine;
use crate::{
    cx::{Cx, Look, Sight},
    vsphere::{Node, VsphereError, VsphereErrorKind},
};
use std::{fmt, time::Duration};

const POWER: Duration = Duration::from_mins(5);
/// For who ends a build, and does not want to wait long.
const PLUG: Duration = Duration::from_mins(2);
const EVERY: Duration = Duration::from_secs(1);
/// How often it is asked whether a machine waits for an answer instead of starting.
const ASKED: Duration = Duration::from_secs(3);

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// It runs.
    On,
    /// It does not.
    Off,
    /// It sleeps.
    Suspended,
}

impl PowerState {
    fn of(text: &str) -> Option<Self> {
        match text {
            "poweredOn" => Some(Self::On),
            "poweredOff" => Some(Self::Off),
            "suspended" => Some(Self::Suspended),
            _ => None,
        }
    }
}

/// What a machine wants to know before it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question's id, for the answer.
    pub id: String,
    /// The question.
    pub text: String,
    /// The keys of possible answers, with what they say.
    pub choices: Vec<(String, String)>,
}

impl Question {
    fn of(question: &Node) -> Self {
        let text = |node: &Node, name: &str| node.text_at(name).unwrap_or_default().to_owned();
        let choices = question.at("choice").into_iter().flat_map(|choice| choice.all("choiceInfo"));
        Self {
            id: text(question, "id"),
            text: text(question, "text"),
            choices: choices.map(|choice| (text(choice, "key"), text(choice, "label"))).collect(),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices: Vec<String> =
            self.choices.iter().map(|(key, label)| format!("{key} ({label})")).collect();
        write!(f, "it asks: {} [{}]", self.text, choices.join(", "))
    }
}

impl Machine {
    /// Whether it runs, and what it asks.
    pub async fn power(&self) -> Result<(PowerState, Option<Question>), VsphereError> {
        let paths = ["runtime.powerState", "runtime.question"];
        let properties = self.vcenter.properties(&self.moref, &paths).await?;
        let state = properties.text("runtime.powerState").unwrap_or_default();
        let known = PowerState::of(state).ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, format!("look at `{}`", self.path))
                .because(format!("its power state is `{state}`, which is none"))
        })?;
        Ok((known, properties.get("runtime.question").map(Question::of)))
    }

    /// Turns it on. A question that it asks instead is the error.
    pub async fn power_on(&self, cx: &Cx) -> Result<(), VsphereError> {
        let attempt = format!("power on `{}`", self.path);
        let started = self.vcenter.run(cx, &attempt, "PowerOnVM_Task", &self.moref, POWER, |_| {});
        tokio::select! {
            started = started => started.map(drop),
            question = self.asked() => {
                Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                    .because(question.to_string())
                    .hint("such questions are about its files or its host; vSphere's client shows it as well"))
            }
        }
    }

    async fn asked(&self) -> Question {
        loop {
            tokio::time::sleep(ASKED).await;
            if let Ok((_, Some(question))) = self.power().await {
                return question;
            }
        }
    }

    /// Answers a question by the key of a choice.
    pub async fn answer(&self, question: &Question, choice: &str) -> Result<(), VsphereError> {
        let attempt = format!("answer the question of `{}`", self.path);
        self.vcenter
            .call(attempt, "AnswerVM", &self.moref, |call| {
                call.leaf("questionId", &question.id).leaf("answerChoice", choice);
            })
            .await
            .map(drop)
    }

    /// Turns it off, as if its cable were pulled. Off already is `Ok`.
    pub async fn power_off(&self, cx: &Cx) -> Result<(), VsphereError> {
        let attempt = format!("power off `{}`", self.path);
        let off = self.vcenter.run(cx, attempt, "PowerOffVM_Task", &self.moref, POWER, |_| {}).await;
        self.unless_off(off.map(drop)).await
    }

    /// As [`Machine::power_off`], for who cleans up: an interruption does not stop it. One that is gone is off.
    pub async fn pull_plug(&self) -> Result<(), VsphereError> {
        let attempt = format!("power off `{}`", self.path);
        let off = async {
            let task = self.vcenter.begin(&attempt, "PowerOffVM_Task", &self.moref, |_| {}).await?;
            self.vcenter.finish_undoing(&attempt, "PowerOffVM_Task", &task, PLUG).await.map(drop)
        };
        match self.unless_off(off.await).await {
            Err(error) if error.kind() == VsphereErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// It does not matter how a machine that is off came to be so.
    pub(super) async fn unless_off(&self, done: Result<(), VsphereError>) -> Result<(), VsphereError> {
        match done {
            Err(error) if error.fault().is_some_and(|fault| fault.is("InvalidPowerState")) => {
                match self.power().await {
                    Ok((PowerState::Off, _)) => Ok(()),
                    _ => Err(error),
                }
            }
            other => other,
        }
    }

    /// Asks the guest to shut down; its tools must run. [`Machine::wait_until_off`] waits for that.
    pub async fn shut_down_guest(&self) -> Result<(), VsphereError> {
        let attempt = format!("shut down the guest of `{}`", self.path);
        let asked = self.vcenter.call(attempt, "ShutdownGuest", &self.moref, |_| {}).await.map(drop);
        self.unless_off(asked).await.map_err(|error| {
            if error.fault().is_some_and(|fault| fault.is("ToolsUnavailable")) {
                error.hint("VMware's tools do not run in the guest; install `open-vm-tools`, or let the guest shut down by itself")
            } else {
                error
            }
        })
    }

    /// Waits until it is off.
    pub async fn wait_until_off(&self, cx: &Cx, limit: Duration) -> Result<(), VsphereError> {
        let look = || async {
            match self.power().await {
                Ok((PowerState::Off, _)) => Look::Ready(()),
                Ok((state, question)) => {
                    let asks = question.map(|question| format!(", and asks: {}", question.text));
                    let seen = format!("{state:?}{}", asks.unwrap_or_default()).to_lowercase();
                    Look::NotYet(vec![Sight::no("off", seen)])
                }
                Err(error) if error.kind() == VsphereErrorKind::Unavailable => {
                    Look::NotYet(vec![Sight::unknown("machine", crate::cx::causes(&error).join(": "))])
                }
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        Ok(cx.wait_for(&format!("`{}` to be off", self.path), limit, EVERY, look).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_with_its_answers() {
        let text = "<val><id>7</id><text>Did you move or copy it?</text><choice><choiceInfo><label>I copied it</label>\
             <summary>I copied it</summary><key>2</key></choiceInfo><choiceInfo><label>Cancel</label><summary/>\
             <key>0</key></choiceInfo><defaultIndex>0</defaultIndex></choice></val>";
        let question = Question::of(&Node::parse(text).unwrap());
        assert_eq!((question.id.as_str(), question.text.as_str()), ("7", "Did you move or copy it?"));
        let choices = [("2", "I copied it"), ("0", "Cancel")];
        assert_eq!(question.to_string(), "it asks: Did you move or copy it? [2 (I copied it), 0 (Cancel)]");
        assert_eq!(question.choices, choices.map(|(key, label)| (key.to_owned(), label.to_owned())));
    }
}

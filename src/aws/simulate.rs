//! What whoever's credentials these are may do, as far as IAM tells
//! ([SimulatePrincipalPolicy](https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html)).
use super::{Aws, AwsError, AwsErrorKind, policy};
use crate::cx::causes;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType as Decided,
};
use serde::Serialize;

/// What IAM thinks of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is allowed.
    Allowed,
    /// It is not.
    Denied,
    /// IAM does not say.
    Unknown,
}

/// The answer about one action of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The rule of the policy.
    pub sid: &'static str,
    /// The action.
    pub action: &'static str,
    /// Whether it is allowed.
    pub decision: Decision,
    /// Why, if there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checked {
    /// Who we are, as an ARN.
    pub caller: Option<String>,
    /// Whose policies were asked for.
    pub principal: Option<String>,
    /// For every action of every rule.
    pub verdicts: Vec<Verdict>,
    /// What IAM was not asked, or does not let us know.
    pub limits: Vec<String>,
}

/// That IAM knows only some of what decides.
const BLIND: &str = "the simulation does not see policies of buckets and keys, nor those of the session that credentials were made for";

/// Asks about every action for these purposes. Whatever cannot be asked is unknown; nothing of this is an error.
pub async fn check(aws: &Aws, purposes: &[policy::Purpose]) -> Checked {
    let identity = aws.sts().get_caller_identity().send().await;
    let identity = identity.map_err(|error| AwsError::of("find out who we are", "GetCallerIdentity", error));
    let identity = match identity {
        Ok(identity) => identity,
        Err(error) => return nothing(None, purposes, told(&error)),
    };
    let caller = identity.arn().unwrap_or_default().to_owned();
    let account = identity.account().unwrap_or("123456789012").to_owned();
    let principal = match Principal::of(&caller) {
        Principal::Whole(arn) => arn,
        Principal::Role { name, guess } => role(aws, &name).await.unwrap_or(guess),
        Principal::Root => {
            return nothing(Some(caller), purposes, "these are the credentials of the account itself, which may do everything that its organisation lets it".to_owned());
        }
        Principal::Other => {
            return nothing(
                Some(caller),
                purposes,
                "IAM simulates users and roles, and this is neither".to_owned(),
            );
        }
    };
    let mut checked = Checked {
        caller: Some(caller),
        principal: Some(principal.clone()),
        verdicts: Vec::new(),
        limits: vec![BLIND.to_owned()],
    };
    let mut refused: Option<String> = None;
    for rule in policy::rules(purposes) {
        let answer = match &refused {
            Some(why) => Err(why.clone()),
            None => simulate(aws, &principal, &account, rule).await.map_err(|error| {
                let why = told(&error);
                // Whoever may not ask once may not ask again.
                if error.kind() == AwsErrorKind::Permission || error.kind() == AwsErrorKind::NotFound {
                    refused = Some(why.clone());
                }
                why
            }),
        };
        match answer {
            Ok(results) => {
                checked
                    .verdicts
                    .extend(rule.actions.iter().map(|action| verdict(rule.sid, action, &results)));
            }
            Err(why) => {
                checked.verdicts.extend(rule.actions.iter().map(|action| unknown(rule.sid, action, &why)));
            }
        }
    }
    if let Some(why) = refused {
        checked.limits.push(format!("IAM did not simulate: {why}"));
    }
    checked
}

fn nothing(caller: Option<String>, purposes: &[policy::Purpose], why: String) -> Checked {
    let verdicts = policy::rules(purposes)
        .flat_map(|rule| rule.actions.iter().map(|action| unknown(rule.sid, action, &why)))
        .collect();
    Checked { caller, principal: None, verdicts, limits: vec![why] }
}

fn unknown(sid: &'static str, action: &'static str, why: &str) -> Verdict {
    Verdict { sid, action, decision: Decision::Unknown, why: Some(why.to_owned()) }
}

/// An error and its causes in one line.
fn told(error: &AwsError) -> String {
    causes(error).join(": ")
}

/// Whose policies decide.
#[derive(Debug, PartialEq, Eq)]
enum Principal {
    /// A user or a role, as it is.
    Whole(String),
    /// The role of a session. Its path is not in the session's name.
    Role { name: String, guess: String },
    /// The account itself.
    Root,
    /// A federated user, or something newer.
    Other,
}

impl Principal {
    /// Of `arn:aws:sts::123456789012:assumed-role/NAME/SESSION`, or `arn:aws:iam::123456789012:user/NAME`.
    fn of(arn: &str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _, account, what] = parts[..] else { return Self::Other };
        match (service, what.split('/').collect::<Vec<_>>().as_slice()) {
            ("sts", ["assumed-role", name, ..]) => Self::Role {
                name: (*name).to_owned(),
                guess: format!("arn:{partition}:iam::{account}:role/{name}"),
            },
            ("iam", ["root"]) => Self::Root,
            ("iam", ["user" | "role", _, ..]) => Self::Whole(arn.to_owned()),
            _ => Self::Other,
        }
    }
}

/// The whole ARN of a role, if we may ask for it.
async fn role(aws: &Aws, name: &str) -> Option<String> {
    let answer = aws.iam().get_role().role_name(name).send().await.ok()?;
    Some(answer.role()?.arn().to_owned())
}

async fn simulate(
    aws: &Aws,
    principal: &str,
    account: &str,
    rule: &policy::Rule,
) -> Result<Vec<EvaluationResult>, AwsError> {
    let context = rule.context().into_iter().map(|(key, value)| {
        let kind =
            if key == "aws:TagKeys" { ContextKeyTypeEnum::StringList } else { ContextKeyTypeEnum::String };
        ContextEntry::builder().context_key_name(key).context_key_type(kind).context_key_values(value).build()
    });
    let samples = rule.samples(aws.region(), account);
    let mut results = Vec::new();
    // Not every action knows every resource of its rule, so they are asked about one by one; one that fits will do.
    let groups: Vec<Option<String>> =
        if samples.is_empty() { vec![None] } else { samples.into_iter().map(Some).collect() };
    let context: Vec<ContextEntry> = context.collect();
    for resource in groups {
        let mut pages = aws
            .iam()
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(rule.actions.iter().map(ToString::to_string).collect()))
            .set_resource_arns(resource.map(|resource| vec![resource]))
            .set_context_entries(Some(context.clone()).filter(|context| !context.is_empty()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                AwsError::of(format!("ask what `{principal}` may do"), "SimulatePrincipalPolicy", error)
            })?;
            results.extend(page.evaluation_results.unwrap_or_default());
        }
    }
    Ok(results)
}

/// What the results say about `action`: it is allowed if it is for one of the rule's resources.
fn verdict(sid: &'static str, action: &'static str, results: &[EvaluationResult]) -> Verdict {
    let its: Vec<&EvaluationResult> =
        results.iter().filter(|result| result.eval_action_name().eq_ignore_ascii_case(action)).collect();
    let made = |decision, why| Verdict { sid, action, decision, why };
    if its.is_empty() {
        return made(Decision::Unknown, Some("IAM did not answer about it".to_owned()));
    }
    if its.iter().any(|result| *result.eval_decision() == Decided::Allowed) {
        return made(Decision::Allowed, None);
    }
    let by_organization = |result: &&EvaluationResult| {
        result.organizations_decision_detail().is_some_and(|detail| !detail.allowed_by_organizations())
    };
    let bounded = |result: &&EvaluationResult| {
        result
            .permissions_boundary_decision_detail()
            .is_some_and(|detail| !detail.allowed_by_permissions_boundary())
    };
    let missing: Vec<&str> =
        its.iter().flat_map(|result| result.missing_context_values()).map(String::as_str).collect();
    let why = if its.iter().any(|result| *result.eval_decision() == Decided::ExplicitDeny) {
        "a policy denies it"
    } else if its.iter().any(by_organization) {
        "the organisation does not allow it"
    } else if its.iter().any(bounded) {
        "the permissions boundary does not allow it"
    } else if let Some(key) = missing.first() {
        // A condition of the user's own decides, about a value that only a real call has.
        return made(Decision::Unknown, Some(format!("it depends on `{key}`, which only a real call has")));
    } else {
        "no policy allows it"
    };
    made(Decision::Denied, Some(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_their_roles() {
        let whole = |arn: &str| Principal::Whole(arn.to_owned());
        assert_eq!(
            Principal::of("arn:aws:sts::123456789012:assumed-role/builder/me@example.org"),
            Principal::Role {
                name: "builder".into(),
                guess: "arn:aws:iam::123456789012:role/builder".into()
            }
        );
        let user = "arn:aws-cn:iam::123456789012:user/team/me";
        assert_eq!(Principal::of(user), whole(user));
        assert_eq!(Principal::of("arn:aws:iam::123456789012:root"), Principal::Root);
        assert_eq!(Principal::of("arn:aws:sts::123456789012:federated-user/me"), Principal::Other);
        assert_eq!(Principal::of("me"), Principal::Other);
    }
}

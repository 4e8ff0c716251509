//! `goldsmith doctor --aws`.
use super::block_on;
use crate::{
    aws::{
        Account, Aws, AwsError, Checked, Decision, check,
        policy::{self, Purpose},
    },
    cli::{
        args, commands::load, commands::pretty, console::Console, exit::Exit, problem::Problem, theme::Tone,
    },
    doctor,
    plan::Plan,
};
use serde_json::{Value, json};

/// The longest managed policy, without white space
/// ([quotas](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)).
const LONGEST: usize = 6144;

/// Prints the policy that the definitions need, and whether it is granted.
pub(in crate::cli::commands) fn permissions(
    arguments: &args::Doctor,
    console: &Console,
) -> Result<Exit, Problem> {
    let plans = load::all(&arguments.files, &load::inputs(&arguments.inputs, None), &arguments.selection)?;
    let account = account(&arguments.account.account(), &plans);
    let (purposes, narrow) = doctor::needs(&plans).map_err(|error| Problem::Internal(error.to_string()))?;
    let region = account.region.clone();
    let checked = block_on(async {
        let aws = Aws::open(&account).await?;
        Ok::<_, AwsError>((aws.region().to_owned(), check(&aws, &purposes).await))
    })?;
    // The policy is of use without any credentials.
    let (region, checked) = match checked {
        Ok((region, checked)) => (region, Ok(checked)),
        Err(error) => (region.unwrap_or_default(), Err(error)),
    };
    let policy = policy::policy(&purposes, policy::partition(&region), &narrow);
    if console.json() {
        let checked = checked.as_ref().ok();
        console.out(&pretty(&json!({ "purposes": purposes, "policy": policy, "check": checked }))?);
    } else {
        if purposes == [Purpose::Check] {
            console.note("the definition makes nothing in an Amazon account");
        }
        console.out(&pretty(&policy)?);
        notes(&policy, console);
        match &checked {
            Ok(checked) => console.note(&text(checked, console)),
            Err(error) => {
                let theme = console.err_theme();
                console.note(&format!("{} nothing was checked: {error}", theme.paint(Tone::Warn, "!")));
            }
        }
    }
    let denied =
        checked.is_ok_and(|checked| checked.verdicts.iter().any(|one| one.decision == Decision::Denied));
    Ok(if denied { Exit::Preflight } else { Exit::Ok })
}

/// The options win over the first definition that says something.
fn account(given: &Account, plans: &[Plan]) -> Account {
    let said = |of: fn(&Plan) -> &Option<String>| plans.iter().find_map(|plan| of(plan).clone());
    Account {
        profile: given.profile.clone().or_else(|| said(|plan| &plan.aws.profile)),
        region: given.region.clone().or_else(|| said(|plan| &plan.aws.region)),
        endpoint: given.endpoint.clone().or_else(|| said(|plan| &plan.aws.endpoint)),
    }
}

fn notes(policy: &Value, console: &Console) {
    let theme = console.err_theme();
    let mark = theme.paint(Tone::Warn, "!");
    let length = policy.to_string().len();
    if length > LONGEST {
        console.note(&format!(
            "{mark} the policy has {length} characters, and a managed policy {LONGEST} at most: make several of its statements, or give a \
             definition, which needs less"
        ));
    }
}

/// For people: what is not as it should be, and how much is.
fn text(checked: &Checked, console: &Console) -> String {
    let theme = console.err_theme();
    let count = |decision| checked.verdicts.iter().filter(|one| one.decision == decision).count();
    let mut lines = Vec::new();
    if let Some(who) = checked.principal.as_ref().or(checked.caller.as_ref()) {
        lines.push(format!("for {}", theme.paint(Tone::Strong, who)));
    }
    // One reason that holds for all of them is said once.
    let shared = checked.verdicts.first().and_then(|first| first.why.clone());
    let all_unknown =
        checked.verdicts.iter().all(|one| one.decision == Decision::Unknown && one.why == shared);
    let mut shown: Vec<(&str, Decision, &str)> = Vec::new();
    for verdict in checked.verdicts.iter().filter(|one| one.decision != Decision::Allowed && !all_unknown) {
        let why = verdict.why.as_deref().unwrap_or_default();
        if shown.contains(&(verdict.action, verdict.decision, why)) {
            continue;
        }
        shown.push((verdict.action, verdict.decision, why));
        let mark = match verdict.decision {
            Decision::Allowed => theme.mark(true),
            Decision::Denied => theme.mark(false),
            Decision::Unknown => theme.paint(Tone::Warn, "?"),
        };
        lines.push(format!("{mark} {} ({}): {why}", verdict.action, verdict.sid));
    }
    lines.push(format!(
        "{} allowed, {} denied, {} unknown",
        count(Decision::Allowed),
        count(Decision::Denied),
        count(Decision::Unknown)
    ));
    lines.extend(checked.limits.iter().map(|limit| theme.paint(Tone::Dim, limit)));
    lines.join("\n")
}

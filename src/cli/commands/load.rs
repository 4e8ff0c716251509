//! From files on the command line to plans.
use crate::{
    cli::{
        args::{Selection, Variables},
        problem::Problem,
    },
    definition::{self, Inputs},
    plan::Plan,
    value::Arch,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

/// What fills in definitions.
pub(super) fn inputs(variables: &Variables, out: Option<&Path>) -> Inputs {
    // Names and values that are not UTF-8 cannot be meant: a definition could not name them.
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("GOLDSMITH_VAR_"))
        .collect();
    Inputs {
        vars: variables.vars.clone(),
        var_files: variables.var_files.clone(),
        env,
        out_dir: out.map(Path::to_owned),
        host_arch: Arch::host(),
    }
}

/// The builds of all definitions that are meant, or everything that is wrong with any of them.
pub(super) fn all(files: &[PathBuf], inputs: &Inputs, selection: &Selection) -> Result<Vec<Plan>, Problem> {
    let (mut plans, mut names) = (Vec::new(), Vec::new());
    let mut wrong: Vec<Box<dyn miette::Diagnostic + Send + Sync>> = Vec::new();
    for file in files {
        match definition::load_all(file, inputs, &|name| selection.takes(name)) {
            Ok(builds) => {
                plans.extend(builds.plans);
                names.extend(builds.names);
            }
            Err(error) => wrong.push(Box::new(error)),
        }
    }
    if !wrong.is_empty() {
        return Err(Problem::Definitions(wrong));
    }
    meant(selection, &names)?;
    Ok(plans)
}

/// The builds of a definition that is in no file: `path` is where it would lie.
pub(super) fn text(
    text: &str,
    path: &Path,
    inputs: &Inputs,
    selection: &Selection,
) -> Result<Vec<Plan>, Problem> {
    let builds = definition::load_text(text, path, inputs, &|name| selection.takes(name))
        .map_err(|error| Problem::Definitions(vec![Box::new(error)]))?;
    meant(selection, &builds.names)?;
    Ok(builds.plans)
}

/// The build that is meant of one definition.
pub(super) fn one(file: &Path, inputs: &Inputs, selection: &Selection) -> Result<Plan, Problem> {
    let mut plans = all(&[file.to_owned()], inputs, selection)?;
    match (plans.pop(), plans.pop()) {
        (Some(plan), None) => Ok(plan),
        (Some(last), Some(other)) => Err(Problem::usage(format!(
            "`{}` has several builds, such as `{}` and `{}`, and one is meant here",
            file.display(),
            other.name,
            last.name
        ))
        .hint("choose one with `--only NAME`; `goldsmith plan` lists them")),
        (None, _) => Err(Problem::Internal("no build is meant".to_owned())),
    }
}

/// Whether every pattern fits some build, and some build is left.
pub(super) fn meant(selection: &Selection, names: &[String]) -> Result<(), Problem> {
    const SHOWN: usize = 8;
    if let Some((option, pattern)) = selection.useless(names) {
        let problem = Problem::usage(format!("`{option} {pattern}` fits no build"));
        let guess = definition::nearest_name(pattern, names.iter().map(String::as_str));
        return Err(if let Some(guess) = guess {
            problem.hint(format!("did you mean `{guess}`?"))
        } else {
            let list: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
            let more = names.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            problem.hint(format!("the builds are {}{more}: `goldsmith plan` lists them", list.join(", ")))
        });
    }
    if !names.is_empty() && !names.iter().any(|name| selection.takes(name)) {
        return Err(Problem::usage("`--only` and `--except` together leave no build"));
    }
    Ok(())
}

/// Two builds of one run must not make one file or one AMI.
pub(super) fn distinct(plans: &[Plan]) -> Result<(), Problem> {
    let mut files: HashMap<&Path, &Plan> = HashMap::new();
    let mut amis: HashMap<_, &Plan> = HashMap::new();
    for plan in plans {
        for ami in &plan.amis {
            let place = (&plan.aws.profile, &plan.aws.region, &plan.aws.endpoint, &ami.name);
            if let Some(other) = amis.insert(place, plan) {
                return Err(clash(other, plan, &format!("make the AMI `{}`", ami.name))
                    .hint("let the AMI's name contain `${name}`, which is another one for each build"));
            }
        }
        for output in &plan.outputs {
            if let Some(other) = files.insert(&output.path, plan) {
                let problem = clash(other, plan, &format!("deliver `{}`", output.path.display()));
                return Err(problem.hint(if other.definition == plan.definition {
                    "let the path of the output contain `${name}`, which is another one for each build"
                } else {
                    "give the definitions different names, or build them one by one with different `--out`"
                }));
            }
        }
    }
    Ok(())
}

/// Builds of one definition are told by their names, others by their definitions.
fn clash(one: &Plan, two: &Plan, what: &str) -> Problem {
    Problem::usage(if one.definition == two.definition {
        format!("the builds `{}` and `{}` both {what}", one.name, two.name)
    } else {
        format!("`{}` and `{}` both {what}", one.definition.display(), two.definition.display())
    })
}

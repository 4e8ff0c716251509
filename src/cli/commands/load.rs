//! From files on the command line to plans.
use crate::{
    cli::{args::Variables, problem::Problem},
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

/// All definitions, or everything that is wrong with any of them.
pub(super) fn all(files: &[PathBuf], inputs: &Inputs) -> Result<Vec<Plan>, Problem> {
    let mut plans = Vec::new();
    let mut wrong: Vec<Box<dyn miette::Diagnostic + Send + Sync>> = Vec::new();
    for file in files {
        match definition::load(file, inputs) {
            Ok(plan) => plans.push(plan),
            Err(error) => wrong.push(Box::new(error)),
        }
    }
    if wrong.is_empty() { Ok(plans) } else { Err(Problem::Definitions(wrong)) }
}

/// Two builds of one run must not deliver to one file.
pub(super) fn distinct(plans: &[Plan]) -> Result<(), Problem> {
    let mut seen: HashMap<&Path, &Path> = HashMap::new();
    let mut names: HashMap<_, &Path> = HashMap::new();
    for plan in plans {
        for ami in &plan.amis {
            let place = (&plan.aws.profile, &plan.aws.region, &plan.aws.endpoint, &ami.name);
            if let Some(other) = names.insert(place, &plan.definition) {
                return Err(Problem::usage(format!(
                    "`{}` and `{}` both make the AMI `{}`",
                    other.display(),
                    plan.definition.display(),
                    ami.name
                ))
                .hint("give the definitions different names, or their AMIs"));
            }
        }
        for output in &plan.outputs {
            if let Some(other) = seen.insert(&output.path, &plan.definition) {
                return Err(Problem::usage(format!(
                    "`{}` and `{}` both deliver `{}`",
                    other.display(),
                    plan.definition.display(),
                    output.path.display()
                ))
                .hint(
                    "give the definitions different names, or build them one by one with different `--out`",
                ));
            }
        }
    }
    Ok(())
}

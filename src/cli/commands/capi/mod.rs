//! `goldsmith capi`: make targets of Cluster API's image-builder.
pub(super) mod beside;
mod list;
#[cfg(feature = "aws")]
mod published;

use super::{
    build::{self, Manner},
    load,
};
use crate::{
    build::BuildResult,
    cli::{
        args::{self, Selection, Variables, WhenFailed},
        console::Console,
        exit::Exit,
        problem::Problem,
        words::count,
    },
    compat::{
        CompatError, Defined,
        capi::{self, Commands, Flavour, OnError, Target},
    },
    fetch::Gate,
    plan::Plan,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A target with the definition that was made of it.
pub(super) struct Node {
    pub(super) target: Target,
    /// Only looked at.
    pub(super) validates: bool,
    pub(super) variables: capi::Variables,
    pub(super) defined: Defined,
    /// Where the definition would lie.
    pub(super) path: PathBuf,
}

pub(super) fn run(arguments: &args::Capi, console: &Console) -> Result<Exit, Problem> {
    if arguments.list {
        return list::run(console);
    }
    let folder =
        std::env::current_dir().map_err(|error| Problem::host("could not find the current folder", error))?;
    // Names and values that are not UTF-8 cannot be meant: no variable could hold them.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let commands =
        Commands::read(&environment, &arguments.var_files, &arguments.vars).map_err(Problem::Compat)?;
    let mut variables =
        commands.variables(&environment, &folder, &|path| read(path)).map_err(Problem::Compat)?;
    variables.set_started(jiff::Timestamp::now());
    let mut nodes = Vec::new();
    for name in &arguments.targets {
        for target in Target::parse_all(name).map_err(Problem::Compat)? {
            let defined = capi::define(&target, &variables, &Flavour::Upstream, &folder);
            let defined = defined.map_err(|error| {
                Problem::Compat(CompatError::new(format!("`{target}` cannot be built so")).because_of(error))
            })?;
            let path = folder.join(format!("{target}.toml"));
            let validates = name.starts_with("validate-");
            nodes.push(Node { target, validates, variables: variables.clone(), defined, path });
        }
    }
    tell(&commands, &nodes, console);
    if arguments.print {
        let texts: Vec<&str> = nodes.iter().map(|node| node.defined.text.trim_end()).collect();
        if texts.len() > 1 {
            return Err(Problem::usage(format!(
                "`--print` prints one definition, and these are {}",
                texts.len()
            ))
            .hint("name one target; `goldsmith capi --list` shows those of a group"));
        }
        console.out(&texts.concat());
        return Ok(Exit::Ok);
    }
    carry_out(arguments, &commands, &nodes, console)
}

/// A var file's text.
fn read(path: &Path) -> Result<String, CompatError> {
    std::fs::read_to_string(path).map_err(|error| {
        CompatError::new(format!("Error reading variables in '{}'", path.display()))
            .because(error)
            .hint("var files are named by PACKER_VAR_FILES, by -var-file in PACKER_FLAGS, and by --var-file")
    })
}

/// What is to be known before anything begins; what holds for several targets is said once.
fn tell(commands: &Commands, nodes: &[Node], console: &Console) {
    let mut said = BTreeSet::new();
    let unknown = nodes.iter().flat_map(|node| &node.defined.unknown);
    let unknown = unknown.map(|(name, from)| format!("nothing knows the variable `{name}` of {from}"));
    let notes =
        commands.notes.iter().cloned().chain(nodes.iter().flat_map(|node| node.defined.notes.clone()));
    for note in notes.chain(unknown) {
        if said.insert(note.clone()) {
            console.note(&format!("note: {note}"));
        }
    }
}

fn plans(node: &Node) -> Result<Vec<Plan>, Problem> {
    let inputs = load::inputs(&Variables::default(), None);
    load::text(&node.defined.text, &node.path, &inputs, &Selection::default())
}

fn carry_out(
    arguments: &args::Capi,
    commands: &Commands,
    nodes: &[Node],
    console: &Console,
) -> Result<Exit, Problem> {
    let debug = arguments.debug || commands.debug;
    let on_error = arguments.on_error.unwrap_or(match commands.on_error {
        None | Some(OnError::Cleanup) => WhenFailed::Cleanup,
        Some(OnError::Abort) => WhenFailed::Keep,
        Some(OnError::Ask) => WhenFailed::Shell,
    });
    let mut wanted = Vec::new();
    let mut looked_at = 0;
    for node in nodes {
        let plans = plans(node)?;
        if node.validates {
            looked_at += 1;
            console.note(&format!("{} {}", console.err_theme().mark(true), node.target));
        } else {
            wanted.extend(plans.into_iter().map(|plan| (plan, node)));
        }
    }
    if wanted.is_empty() {
        console.note(&format!("{} can be built", count(looked_at, "target")));
        return Ok(Exit::Ok);
    }
    build::somebody(debug, on_error, arguments.parallel, console)?;
    let mut plans = Vec::new();
    let mut taken = BTreeSet::new();
    for (plan, node) in &mut wanted {
        // Some targets have results of one name, of which image-builder keeps the last.
        for output in &mut plan.outputs {
            if !taken.insert(output.path.clone()) {
                let file = output.path.file_name().unwrap_or_default().to_owned();
                output.path = node.path.with_file_name("output").join(node.target.name()).join(file);
                console.note(&format!(
                    "note: another target has a result of this name, so that of `{}` is `{}`",
                    node.target,
                    output.path.display()
                ));
            }
        }
        if let Some(accelerator) = arguments.accelerator {
            plan.machine.accelerator = accelerator.into();
        }
        if arguments.no_verify {
            plan.verify.boot = false;
        }
        plans.push(plan.clone());
    }
    let manner = Manner { debug, parallel: arguments.parallel };
    // What is done with AMIs is a task of its own, when all builds have ended.
    let amis = RefCell::new(Vec::new());
    let after = |plan: &Plan, made: &BuildResult| {
        let Some((_, node)) = wanted.iter().find(|(known, _)| known.definition == plan.definition) else {
            return Ok(());
        };
        amis.borrow_mut().extend(made.amis.iter().map(|artifact| (*node, artifact.ami.id.clone())));
        beside::write(&node.target, &node.variables, &node.path, plan, made)
    };
    let exit = build::carry_out(plans, on_error.into(), manner, Gate::open(), &after, console)?;
    published(&amis.into_inner(), exit, console)
}

/// Copies AMIs and gives rights to them, as their variables say.
#[cfg(feature = "aws")]
pub(super) fn published(
    amis: &[(&Node, String)],
    mut exit: Exit,
    console: &Console,
) -> Result<Exit, Problem> {
    for (node, id) in amis {
        exit = exit.max(published::publish(node, id, console)?);
    }
    Ok(exit)
}

/// Without the feature there is no AMI.
#[cfg(not(feature = "aws"))]
pub(super) fn published(_: &[(&Node, String)], exit: Exit, _: &Console) -> Result<Exit, Problem> {
    Ok(exit)
}

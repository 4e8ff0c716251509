//! EKS Anywhere's `image-builder` as a front door: what was typed there becomes a definition, by the manifests of a release.
use super::{
    capi::{Node, beside},
    load,
    release::{self, Shown, today},
};
use crate::{
    build::BuildResult,
    cli::{args::Definitions, console::Console, exit::Exit, problem::Problem},
    compat::{
        CompatError,
        capi::{self, EksAnywhere, Flavour},
        eksa::{self as compat, Asked, Facts, FactsError, Mirrors},
    },
    cx::Cx,
    eksa::{EksaError, EksaErrorKind, Manifests},
    fetch::Gate,
    plan::Plan,
    value::Arch,
};
use std::path::Path;

/// EKS Anywhere has nodes of this architecture only.
const ARCH: Arch = Arch::X86_64;

/// What is done with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// It is looked at.
    Plan,
    /// It is built: what it needs must be there.
    Build,
}

/// The definition that the flags stand for, or how the command ends without it. What is to be known about it is told.
pub(super) fn node(
    definitions: &Definitions,
    purpose: For,
    gate: Gate,
    console: &Console,
) -> Result<Result<Node, Exit>, Problem> {
    let folder =
        std::env::current_dir().map_err(|error| Problem::host("could not find the current folder", error))?;
    let door = &definitions.door;
    let env = |name: &str| std::env::var(name).ok();
    let asked =
        Asked::check(&door.flags(), &folder, |path: &Path| std::fs::read(path)).map_err(Problem::Compat)?;
    let mirrors = Mirrors::of(&asked).map_err(Problem::Compat)?;
    for note in asked.notes.iter().chain(&compat::about_environment(env)) {
        let already = note.starts_with("Warning: ");
        console.note(&if already { note.clone() } else { format!("note: {note}") });
    }
    let name = compat::image_name(&asked);
    let work = async |cx: &Cx, manifests: &Manifests| {
        Box::pin(facts(cx, manifests, &asked, mirrors.as_ref(), purpose)).await
    };
    let (facts, exit) = release::run_behind(
        gate,
        console,
        (&door.manifests(), door.eksa_release.as_ref()),
        ("manifests", Path::new(&name), Shown::Warnings),
        work,
    )?;
    let Some(facts) = facts else { return Ok(Err(exit)) };
    let facts = facts.map_err(Problem::Compat)?;
    let node = define(&asked, &facts, &folder, env).map_err(Problem::Compat)?;
    for note in &node.defined.notes {
        console.note(&format!("note: {note}"));
    }
    for (name, from) in &node.defined.unknown {
        console.note(&format!("note: `{name}` of {from} has no effect"));
    }
    Ok(Ok(node))
}

/// The plans of it.
pub(super) fn plans(
    node: &Node,
    definitions: &Definitions,
    out: Option<&Path>,
) -> Result<Vec<Plan>, Problem> {
    let folder = node.path.parent().unwrap_or(Path::new("/"));
    let inputs = load::inputs(&definitions.inputs, Some(out.unwrap_or(folder)));
    load::text(&node.defined.text, &node.path, &inputs, &definitions.selection)
}

/// The plans of definitions, or of the node that options stand for; or how the command ends without them.
pub(super) fn all_plans(
    definitions: &Definitions,
    console: &Console,
) -> Result<Result<Vec<Plan>, Exit>, Problem> {
    if !definitions.door.is_open() {
        let inputs = load::inputs(&definitions.inputs, None);
        return load::all(&definitions.files, &inputs, &definitions.selection).map(Ok);
    }
    match node(definitions, For::Plan, Gate::open(), console)? {
        Ok(node) => plans(&node, definitions, None).map(Ok),
        Err(exit) => Ok(Err(exit)),
    }
}

/// What `image-builder` leaves in the current folder besides the image: of an AMI, Packer's manifest.
pub(super) fn after(node: &Node, plan: &Plan, made: &BuildResult) -> Result<(), Problem> {
    if made.amis.is_empty() {
        return Ok(());
    }
    beside::write(&node.target, &node.variables, &node.path, plan, made)
}

/// What the manifests say about the node. What is wrong with them by the site's own servers is no trouble of a server's.
async fn facts(
    cx: &Cx,
    manifests: &Manifests,
    asked: &Asked,
    mirrors: Option<&Mirrors>,
    purpose: For,
) -> Result<Result<Facts, CompatError>, EksaError> {
    let mut resolved = match manifests.resolve(cx, asked.channel, today()).await {
        Ok(resolved) => resolved,
        Err(error) if error.kind() == EksaErrorKind::Channel => return Ok(Err(no_channel(error))),
        Err(error) => return Err(error),
    };
    if let Some(mirrors) = mirrors
        && let Err(error) = mirrors.rewrite(&mut resolved, ARCH)
    {
        return Ok(Err(error));
    }
    Box::pin(manifests.find_digests(cx, &mut resolved, ARCH)).await?;
    if purpose == For::Build {
        Box::pin(manifests.look_for(cx, &resolved, ARCH)).await?;
    }
    match Facts::of(&resolved, ARCH) {
        Ok(facts) => Ok(Ok(facts)),
        Err(FactsError::Unfit(error)) => Ok(Err(error)),
        Err(FactsError::Missing(error)) => Err(error),
    }
}

/// In the words of `image-builder`.
fn no_channel(error: EksaError) -> CompatError {
    let there = error.hint_text().unwrap_or_default().trim_start_matches("it has ").replace(['`', ','], "");
    CompatError::new(format!("release-channel should be one of [{there}]")).because(error)
}

fn define(
    asked: &Asked,
    facts: &Facts,
    folder: &Path,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Node, CompatError> {
    let target = compat::target(asked)?;
    let mut variables = compat::variables(asked, facts, folder, env)?;
    variables.set_started(jiff::Timestamp::now());
    let flavour = Flavour::EksAnywhere(EksAnywhere {
        name: compat::image_name(asked),
        channel: asked.channel.to_string(),
        eksd_name: facts.eksd_name.clone(),
    });
    let defined = capi::define(&target, &variables, &flavour, folder)?;
    let path = folder.join(format!("{}.toml", compat::image_name(asked)));
    Ok(Node { target, validates: false, variables, defined, path })
}

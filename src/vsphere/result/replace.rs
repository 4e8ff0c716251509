//! A new machine takes the place of an older one: first it is complete under another name, then the two change names, then the old one
//! goes. There is a machine of that name at all times but for an instant.
use super::ours;
use crate::{
    cx::{BuildId, Cx, causes},
    vsphere::{
        VCenter, VsphereError, VsphereErrorKind,
        machine::{Machine, PowerState},
    },
};

/// How much longer names get for a while, in characters.
pub const SUFFIX: usize = 17;

/// What a new machine is called until it is complete.
pub fn name_until_then(name: &str, id: &BuildId) -> String {
    format!("{name}.new-{id}")
}

/// The machine that has the name already, if it may be replaced; an error if not.
pub async fn in_the_way(
    vcenter: &VCenter,
    path: &str,
    replace: bool,
) -> Result<Option<Machine>, VsphereError> {
    let Some(found) = vcenter.at_path(path).await? else { return Ok(None) };
    let refused = |why: &str| {
        let attempt = if replace { format!("replace `{path}`") } else { format!("make `{path}`") };
        VsphereError::new(VsphereErrorKind::Exists, attempt).because(why.to_owned())
    };
    if found.kind != "VirtualMachine" {
        return Err(
            refused(&format!("it is there already, as a {}", found.kind)).hint("take another `--name`")
        );
    }
    if !replace {
        return Err(refused("there is a machine or a template of this name")
            .hint("`--replace` replaces what an earlier publish made; or take another `--name`"));
    }
    let machine = Machine::new(vcenter, found, path);
    if !ours::is_published(&machine.annotation().await?) {
        return Err(refused("goldsmith did not make it: its notes do not say `published by goldsmith`")
            .hint("rename it or remove it by hand, or take another `--name`"));
    }
    if machine.power().await?.0 != PowerState::Off {
        return Err(refused("it is running").hint("shut it down, or take another `--name`"));
    }
    Ok(Some(machine))
}

/// `new`, which is complete, gets the name of `old`, which goes.
pub async fn take_the_place(cx: &Cx, old: &Machine, new: &Machine, name: &str) -> Result<(), VsphereError> {
    let aside = format!("{name}.old-{}", cx.id());
    old.rename(cx, &aside).await?;
    let taken = match new.rename(cx, name).await {
        Ok(()) => new.keep(cx).await,
        failed => failed,
    };
    if let Err(error) = taken {
        // The new one is undone, by what it is and not by its name; so the old one may have its own again.
        if let Err(back) = give_back(new, old, name, cx).await {
            cx.events().warn(
                format!(
                    "the machine that was `{name}` is called `{aside}` now: {}",
                    causes(&back).join(": ")
                ),
                Some(format!("rename it to `{name}`")),
            );
        }
        return Err(error);
    }
    if let Err(error) = old.destroy(cx).await {
        cx.events().warn(
            format!("the machine that was replaced is still there: {}", causes(&error).join(": ")),
            Some(format!("remove `{aside}` by hand")),
        );
    }
    Ok(())
}

async fn give_back(new: &Machine, old: &Machine, name: &str, cx: &Cx) -> Result<(), VsphereError> {
    // It may have the name already.
    let _ = new.rename(cx, &name_until_then(name, cx.id())).await;
    old.rename(cx, name).await
}

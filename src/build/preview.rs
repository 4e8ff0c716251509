//! What a build would do, worked out for a guest that does not run yet.
use crate::{
    guest::Facts,
    plan::{Firmware, Plan, SourcePlan, Step},
    provision::{self, ResolveError},
};

/// `plan` with the steps that apply to a guest of `system` (`ubuntu-24.04`), every template replaced. Without a system it is the one
/// that the source is known to be, which is only known of bootstraps; then `None` when it is not known.
pub fn preview(plan: &Plan, system: Option<&str>) -> Result<Option<Plan>, PreviewError> {
    let Some(facts) = facts(plan, system)? else { return Ok(None) };
    let steps = provision::resolve(plan, &facts)?;
    Ok(Some(Plan { provision: steps, ..plan.clone() }))
}

/// The steps of [`preview`], with what is known besides of a guest that is bootstrapped.
pub(super) fn steps(plan: &Plan, system: Option<&str>) -> Result<Option<Vec<Step>>, PreviewError> {
    let Some(facts) = facts(plan, system)? else { return Ok(None) };
    let cloud_init = match &plan.source {
        SourcePlan::Bootstrap(bootstrap) => bootstrap.cloud_init,
        _ => facts.cloud_init,
    };
    Ok(Some(provision::resolve(plan, &Facts { cloud_init, ..facts })?))
}

/// What is known of the guest, if anything is.
pub(super) fn facts(plan: &Plan, system: Option<&str>) -> Result<Option<Facts>, PreviewError> {
    let system = match (system, &plan.source) {
        (Some(system), _) => Some(system),
        (None, SourcePlan::Bootstrap(bootstrap)) => system_of(&bootstrap.suite),
        (
            None,
            SourcePlan::Disk(_)
            | SourcePlan::Iso(_)
            | SourcePlan::Ami(_)
            | SourcePlan::Vsphere(_)
            | SourcePlan::Nutanix(_)
            | SourcePlan::Cloudstack(_),
        ) => None,
    };
    let Some(system) = system else { return Ok(None) };
    let efi = plan.machine.firmware == Firmware::Efi;
    let unknown = || PreviewError::System { system: system.to_owned() };
    Facts::assumed(system, plan.arch, efi).ok_or_else(unknown).map(Some)
}

/// The steps that a build of `plan` has for certain, whatever its guest says.
pub(super) fn certain(plan: &Plan) -> Vec<Step> {
    let facts = match &plan.source {
        SourcePlan::Bootstrap(bootstrap) => system_of(&bootstrap.suite)
            .and_then(|system| Facts::assumed(system, plan.arch, plan.machine.firmware == Firmware::Efi))
            .map(|facts| Facts { cloud_init: bootstrap.cloud_init, ..facts }),
        _ => None,
    };
    provision::certain(plan, facts.as_ref())
}

/// There is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// No system that is known here.
    #[error("`{system}` is no system that goldsmith knows the steps of")]
    System {
        /// What was asked for.
        system: String,
    },
    /// The steps cannot be worked out.
    #[error(transparent)]
    Steps(#[from] ResolveError),
}

/// The system of a suite.
fn system_of(suite: &str) -> Option<&'static str> {
    Some(match suite {
        "bullseye" => "debian-11",
        "bookworm" => "debian-12",
        "trixie" => "debian-13",
        "jammy" => "ubuntu-22.04",
        "noble" => "ubuntu-24.04",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_of_a_system_that_is_known() {
        for suite in ["bullseye", "bookworm", "trixie", "jammy", "noble"] {
            let system = system_of(suite).unwrap();
            assert_eq!(Facts::assumed(system, crate::value::Arch::X86_64, true).unwrap().codename, suite);
        }
    }
}

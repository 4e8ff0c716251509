//! `service`: a systemd unit.
use crate::definition::{
    raw::Service,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::Text,
};
use crate::plan::{ServiceState, ServiceStep};

pub(super) fn resolve(
    At { value: raw, span: place }: At<Service>,
    reader: &mut Reader<'_>,
) -> Option<ServiceStep> {
    let name = unit_name(raw.name, reader);
    let enabled = raw.enabled.maybe().map(|at| at.map(|at| at.value));
    let masked = raw.masked.maybe().map(|at| at.map(|at| at.value));
    let state = raw.state.maybe().map(|at| at.map(|at| at.value.0));
    let step = ServiceStep { name: name?, enabled: enabled?, masked: masked?, state: state? };
    let does_something = step.enabled.is_some() || step.masked.is_some() || step.state.is_some();
    check::holds(&place, does_something, reader, || {
        "this `service` changes nothing: say `enabled`, `masked` or `state`".to_owned()
    })?;
    let runs = matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted));
    let fits = step.masked != Some(true) || !(runs || step.enabled == Some(true));
    check::holds(&place, fits, reader, || "a masked unit can be neither enabled nor started".to_owned())?;
    Some(step)
}

/// The name of a unit.
pub(super) fn unit_name(field: Field<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let help = "write the name of a systemd unit, such as `ssh` or `fstrim.timer`";
    let right = |name: &str| check::is_word(name, ".-_@:\\");
    check::text(field.required()?, reader, right, "is not the name of a unit", help)
}

//! `unit`: a systemd unit or a drop-in.
use super::{
    file::{Source, content},
    service::unit_name,
};
use crate::definition::{
    raw::Unit,
    reader::{At, Reader},
    resolve::check,
    scalar::Mode,
};
use crate::plan::{ServiceState, UnitStep};

pub(super) fn resolve(At { value: raw, span: place }: At<Unit>, reader: &mut Reader<'_>) -> Option<UnitStep> {
    let name = unit_name(raw.name, reader);
    let content = content((raw.content, raw.source), Source::Verbatim, "`unit`", &place, reader);
    let drop_in = match raw.drop_in.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => {
            let right = |name: &str| check::is_word(name, ".-_@") && name.strip_suffix(".conf").is_some();
            let help = "write a file name that ends with `.conf`, such as `10-limits.conf`";
            check::text(at, reader, right, "cannot be the name of a drop-in", help).map(Some)
        }
        None => None,
    };
    let masked_span = raw.masked.span().cloned().unwrap_or_default();
    let masked = raw.masked.maybe().map(|at| at.map(|at| at.value));
    if masked == Some(Some(true)) && drop_in == Some(None) {
        reader
            .report(
                &masked_span,
                "a unit with `content` cannot be `masked`: the mask takes the place of its file",
            )
            .help("mask it with `service = { name = …, masked = true }`, without writing it");
        return None;
    }
    let enabled = raw.enabled.maybe().map(|at| at.map(|at| at.value));
    let state = raw.state.maybe().map(|at| at.map(|at| at.value.0));
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let step = UnitStep {
        name: name?,
        content: content?,
        drop_in: drop_in?,
        mode: mode?,
        enabled: enabled?,
        masked: masked?,
        state: state?,
    };
    let starts = matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted));
    check::holds(
        &place,
        !(step.masked == Some(true) && (starts || step.enabled == Some(true))),
        reader,
        || "a masked unit can be neither started nor enabled".to_owned(),
    )?;
    Some(step)
}

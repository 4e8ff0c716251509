//! `wait-for`: until something is there.
use super::service::unit_name;
use crate::definition::{
    raw::WaitFor,
    reader::{At, Field, Reader},
    resolve::check,
};
use crate::plan::{Awaited, WaitForStep};
use crate::value::HumanDuration;

pub(super) fn resolve(
    At { value: raw, span: place }: At<WaitFor>,
    reader: &mut Reader<'_>,
) -> Option<WaitForStep> {
    let given = [
        ("path", raw.path.span()),
        ("port", raw.port.span()),
        ("unit", raw.unit.span()),
        ("run", raw.run.span()),
    ];
    let is_bad = matches!(raw.path, Field::Bad)
        || matches!(raw.port, Field::Bad)
        || matches!(raw.unit, Field::Bad)
        || matches!(raw.run, Field::Bad);
    if is_bad || !check::exactly_one(&place, "`wait-for`", &given, reader) {
        return None;
    }
    if let (Some(host), true) = (raw.host.span(), raw.port.is_absent()) {
        reader.report(host, "`host` says where a `port` is, but this waits for none");
        return None;
    }
    let every = match raw.every.maybe()? {
        None => "2s".to_owned(),
        Some(at) => {
            let right = |text: &str| text.parse::<HumanDuration>().is_ok_and(|pause| !pause.get().is_zero());
            check::text(at, reader, right, "is not a pause", "write a number and a unit, such as `2s`")?
        }
    };
    let what = if let Field::Good(At { value: port, span }) = raw.port {
        check::holds(&span, (1..=65535).contains(&port), reader, || {
            format!("{port} is no TCP port: they go from 1 to 65535")
        })?;
        let host = match raw.host.maybe()? {
            None => "127.0.0.1".to_owned(),
            Some(at) => {
                let help = "write a host name or an address";
                check::text(at, reader, |host| check::is_word(host, ".-_:"), "is not a host", help)?
            }
        };
        Awaited::Port { host, port }
    } else if let Some(at) = raw.run.maybe()? {
        let right = |text: &str| !text.trim().is_empty();
        Awaited::Run(check::text(at, reader, right, "is no command", "write a shell command")?)
    } else if raw.unit.is_absent() {
        Awaited::Path(check::guest_path(raw.path, reader)??)
    } else {
        Awaited::Unit(unit_name(raw.unit, reader)?)
    };
    Some(WaitForStep { what, every })
}

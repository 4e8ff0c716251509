//! `wait-for`: until something is there. The step's timeout ends it.
use super::service::unit;
use crate::guest::quote;
use crate::plan::{Awaited, WaitForStep};
use crate::provision::runner::StepError;
use crate::value::HumanDuration;

/// What a look ends with when waiting on is in vain.
const HOPELESS: u8 = 3;

/// The script that does `step`.
pub(in crate::provision) fn script(step: &WaitForStep) -> Result<String, StepError> {
    let pause: HumanDuration = step.every.parse().map_err(|error: crate::value::HumanDurationError| {
        StepError::value("every", &step.every, error.to_string())
    })?;
    let look = match &step.what {
        Awaited::Path(path) => {
            format!(
                "p={}; if [ -e \"$p\" ] || [ -L \"$p\" ]; then return 0; fi; echo \"$p is not there yet\"; return 1",
                quote(path)
            )
        }
        // bash connects by itself, and every system that we build has it; ports of other machines are not in /proc.
        Awaited::Port { host, port } => format!(
            "if timeout 5 bash -c 'exec 3<>\"/dev/tcp/$1/$2\"' - {} {port} 2>/dev/null; then return 0; fi\n\
             command -v bash >/dev/null || {{ echo 'bash is not there, which would look'; return 1; }}\n\
             echo {} 'takes no connections yet'; return 1",
            quote(host),
            quote(&format!("{host}:{port}"))
        ),
        Awaited::Unit(name) => format!(
            "u={}; s=$(systemctl is-active \"$u\" || true); [ \"$s\" != active ] || return 0\n\
             if [ \"$s\" = failed ]; then\n\
             \x20 echo \"$u has failed, so that waiting for it is in vain; its journal says last:\"\n\
             \x20 journalctl --no-pager -n 20 -u \"$u\" || true\n\
             \x20 return {HOPELESS}\nfi\n\
             echo \"$u is $s\"; return 1",
            quote(&unit(name))
        ),
        // A command may end with any code.
        Awaited::Run(run) => format!("/bin/sh -euc {} </dev/null || return 1", quote(run)),
    };
    // What it says is shown when it says something else than before.
    Ok(format!(
        "look() {{\n{look}\n}}\nlast=\nwhile :; do\n\
         \x20 r=0; said=$(look 2>&1) || r=$?\n\
         \x20 [ $r -ne 0 ] || exit 0\n\
         \x20 if [ \"$said\" != \"$last\" ]; then printf '%s\\n' \"$said\"; last=$said; fi\n\
         \x20 [ $r -ne {HOPELESS} ] || exit 1\n\
         \x20 sleep {}\ndone\n",
        pause.get().as_secs_f64()
    ))
}

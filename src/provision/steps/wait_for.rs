//! `wait-for`: until something is there. The step's timeout ends it.
use super::service::unit;
use crate::guest::quote;
use crate::plan::{Awaited, WaitForStep};
use crate::provision::runner::StepError;
use crate::value::HumanDuration;

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
            "u={}; s=$(systemctl is-active \"$u\" || true); [ \"$s\" = active ] || {{ echo \"$u is $s\"; return 1; }}",
            quote(&unit(name))
        ),
        Awaited::Run(run) => format!("/bin/sh -euc {} </dev/null", quote(run)),
    };
    // What it says is shown when it says something else than before.
    Ok(format!(
        "look() {{\n{look}\n}}\nlast=\nwhile :; do\n\
         \x20 if said=$(look 2>&1); then exit 0; fi\n\
         \x20 if [ \"$said\" != \"$last\" ]; then printf '%s\\n' \"$said\"; last=$said; fi\n\
         \x20 sleep {}\ndone\n",
        pause.get().as_secs_f64()
    ))
}

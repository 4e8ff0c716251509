//! `sysctl`: kernel parameters, by /proc/sys: the tool of that name is not in every small system.
use super::edit::{EDIT, touch};
use crate::guest::quote;
use crate::plan::SysctlStep;
use crate::provision::checks::{CheckSpec, Expect, Voided, lasts};

/// The script that does `step`.
pub(in crate::provision) fn script(step: &SysctlStep) -> String {
    let file = quote(&step.file);
    let mut script = format!("{EDIT}{}", touch(&step.file));
    for (name, value) in &step.values {
        script.push_str(&format!(
            "edit {file} env n={} v={} awk '{{ n = $0; sub(/=.*/, \"\", n); gsub(/[ \\t]/, \"\", n); sub(/^-/, \"\", n) }}\n\
             \x20 n != ENVIRON[\"n\"] {{ print }} END {{ print ENVIRON[\"n\"] \" = \" ENVIRON[\"v\"] }}'\n",
            quote(name),
            quote(value)
        ));
    }
    if step.apply {
        for (name, value) in &step.values {
            script.push_str(&format!(
                "p={}\nif [ ! -e \"$p\" ]; then\n\
                 \x20 echo \"this kernel has no parameter\" {} \"(is a module missing?)\" >&2; exit 1\nfi\n\
                 printf '%s\\n' {} >\"$p\"\n",
                quote(&proc_path(name)),
                quote(name),
                quote(value)
            ));
        }
    }
    script
}

/// Where the kernel shows a parameter. The first separator says how the name is written (see `sysctl.d(5)`).
fn proc_path(name: &str) -> String {
    let path: String = match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'.') => {
            let turned = |c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            };
            name.chars().map(turned).collect()
        }
        _ => name.to_owned(),
    };
    format!("/proc/sys/{path}")
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &SysctlStep) -> Vec<CheckSpec> {
    if !lasts(&step.file) {
        return vec![];
    }
    let spec = |(name, value): (&String, &String)| {
        let expected = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let script = format!("tr -s ' \\t' ' ' 2>&1 <{} || true", quote(&proc_path(name)));
        CheckSpec::new(
            format!("sysctl {}", proc_path(name)),
            format!("kernel parameter `{name}` is {expected}"),
            script,
            Expect::Text(expected),
        )
        .voiding(Voided::Subject(format!("path {}", step.file)))
    };
    step.values.iter().map(spec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward")]
    #[test_case("net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding")]
    #[test_case("net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding")]
    fn names_are_read_as_systemd_reads_them(name: &str, path: &str) {
        assert_eq!(proc_path(name), path);
    }
}

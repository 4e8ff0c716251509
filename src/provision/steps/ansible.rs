//! `ansible`: this host's `ansible-playbook`, with the build's own key and the guest's own host key.
use crate::{
    cx::{Event, Stream},
    plan::AnsibleStep,
    provision::{
        Secrets,
        runner::{LAST_LINES, StepError, Worker},
        secrets::Place,
    },
};
use std::{
    collections::VecDeque, fs, io, io::Write, os::unix::fs::OpenOptionsExt, path::Path, process::Stdio,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &AnsibleStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let mut vars = serde_json::Map::new();
    for (name, value) in &step.extra_vars {
        let filled = secrets.fill(worker.cx, value, Place::Text).await?;
        vars.insert(name.clone(), filled.expose().into());
    }
    let folder = tempfile::Builder::new()
        .prefix("ansible-")
        .tempdir_in(worker.cx.work())
        .map_err(StepError::ansible)?;
    prepare(worker, step, &serde_json::Value::Object(vars), folder.path()).map_err(StepError::ansible)?;
    let at = |name: &str| folder.path().join(name);
    let mut command = tokio::process::Command::new("ansible-playbook");
    command.arg("-i").arg(at("inventory.json"));
    command.arg("-e").arg(format!("@{}", at("vars.json").display()));
    command.args(&step.args).arg(super::file::local(&step.playbook));
    command.env("ANSIBLE_HOST_KEY_CHECKING", "True").env("ANSIBLE_RETRY_FILES_ENABLED", "False");
    command.env("ANSIBLE_NOCOWS", "1").env("ANSIBLE_FORCE_COLOR", "0").env("ANSIBLE_LOCAL_TEMP", at("tmp"));
    if let Some(path) = &step.roles_path {
        command.env("ANSIBLE_ROLES_PATH", super::file::local(path));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0);
    let playing = play(worker, command);
    match worker.cx.stop().unless_cancelled(tokio::time::timeout(worker.timeout.get(), playing)).await? {
        Ok(result) => result,
        Err(_elapsed) => {
            Err(crate::guest::CommError::TimedOut { label: worker.label.to_owned(), limit: worker.timeout }
                .into())
        }
    }
}

/// Whether this host has Ansible.
pub(in crate::provision) fn is_there() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("ansible-playbook").is_file())
}

/// Writes all that Ansible reads into `folder`, readable by the owner only.
fn prepare(
    worker: &Worker<'_>,
    step: &AnsibleStep,
    vars: &serde_json::Value,
    folder: &Path,
) -> io::Result<()> {
    let write = |name: &str, text: &str| {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(folder.join(name))?;
        file.write_all(text.as_bytes())
    };
    let (login, address) = (worker.guest.login(), worker.guest.addr());
    // ssh refuses a key whose last line has no end.
    write("key", &format!("{}\n", login.key.expose().trim_end()))?;
    write("known_hosts", &format!("[{}]:{} {}\n", address.ip(), address.port(), login.host_key.trim()))?;
    write("vars.json", &vars.to_string())?;
    write("inventory.json", &inventory(step, login.user.as_str(), address, folder).to_string())
}

fn inventory(
    step: &AnsibleStep,
    user: &str,
    address: std::net::SocketAddr,
    folder: &Path,
) -> serde_json::Value {
    let at = |name: &str| folder.join(name).display().to_string();
    let options = format!(
        "-o UserKnownHostsFile={} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -F /dev/null",
        crate::guest::quote(&at("known_hosts"))
    );
    let become_user = step.user.as_deref().unwrap_or("root");
    serde_json::json!({ "all": { "hosts": { "guest": {
        "ansible_host": address.ip().to_string(),
        "ansible_port": address.port(),
        "ansible_user": user,
        "ansible_ssh_private_key_file": at("key"),
        "ansible_ssh_common_args": options,
        "ansible_become": become_user != user,
        "ansible_become_user": become_user,
        // The seal empties it.
        "ansible_remote_tmp": "/var/tmp/goldsmith-ansible",
    } } } })
}

async fn play(worker: &Worker<'_>, mut command: tokio::process::Command) -> Result<(), StepError> {
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StepError::NoAnsible,
        _ => StepError::ansible(error),
    })?;
    let (sender, mut lines) = tokio::sync::mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|pipe| tokio::spawn(read(pipe, Stream::Stdout, sender.clone()))),
        child.stderr.take().map(|pipe| tokio::spawn(read(pipe, Stream::Stderr, sender))),
    ];
    let mut last: VecDeque<String> = VecDeque::with_capacity(LAST_LINES);
    while let Some((stream, line)) = lines.recv().await {
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(worker.cx.redactor().redact(&line));
        worker.cx.emit(Event::Output { source: worker.label.to_owned(), stream, line });
    }
    for reader in readers.into_iter().flatten() {
        reader.abort();
    }
    let status = child.wait().await.map_err(StepError::ansible)?;
    match status.code().and_then(|code| u32::try_from(code).ok()) {
        Some(0) => Ok(()),
        Some(code) => Err(StepError::Exit { exit: crate::guest::Exit::Code(code), last: last.into() }),
        None => Err(StepError::Exit { exit: crate::guest::Exit::Signal("KILL".into()), last: last.into() }),
    }
}

async fn read(
    pipe: impl AsyncRead + Unpin,
    stream: Stream,
    lines: tokio::sync::mpsc::Sender<(Stream, String)>,
) {
    let mut reader = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = reader.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !line.is_empty() && lines.send((stream, line)).await.is_err() {
            return;
        }
    }
}

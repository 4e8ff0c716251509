//! `[source.iso]`: an installer's medium and what it is told.
#![allow(
    clippy::option_option,
    reason = "the outer option says that a value was wrong, as everywhere in this module; the inner one is the value"
)]
use super::{check, source::local_file, source::origins};
use crate::{
    definition::{
        raw::{Iso, IsoAnswers, IsoFile, Typed},
        reader::{At, Field, Reader, blame_variables},
        scalar::Text,
    },
    plan::{
        AnswerFile, AnswerPlace, Answers, InstallerBoot, IsoDigest, IsoPlan, TypedStep, TypedWait,
        says_server,
    },
    value::HumanDuration,
};
use std::path::PathBuf;

/// A server's installation, emulated.
const TIMEOUT: HumanDuration = HumanDuration::seconds(2 * 3600);
/// From a restart to the text of a boot menu, emulated.
const TEXT_TIMEOUT: HumanDuration = HumanDuration::seconds(120);
/// The label that cloud-init and subiquity look for.
const LABEL: &str = "CIDATA";
/// What fits into a volume label of FAT.
const LONGEST_LABEL: usize = 11;

/// `installs`: there is an `[source.iso.install]`, which is resolved apart.
pub(super) fn iso(
    At { value: raw, span: header }: At<Iso>,
    installs: bool,
    reader: &mut Reader<'_>,
) -> Option<IsoPlan> {
    let found = origins("`[source.iso]`", &header, raw.path, raw.url, raw.urls, reader);
    let digest_given = [("digest", raw.digest.span()), ("checksums", raw.checksums.span())];
    let both = digest_given.iter().all(|(_, span)| span.is_some());
    if both {
        check::exactly_one(&header, "`[source.iso]`", &digest_given, reader);
    }
    let digest = match (raw.digest.maybe()?, raw.checksums.maybe()?) {
        (Some(digest), _) => IsoDigest::Known(digest.value),
        (None, Some(url)) => IsoDigest::Listed(url.value),
        (None, None) => IsoDigest::Trusted,
    };
    let (origins, place) = found?;
    if both {
        return None;
    }
    if digest == IsoDigest::Trusted && origins.iter().any(super::source::is_remote) {
        reader
            .report(&place, "a download needs a `digest`, or `checksums`")
            .label("this may change at any time")
            .help(
                "add `digest = \"sha256:…\"`, or `checksums` with the address of the publisher's SHA256SUMS",
            );
        return None;
    }
    let typed_at = raw.r#type.span().cloned();
    let direct = [
        ("kernel", raw.kernel.span().cloned()),
        ("initrd", raw.initrd.span().cloned()),
        ("arguments", raw.arguments.span().cloned()),
        ("menu-arguments", raw.menu_arguments.span().cloned()),
    ];
    let steps = match raw.r#type.maybe()? {
        Some(list) => {
            Some(list.value.into_iter().map(|step| typed(step, reader)).collect::<Option<Vec<_>>>()?)
        }
        None => None,
    };
    let answers_at = raw.answers.span().cloned();
    let answers = match raw.answers.maybe()? {
        Some(answers) => self::answers(answers, installs, typed_at.is_some(), reader)?,
        None => Answers { place: AnswerPlace::Volume(LABEL.to_owned()), files: Vec::new() },
    };
    let boot = if let Some(steps) = steps {
        if let Some((name, Some(span))) = direct.iter().find(|(_, span)| span.is_some()) {
            reader
                .report(span, format!("`{name}` is of no use with `[[source.iso.type]]`"))
                .help("the kernel is started by what is typed; leave one of them away");
            return None;
        }
        InstallerBoot::Typed { steps }
    } else {
        let arguments = check::texts(
            raw.arguments.or(Vec::new())?,
            reader,
            |text| check::is_line(text) && !text.is_empty(),
            "is not one argument of a kernel",
            "the command line is one line",
        );
        InstallerBoot::Direct {
            kernel: on_medium(raw.kernel, reader)?,
            initrd: on_medium(raw.initrd, reader)?,
            arguments: arguments?,
            keep_menu: raw.menu_arguments.or(!installs)?,
        }
    };
    let says = match &boot {
        InstallerBoot::Direct { arguments, .. } => arguments.iter().any(|text| says_server(text)),
        InstallerBoot::Typed { steps } => steps.iter().any(|step| says_server(&step.keys)),
    };
    let place = answers_at.unwrap_or(header);
    match (says, answers.place == AnswerPlace::Served) {
        (false, true) => {
            reader
                .report(&place, "nothing tells the installer where its answers are served")
                .help("write `http://{{ .HTTPIP }}:{{ .HTTPPort }}/NAME` into `arguments` or `keys`");
            return None;
        }
        (true, false) => {
            reader
                .report(
                    &place,
                    "`{{ .HTTPIP }}` and `{{ .HTTPPort }}` are where answers are served, and none are",
                )
                .help("add `serve = true` to `[source.iso.answers]`");
            return None;
        }
        _ => {}
    }
    let timeout = raw.timeout.or(TIMEOUT)?;
    Some(IsoPlan { origins, digest, boot, answers, install: None, remarks: Vec::new(), timeout })
}

/// The path of a file on the medium, if it is said.
fn on_medium(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    let is_not = "is not the path of a file on the medium";
    check::text(at, reader, check::is_guest_path, is_not, check::GUEST_PATH).map(Some)
}

fn answers(
    At { value: raw, .. }: At<IsoAnswers>,
    installs: bool,
    typed: bool,
    reader: &mut Reader<'_>,
) -> Option<Answers> {
    let volume_at = raw.volume.span().cloned();
    let initrd_at = raw.initrd.span().cloned();
    let serve_at = raw.serve.span().cloned();
    let elsewhere = volume_at.as_ref().or(initrd_at.as_ref()).or(serve_at.as_ref());
    if let (true, Some(span)) = (installs, elsewhere) {
        reader.report(span, "with `[source.iso.install]`, answers are where its installer looks for them");
        return None;
    }
    let volume = match raw.volume.maybe()? {
        None => LABEL.to_owned(),
        Some(label) => check::text(
            label,
            reader,
            |label| {
                (1..=LONGEST_LABEL).contains(&label.len())
                    && label.bytes().all(|byte| {
                        byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
                    })
            },
            "cannot be the label of a volume of answers",
            "a label has 1 to 11 capital letters, digits, `-` and `_`, such as `CIDATA` or `OEMDRV`",
        )?,
    };
    let place = if raw.serve.or(false)? {
        if let (Some(also), Some(at)) = (volume_at.or(initrd_at), serve_at) {
            reader.report(&also, "answers are either served or on a medium").also(at, "`serve` is here");
            return None;
        }
        AnswerPlace::Served
    } else if raw.initrd.or(false)? {
        let at = initrd_at.unwrap_or_default();
        check::holds(&at, !typed, reader, || {
            "answers can only be put into the initial RAM disk when the kernel is started directly".to_owned()
        })?;
        if let Some(also) = volume_at {
            reader
                .report(&also, "answers are either in a volume or in the initial RAM disk")
                .also(at, "`initrd` is here");
            return None;
        }
        AnswerPlace::Initrd
    } else {
        AnswerPlace::Volume(volume)
    };
    let files =
        raw.file.required()?.value.into_iter().map(|file| answer(file, reader)).collect::<Option<_>>()?;
    Some(Answers { place, files })
}

fn answer(At { value: raw, span }: At<IsoFile>, reader: &mut Reader<'_>) -> Option<AnswerFile> {
    let name = raw.name.required().and_then(|name| {
        let help = "write a name without folders, such as `preseed.cfg` or `user-data`";
        check::text(
            name,
            reader,
            |name| check::is_word(name, "-_.") && !name.starts_with('.'),
            "cannot name a file of answers",
            help,
        )
    });
    let given = [("content", raw.content.span()), ("source", raw.source.span())];
    if !check::exactly_one(&span, "a `[[source.iso.answers.file]]`", &given, reader) {
        return None;
    }
    let text = match (raw.content.maybe()?, raw.source.maybe()?) {
        (Some(content), _) => content.value.0.text,
        (None, Some(source)) => text_of(source, reader)?.1,
        (None, None) => return None,
    };
    Some(AnswerFile { name: name?, text })
}

/// The text of a file on this host, with its path.
pub(super) fn text_of(source: At<Text>, reader: &mut Reader<'_>) -> Option<(PathBuf, String)> {
    let (span, expanded) = (source.span.clone(), source.value.0.clone());
    let path = local_file(source, reader)?;
    match reader.files.read_text(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            let problem = reader.report(&span, format!("cannot read `{}`", path.display()));
            problem.cause(error);
            blame_variables(problem, &expanded);
            None
        }
    }
}

fn typed(At { value: raw, span }: At<Typed>, reader: &mut Reader<'_>) -> Option<TypedStep> {
    let given = [("after", raw.after.span()), ("serial", raw.serial.span()), ("screen", raw.screen.span())];
    if !check::exactly_one(&span, "a `[[source.iso.type]]`", &given, reader) {
        return None;
    }
    let limit = raw.timeout.or(TEXT_TIMEOUT)?;
    let wait = match (raw.after.maybe()?, raw.serial.maybe()?, raw.screen.maybe()?) {
        (Some(after), ..) => TypedWait::Time(after.value),
        (None, Some(text), _) => TypedWait::Serial { text: text.value.0.text, limit },
        (None, None, Some(text)) => TypedWait::Screen { text: text.value.0.text, limit },
        (None, None, None) => return None,
    };
    let At { value: keys, span: place } = raw.keys.required()?;
    let keys = keys.0.text;
    if let Err(error) = crate::plan::typed::parse(&keys) {
        reader.report(&place, error.to_string()).help("the notation is that of Packer's `boot_command`");
        return None;
    }
    let label = match raw.name.maybe()? {
        Some(name) => name.value.0.text,
        None => format!("type {keys}"),
    };
    Some(TypedStep { label, wait, keys })
}

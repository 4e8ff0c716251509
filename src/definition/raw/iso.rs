//! `[source.iso]`: an installer's medium and what it is told.
use crate::{
    definition::{
        raw::Install,
        reader::{Key, Table},
        scalar::{List, Text},
        table::table,
    },
    value::{Digest, HumanDuration},
};
use url::Url;

table! {
    /// An installer's medium. It is at one of `path`, `url` and `urls`. Its kernel is started directly, unless keys are to be typed. In a
    /// vCenter nothing can be started directly: `install` types what starts it, or `type` says that.
    "`[source.iso]`", Iso {
        /// A file on this host, relative to the definition's folder.
        path: optional Text,
        /// Where to download it: `http`, `https` or `file`.
        url: optional Url,
        /// Where to download it, several mirrors: the first that answers is used.
        urls: optional List<Url>,
        /// Digest of the medium: `sha256:…` or `sha512:…`. A download needs it, or `checksums`.
        digest: optional Digest,
        /// Where a list of digests is that names the medium, such as `…/SHA256SUMS`.
        checksums: optional Url,
        /// Path of the kernel on the medium. Default: what `install` knows, or the medium's boot menu says.
        kernel: optional Text,
        /// Path of the initial RAM disk on the medium. Default: what `install` knows, or the medium's boot menu says.
        initrd: optional Text,
        /// Arguments of the kernel, after those of the medium's boot menu, or after those of `install`.
        arguments: optional List<Text>,
        /// Whether the arguments of the medium's boot menu are kept. Default: true; with `install`, false.
        menu_arguments: optional bool,
        /// The system on the medium, when goldsmith is to write the answers for its installer.
        install: optional Install,
        /// Answers of your own to what the installer would ask; with `install`, files beside it. In a vCenter they must end with powering
        /// off the machine, not with a restart: nothing else tells that the installer is done.
        answers: optional IsoAnswers,
        /// Keys to press instead of starting the kernel directly, in order.
        r#type: optional List<Typed>,
        /// From power-on until the installer restarts or powers off the machine. Default: `2h`.
        timeout: optional HumanDuration,
    }
}

table! {
    /// Answers to what the installer would ask.
    "`[source.iso.answers]`", IsoAnswers {
        /// Label of the second medium that carries them, a CD in a vCenter. Default: `CIDATA`.
        volume: optional Text,
        /// Put them into the root of the initial RAM disk instead. Default: false.
        initrd: optional bool,
        /// Serve them by HTTP while the installer runs, instead. `arguments` or `keys` say where: `url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg`.
        /// Default: false.
        serve: optional bool,
        /// The files.
        file: required List<IsoFile>,
    }
}

table! {
    /// One file of answers. Its text is one of `content` and `source`.
    "a `[[source.iso.answers.file]]`", IsoFile {
        /// Its name, without folders, such as `preseed.cfg`.
        name: required Text,
        /// Its text.
        content: optional Text,
        /// A file on this host with its text, relative to the definition's folder.
        source: optional Text,
    }
}

table! {
    /// Keys to press. Before that, one of `after`, `serial` and `screen` must have happened.
    "a `[[source.iso.type]]`", Typed {
        /// What this is, for people.
        name: optional Text,
        /// Wait so long.
        after: optional HumanDuration,
        /// Wait until the serial console has printed this text.
        serial: optional Text,
        /// Wait until the screen shows this text. Screens can be read in text mode, which is what BIOS and most of its boot loaders use.
        screen: optional Text,
        /// Wait for the text at most so long. Default: `2m`.
        timeout: optional HumanDuration,
        /// Keys, in the notation of Packer's `boot_command`: `<esc>auto url=…<enter><wait5>`.
        keys: required Text,
    }
}

/// The tables of this file, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Iso::HEADER, Iso::KEYS),
    (IsoAnswers::HEADER, IsoAnswers::KEYS),
    (IsoFile::HEADER, IsoFile::KEYS),
    (Typed::HEADER, Typed::KEYS),
];

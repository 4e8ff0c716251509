//! From a target and its variables to the text of a definition.
mod node;
mod output;
mod roles;
mod service;
mod source;

use super::{
    CompatError, Defined, EksAnywhere, Flavour, Group, SecretPlace, Target, Variables, defaults,
    settings::Settings,
    target::{System, Variant},
    toml::{Document, Item},
};
use std::{
    cell::RefCell,
    path::{Component, Path, PathBuf},
};

/// The definition that `target` with `variables` stands for. Relative paths of variables start in `folder`, which is absolute.
///
/// # Errors
/// What a variable says that cannot be, and what has no counterpart and would silently be another image.
pub fn define(
    target: &Target,
    variables: &Variables,
    flavour: &Flavour,
    folder: &Path,
) -> Result<Defined, CompatError> {
    let eks = match flavour {
        Flavour::Upstream => None,
        Flavour::EksAnywhere(eks) => Some(eks),
    };
    let settings = Settings::new(variables, defaults::of(target, eks.is_some()))?;
    let make = Make {
        target,
        settings: &settings,
        eks,
        folder,
        notes: RefCell::default(),
        secrets: RefCell::default(),
        roles: RefCell::default(),
    };
    let mut body = Document::default();
    make.source(&mut body)?;
    make.machine(&mut body)?;
    make.service(&mut body)?;
    make.node(&mut body)?;
    make.kubevirt_network(&mut body);
    make.outputs(&mut body)?;
    let mut head = Document::default();
    make.head(&mut head)?;
    let (more, unknown) = settings.left(target.name());
    let mut notes = make.notes.into_inner();
    notes.extend(more);
    let text = head.finish() + &body.finish();
    Ok(Defined { text, notes, unknown })
}

/// One definition while it is made.
#[derive(Debug)]
struct Make<'a> {
    target: &'a Target,
    settings: &'a Settings,
    eks: Option<&'a EksAnywhere>,
    folder: &'a Path,
    notes: RefCell<Vec<String>>,
    /// Names and places, in the order of their use.
    secrets: RefCell<Vec<(String, SecretPlace)>>,
    /// Folders with roles of the user's own.
    roles: RefCell<Vec<PathBuf>>,
}

impl Make<'_> {
    fn group(&self) -> Group {
        self.target.group()
    }

    fn note(&self, note: impl Into<String>) {
        self.notes.borrow_mut().push(note.into());
    }

    /// A path of a variable's, absolute and without `.` in it.
    fn path(&self, path: &str) -> PathBuf {
        let path = path.strip_prefix("file://").unwrap_or(path);
        self.folder.join(path).components().filter(|part| *part != Component::CurDir).collect()
    }

    /// The name under which a secret stands in the definition; `None` if the user said nothing about it.
    fn secret(&self, variable: &str) -> Option<String> {
        let place = self.settings.secret(variable)?;
        Some(self.add_secret(variable, place))
    }

    fn add_secret(&self, variable: &str, place: SecretPlace) -> String {
        let name = variable.replace('_', "-");
        let place = match place {
            SecretPlace::Json { file, key } => SecretPlace::Json { file: self.folder.join(file), key },
            SecretPlace::Env(_) => place,
        };
        let mut secrets = self.secrets.borrow_mut();
        if !secrets.iter().any(|(known, _)| *known == name) {
            secrets.push((name.clone(), place));
        }
        name
    }

    /// A variable whose text may be a secret, as a value.
    fn open_or_secret(&self, variable: &str) -> Result<Option<Item>, CompatError> {
        if let Some(name) = self.secret(variable) {
            return Ok(Some(Item::Reference(format!("${{secret.{name}}}"))));
        }
        Ok(self.settings.given(variable)?.map(Item::Text))
    }

    /// `ubuntu-2404-kube-v1.36.1`.
    fn name(&self) -> Result<String, CompatError> {
        let name = match self.eks {
            Some(eks) => eks.name.clone(),
            None => self.settings.needed("build_version")?,
        };
        let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        Ok(name.chars().map(|c| if right(c) { c } else { '-' }).collect())
    }

    /// What the image is for, as roles know it.
    fn provider(&self) -> Result<&'static str, CompatError> {
        let usual = match self.group() {
            Group::Qemu | Group::Kubevirt => "qemu",
            Group::Raw => "raw",
            Group::OvaLocal | Group::OvaVsphere | Group::OvaVsphereClone => "vmware",
            Group::Nutanix => "nutanix",
            Group::Ami => "aws",
        };
        // A variable of Ansible's, which is how images for CloudStack are made.
        match self.settings.given("provider")?.as_deref() {
            None => Ok(usual),
            Some("cloudstack") if matches!(self.group(), Group::Qemu) => Ok("cloudstack"),
            Some(other) => {
                Err(self.settings.wrong("provider", &format!("`{other}` is not for `{}`", self.target)))
            }
        }
    }

    /// Whether it boots by UEFI.
    fn is_efi(&self) -> Result<bool, CompatError> {
        let Some(firmware) = self.settings.text("firmware")? else { return Ok(false) };
        // Packer's plugin for QEMU takes a file with a firmware.
        let is_file = Path::new(&firmware).extension().is_some_and(|end| end.eq_ignore_ascii_case("fd"));
        match firmware.to_ascii_lowercase().as_str() {
            "bios" => Ok(false),
            "efi" | "efi-secure" | "uefi" => Ok(true),
            _ if is_file => Ok(true),
            _ => Err(self.settings.wrong("firmware", &format!("`{firmware}` is neither `bios` nor `efi`"))),
        }
    }

    fn head(&self, head: &mut Document) -> Result<(), CompatError> {
        head.comment(&format!("`{}` of image-builder, as goldsmith builds it.", self.target));
        head.key("name", self.name()?);
        head.key("arch", if self.target.is_arm() { "aarch64" } else { "x86_64" });
        head.key("provider", self.provider()?);
        let roles: Vec<String> =
            self.roles.borrow().iter().map(|folder| folder.display().to_string()).collect();
        head.maybe("roles", (!roles.is_empty()).then_some(roles));
        for (name, place) in self.secrets.borrow().iter() {
            head.table(&format!("secret.{name}"));
            match place {
                SecretPlace::Env(variable) => head.key("env", variable.as_str()),
                SecretPlace::Json { file, key } => head.key(
                    "json",
                    Item::Table(vec![
                        ("file".into(), file.display().to_string().into()),
                        ("key".into(), key.as_str().into()),
                    ]),
                ),
            }
        }
        Ok(())
    }

    fn machine(&self, body: &mut Document) -> Result<(), CompatError> {
        match self.group() {
            Group::OvaVsphere | Group::OvaVsphereClone => return self.vsphere_machine(body),
            Group::Ami => return self.instance(body),
            Group::Nutanix => return self.nutanix_machine(body),
            Group::Qemu | Group::Kubevirt | Group::Raw | Group::OvaLocal => {}
        }
        let settings = self.settings;
        body.table("machine");
        body.key("firmware", if self.is_efi()? { "efi" } else { "bios" });
        let cpus = if self.group().is_ova() { "cpu" } else { "cpus" };
        body.maybe("cpus", settings.number(cpus)?);
        body.maybe("memory", settings.number("memory")?.map(mebibytes));
        body.maybe("disk", settings.number("disk_size")?.map(mebibytes));
        match settings.text("accelerator")?.as_deref() {
            None | Some("kvm") => {}
            Some("tcg" | "none") => body.key("accelerator", "tcg"),
            Some(other) => {
                return Err(settings.wrong("accelerator", &format!("`{other}` is neither `kvm` nor `tcg`")));
            }
        }
        Ok(())
    }
}

/// A size as a definition has it: in the largest unit that it is whole in.
fn mebibytes(size: u64) -> String {
    if size > 0 && size.is_multiple_of(1024) { format!("{}GiB", size / 1024) } else { format!("{size}MiB") }
}

/// `sha256:` in front of a digest that has none.
fn digest(text: &str) -> String {
    if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") }
}

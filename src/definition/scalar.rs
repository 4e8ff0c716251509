//! The values that keys take: texts, numbers, sizes, choices, lists.
use super::{
    problem::Span,
    reader::{At, Raw, Reader, Sort, blame_variables},
    schema,
    scope::{Allowed, Expanded},
    suggest::{nearest, one_of},
};
use crate::{
    plan::{
        Accelerator, BootMode, Compression, Firmware, ImageFormat, OutputFormat, ParamKind, PartitionSize,
        Provider, SeedKind, ServiceState, SshWay, Via, VolumeKind,
    },
    value::{Arch, Digest, HumanDuration, Size},
};
use schemars::{Schema, SchemaGenerator, json_schema};
use std::collections::BTreeMap;
use toml::{Spanned, de::DeValue};
use url::Url;

/// A text without secrets.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) Expanded);

/// A text that may hold placeholders of secrets.
#[derive(Debug, Clone)]
pub(super) struct SecretText(pub(super) String);

/// A text without any references, because it is read before there are variables.
#[derive(Debug, Clone)]
pub(super) struct Literal(pub(super) String);

/// Any value at all.
#[derive(Debug, Clone)]
pub(super) struct Json(pub(super) serde_json::Value);

/// What a step is done for.
#[derive(Debug)]
pub(super) enum ForEachChoice {
    Expression(Text),
    List(List<Json>),
}

/// Where packages come from.
#[derive(Debug, Clone)]
pub(super) enum MirrorChoice {
    Host,
    Url(Url),
}

/// Permission bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode(pub(super) u32);

impl Raw for Text {
    const EXPECTED: &'static str = "a string";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Text;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text::<Self>(value, Allowed::Variables).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema::text()
    }
}

impl Raw for SecretText {
    const EXPECTED: &'static str = "a string";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Text;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text::<Self>(value, Allowed::Secrets).map(|expanded| Self(expanded.text))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema::text()
    }
}

impl Raw for Literal {
    const EXPECTED: &'static str = "a string";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Text;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text::<Self>(value, Allowed::Nothing).map(|expanded| Self(expanded.text))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema::text()
    }
}

impl Raw for Json {
    const EXPECTED: &'static str = "a value";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Form;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        json(value, reader).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

/// Any value, with the references of its texts replaced.
fn json(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<serde_json::Value> {
    Some(match value.get_ref() {
        DeValue::String(_) => reader.text::<Json>(value, Allowed::Secrets)?.text.into(),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
            let Some(number) = number else {
                let message = format!("`{}` is too large a number", reader.file.slice(&value.span()));
                reader.report(&value.span(), message);
                return None;
            };
            number.into()
        }
        DeValue::Float(float) => float.as_str().parse::<f64>().ok()?.into(),
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| json(item, reader)).collect();
            serde_json::Value::Array(items.into_iter().collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value, reader)?)))
                .collect();
            serde_json::Value::Object(entries.into_iter().collect::<Option<_>>()?)
        }
    })
}

impl Raw for ForEachChoice {
    const EXPECTED: &'static str = "a list, or an expression that gives one";
    const EXAMPLE: &'static str = "[\"…\"]";
    const SORT: Sort = Sort::Form;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(_) => Text::decode(value, reader).map(Self::Expression),
            DeValue::Array(_) => List::<Json>::decode(value, reader).map(Self::List),
            _ => {
                reader.mismatch::<Self>(value);
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (text, list) = (Text::schema(generator), List::<Json>::schema(generator));
        json_schema!({ "anyOf": [text, list] })
    }
}

/// Whether a bare value may also be written as a text, because variables are texts.
fn has_reference(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().as_str().is_some_and(|text| text.contains("${"))
}

impl Raw for u32 {
    const EXPECTED: &'static str = "a whole number";
    const EXAMPLE: &'static str = "2";
    const SORT: Sort = Sort::Number;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let range =
            |text: &str| format!("`{}` is not a whole number from 0 to {}", text.escape_debug(), u32::MAX);
        if has_reference(value) {
            return reader.parsed(value, |text| text.trim().parse().map_err(|_| range(text)));
        }
        let Some(integer) = value.get_ref().as_integer() else {
            reader.mismatch::<Self>(value);
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            let message = range(reader.file.slice(&value.span()));
            let label = format!("value of `{}`", reader.path());
            reader.report(&value.span(), message).label(label);
        }
        number
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema::or_reference(json_schema!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }))
    }
}

impl Raw for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    const EXAMPLE: &'static str = "true";
    const SORT: Sort = Sort::Boolean;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        if has_reference(value) {
            let error = |text: &str| format!("`{}` is neither `true` nor `false`", text.escape_debug());
            return reader.parsed(value, |text| text.trim().parse().map_err(|_| error(text)));
        }
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            reader.mismatch::<Self>(value);
        }
        boolean
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema::or_reference(json_schema!({ "type": "boolean" }))
    }
}

/// Texts that a parser understands.
macro_rules! parsed {
    ($($type:ty: $sort:ident $expected:literal, $example:literal, $parse:expr;)*) => { $(
        impl Raw for $type {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = $example;
            const SORT: Sort = Sort::$sort;

            fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
                reader.parsed(value, $parse)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                schema::text()
            }
        }
    )* };
}

parsed! {
    Size: Amount "a size", "\"2GiB\"", str::parse::<Size>;
    HumanDuration: Amount "a duration", "\"10m\"", str::parse::<HumanDuration>;
    Digest: Form "a digest", "\"sha256:…\"", parse_digest;
    Url: Form "a URL", "\"https://…\"", |text| parse_url(text, &["http", "https", "file"]);
    MirrorChoice: Form "`host` or the URL of a mirror", "\"host\"", parse_mirror;
    PartitionSize: Amount "a size or `rest`", "\"2GiB\"", parse_partition_size;
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    // A bare run of digits does not say which function made it.
    if text.contains(':') || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || text.is_empty() {
        return text.parse::<Digest>().map_err(|error| error.to_string());
    }
    Err(format!("`{text}` does not say which digest it is: write `sha256:` or `sha512:` before it"))
}

/// A URL with one of `schemes` and, unless it is a file, a host.
pub(super) fn parse_url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let shown = text.escape_debug();
    let url = Url::parse(text).map_err(|error| format!("`{shown}` is not a URL: {error}"))?;
    if schemes.contains(&url.scheme()) {
        return Ok(url);
    }
    let schemes: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    Err(format!(
        "`{shown}` cannot be used: a URL here starts with {}",
        one_of(schemes.iter().map(String::as_str))
    ))
}

fn parse_mirror(text: &str) -> Result<MirrorChoice, String> {
    match text {
        "host" => Ok(MirrorChoice::Host),
        _ if text.contains(':') => parse_url(text, &["http", "https", "file"]).map(MirrorChoice::Url),
        _ => Err(format!("`{}` is neither `host` nor the URL of a mirror", text.escape_debug())),
    }
}

fn parse_partition_size(text: &str) -> Result<PartitionSize, String> {
    if text == "rest" {
        return Ok(PartitionSize::Rest);
    }
    text.parse().map(PartitionSize::Fixed).map_err(|error: crate::value::SizeError| error.to_string())
}

impl Raw for Mode {
    const EXPECTED: &'static str = "permission bits as a string";
    const EXAMPLE: &'static str = "\"0644\"";
    const SORT: Sort = Sort::Form;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        if let Some(integer) = value.get_ref().as_integer() {
            // Both readings are shown, because either may be what was meant.
            let written = reader.file.slice(&value.span()).to_owned();
            let message =
                format!("`{}` takes permission bits as a string, but this is an integer", reader.path());
            let problem = reader.report(&value.span(), message);
            problem.label("an integer");
            let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
            match (integer.radix(), number) {
                (8, Some(bits)) => problem.help(format!("write `mode = \"{bits:04o}\"`")),
                (10, Some(bits)) => problem.help(format!(
                    "permission bits are octal: write `mode = \"{bits:0>4}\"`; the number {written} would be {bits:04o}"
                )),
                _ => problem.help("write `mode = \"0644\"`"),
            };
            return None;
        }
        reader.parsed(value, |text| {
            let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
            let bits = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
            let shown = text.escape_debug();
            bits.map(Self).ok_or_else(|| {
                format!("`{shown}` is not permission bits: write three or four octal digits, such as `0644`")
            })
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema::or_reference(json_schema!({ "type": "string", "pattern": "^[0-7]{3,4}$" }))
    }
}

/// A closed set of names.
pub(super) trait Choice: Copy + 'static {
    /// What a person would call it.
    const WHAT: &'static str;
    /// All values by name; the first name is the usual one.
    const NAMES: &'static [(&'static str, Self)];
}

/// A value out of a closed set.
#[derive(Debug, Clone, Copy)]
pub(super) struct One<T>(pub(super) T);

impl<T: Choice> Raw for One<T> {
    const EXPECTED: &'static str = T::WHAT;
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Form;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let names = || T::NAMES.iter().map(|(name, _)| *name);
        if value.get_ref().as_str().is_none() {
            reader.mismatch::<Self>(value);
            if let Some(problem) = reader.problems.last_mut() {
                problem.help(format!("it is {}", one_of(names())));
            }
            return None;
        }
        let expanded = reader.text::<Self>(value, Allowed::Variables)?;
        let found = T::NAMES.iter().find(|(name, _)| *name == expanded.text);
        if found.is_none() {
            let message = format!("`{}` is not {}", expanded.text.escape_debug(), T::WHAT);
            let label = format!("`{}` is {}", reader.path(), one_of(names()));
            let problem = reader.report(&value.span(), message);
            problem.label(label);
            if let Some(guess) = nearest(&expanded.text, names()) {
                problem.help(format!("did you mean `{guess}`?"));
            }
            blame_variables(problem, &expanded);
        }
        found.map(|(_, value)| Self(*value))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
        schema::or_reference(json_schema!({ "enum": names }))
    }
}

/// The hypervisors that this version drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    /// QEMU through libvirt.
    Libvirt,
    /// Amazon EC2.
    Ec2,
    /// A vCenter.
    Vsphere,
    /// A Prism Central.
    Nutanix,
    /// A cloud of CloudStack.
    Cloudstack,
}

impl Choice for Driver {
    const WHAT: &'static str = "a driver";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("libvirt", Self::Libvirt),
        ("ec2", Self::Ec2),
        ("vsphere", Self::Vsphere),
        ("nutanix", Self::Nutanix),
        ("cloudstack", Self::Cloudstack),
    ];
}

impl Choice for Arch {
    const WHAT: &'static str = "an architecture";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("x86_64", Self::X86_64),
        ("aarch64", Self::Aarch64),
        ("amd64", Self::X86_64),
        ("arm64", Self::Aarch64),
    ];
}

impl Choice for Firmware {
    const WHAT: &'static str = "a firmware";
    const NAMES: &'static [(&'static str, Self)] = &[("bios", Self::Bios), ("efi", Self::Efi)];
}

impl Choice for Provider {
    const WHAT: &'static str = "a provider";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("vmware", Self::Vmware),
        ("qemu", Self::Qemu),
        ("raw", Self::Raw),
        ("cloudstack", Self::Cloudstack),
        ("nutanix", Self::Nutanix),
        ("aws", Self::Aws),
        ("generic", Self::Generic),
        ("vsphere", Self::Vmware),
        ("baremetal", Self::Raw),
        ("ami", Self::Aws),
    ];
}

impl Choice for ParamKind {
    const WHAT: &'static str = "a kind of value";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("string", Self::String),
        ("bool", Self::Bool),
        ("int", Self::Int),
        ("list", Self::List),
        ("map", Self::Map),
        ("roles", Self::Roles),
    ];
}

impl Choice for Accelerator {
    const WHAT: &'static str = "an accelerator";
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("kvm", Self::Kvm), ("tcg", Self::Tcg)];
}

impl Choice for SeedKind {
    const WHAT: &'static str = "a kind of seed";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("nocloud", Self::NoCloud),
        ("credentials", Self::Credentials),
        ("login", Self::Login),
        ("user-data", Self::UserData),
        ("ignition", Self::Ignition),
    ];
}

impl Choice for ImageFormat {
    const WHAT: &'static str = "an image format";
    const NAMES: &'static [(&'static str, Self)] = &[("raw", Self::Raw), ("qcow2", Self::Qcow2)];
}

/// What an `[[output]]` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// A file.
    File(OutputFormat),
    /// An image in an Amazon account.
    Ami,
    /// What stays in a vCenter.
    Vsphere,
    /// What stays in a Prism Central.
    Nutanix,
    /// What stays in a cloud of CloudStack.
    Cloudstack,
    /// What Amazon has retired. It is read to say so.
    InstanceStore,
}

impl Choice for Delivery {
    const WHAT: &'static str = "an output format";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("raw", Self::File(OutputFormat::Raw)),
        ("raw.gz", Self::File(OutputFormat::RawGz)),
        ("raw.zst", Self::File(OutputFormat::RawZst)),
        ("raw.xz", Self::File(OutputFormat::RawXz)),
        ("raw.lz4", Self::File(OutputFormat::RawLz4)),
        ("qcow2", Self::File(OutputFormat::Qcow2)),
        ("vmdk", Self::File(OutputFormat::Vmdk)),
        ("ova", Self::File(OutputFormat::Ova)),
        ("vhd", Self::File(OutputFormat::Vhd)),
        ("ami", Self::Ami),
        ("vsphere", Self::Vsphere),
        ("nutanix", Self::Nutanix),
        ("cloudstack", Self::Cloudstack),
        ("instance-store", Self::InstanceStore),
    ];
}

impl Choice for BootMode {
    const WHAT: &'static str = "a boot mode";
    const NAMES: &'static [(&'static str, Self)] =
        &[("bios", Self::Bios), ("uefi", Self::Uefi), ("uefi-preferred", Self::UefiPreferred)];
}

impl Choice for SshWay {
    const WHAT: &'static str = "a way to SSH";
    const NAMES: &'static [(&'static str, Self)] =
        &[("public", Self::Public), ("private", Self::Private), ("session-manager", Self::SessionManager)];
}

impl Choice for VolumeKind {
    const WHAT: &'static str = "a type of volume";
    const NAMES: &'static [(&'static str, Self)] = &Self::ALL;
}

impl Choice for Compression {
    const WHAT: &'static str = "a compression of qcow2";
    const NAMES: &'static [(&'static str, Self)] = &[("zlib", Self::Zlib), ("zstd", Self::Zstd)];
}

impl Choice for Via {
    const WHAT: &'static str = "a way to download";
    const NAMES: &'static [(&'static str, Self)] = &[("host", Self::Host), ("guest", Self::Guest)];
}

impl Choice for ServiceState {
    const WHAT: &'static str = "a service state";
    const NAMES: &'static [(&'static str, Self)] =
        &[("started", Self::Started), ("stopped", Self::Stopped), ("restarted", Self::Restarted)];
}

/// A list of values.
pub(super) type List<T> = Vec<At<T>>;

impl<T: Raw> Raw for List<T> {
    const EXPECTED: &'static str = match T::SORT {
        Sort::Table => "a list of tables",
        _ => "a list",
    };
    const EXAMPLE: &'static str = match T::SORT {
        Sort::Text | Sort::Form | Sort::Amount => "[\"…\"]",
        Sort::Table => "[{ … }]",
        _ => "[…]",
    };
    const SORT: Sort = match T::SORT {
        Sort::Table => Sort::Tables,
        _ => Sort::List,
    };

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(array) = value.get_ref().as_array() else {
            reader.mismatch::<Self>(value);
            return None;
        };
        let items: Vec<Option<At<T>>> = array
            .iter()
            .map(|item| T::decode(item, reader).map(|value| At { value, span: item.span() }))
            .collect();
        items.into_iter().collect()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        schema::list(T::schema(generator))
    }
}

/// An entry of a [`Map`].
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) key: Span,
    pub(super) value: At<T>,
}

/// A table whose keys are the user's own names.
pub(super) type Map<T> = BTreeMap<String, Entry<T>>;

impl<T: Raw> Raw for Map<T> {
    const EXPECTED: &'static str = "a table";
    const EXAMPLE: &'static str = "{ NAME = … }";
    const SORT: Sort = Sort::Table;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            reader.mismatch::<Self>(value);
            return None;
        };
        let entries: Vec<Option<(String, Entry<T>)>> = table
            .iter()
            .map(|(key, value)| {
                let at = reader.enter::<T>(key.get_ref(), value).required()?;
                Some((key.get_ref().to_string(), Entry { key: key.span(), value: at }))
            })
            .collect();
        entries.into_iter().collect()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        schema::map(T::schema(generator))
    }
}

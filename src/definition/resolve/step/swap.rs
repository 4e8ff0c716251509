//! `swap`: none, or a file.
use crate::definition::{
    raw::Swap,
    reader::{At, Field, Reader},
    resolve::check,
};
use crate::plan::SwapStep;
use crate::value::Size;

pub(super) fn resolve(At { value: raw, span: place }: At<Swap>, reader: &mut Reader<'_>) -> Option<SwapStep> {
    if matches!(raw.off, Field::Bad) || matches!(raw.file, Field::Bad) {
        return None;
    }
    let given = [("off", raw.off.span()), ("file", raw.file.span())];
    if !check::exactly_one(&place, "`swap`", &given, reader) {
        return None;
    }
    if let Some(At { value: off, span }) = raw.off.maybe()? {
        if let Some(size) = raw.size.span() {
            reader.report(size, "swap that is `off` has no `size`");
            return None;
        }
        check::holds(&span, off, reader, || {
            "`off = false` says nothing: give a `file` and a `size`, or remove the step".to_owned()
        })?;
        return Some(SwapStep::Off {});
    }
    let file = check::file_path(raw.file, reader);
    let Some(size) = raw.size.maybe()? else {
        reader.report(&place, "a swap `file` needs a `size`").label("add `size = \"2GiB\"`");
        return None;
    };
    let right = |text: &str| text.parse::<Size>().is_ok_and(|size| size >= Size::mib(1));
    let size = check::text(size, reader, right, "is not the size of a swap file", "write at least `1MiB`");
    Some(SwapStep::File { file: file?, size: size? })
}

//! Tables with fixed keys. One declaration makes the struct, the decoder and the schema, so that they cannot drift.

/// Declares a table of a definition:
///
/// ```text
/// table! {
///     /// What it is for.
///     "`[machine]`", Machine {
///         /// What the key means. Becomes the schema's description and the help for a missing key.
///         connect_timeout: optional HumanDuration,
///     }
/// }
/// ```
///
/// The key of a field has `-` for `_`. Fields are decoded in the order of their declaration.
macro_rules! table {
    (
        $(#[doc = $doc:literal])*
        $header:literal, $name:ident {
            $( $(#[doc = $field_doc:literal])* $field:ident: $need:ident $type:ty, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        #[allow(clippy::struct_field_names, reason = "a key may be called like its table")]
        pub(in crate::definition) struct $name {
            $( $(#[doc = $field_doc])* pub(in crate::definition) $field: $crate::definition::reader::Field<$type>, )*
        }

        impl $crate::definition::reader::Table for $name {
            const HEADER: &'static str = $header;
            const KEYS: &'static [$crate::definition::reader::Key] = &[ $(
                $crate::definition::reader::Key {
                    field: stringify!($field),
                    required: table!(@ $need),
                    doc: concat!($($field_doc),*),
                },
            )* ];
        }

        impl $crate::definition::reader::Raw for $name {
            const EXPECTED: &'static str = "a table";
            const EXAMPLE: &'static str = "{ … }";
            const SORT: $crate::definition::reader::Sort = $crate::definition::reader::Sort::Table;

            fn decode(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                reader: &mut $crate::definition::reader::Reader<'_>,
            ) -> Option<Self> {
                use $crate::definition::reader::Table as _;
                let table = reader.table::<Self>(value)?;
                let span = value.span();
                let mut keys = Self::KEYS.iter();
                Some(Self {
                    $( $field: {
                        // There is one key for each field, in this order.
                        let key = keys.next()?;
                        reader.field::<_, Self>(table, &span, key)
                    }, )*
                })
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use $crate::definition::reader::{Raw, Table};
                let properties = [ $( <$type as Raw>::schema(generator) ),* ];
                $crate::definition::schema::object(concat!($($doc),*), Self::KEYS, properties)
            }
        }
    };
    (@ required) => { true };
    (@ optional) => { false };
}
pub(super) use table;

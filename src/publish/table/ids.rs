//! `ami_ids.json` of ComboAMI, as Python's `json.dumps(…, sort_keys=True, indent=4)` writes it.
use super::Row;
use std::{collections::BTreeMap, fmt::Write as _};

/// AMIs by region; in each region in the order of the rows.
pub fn ami_ids(rows: &[Row]) -> String {
    let mut regions: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        regions.entry(&row.region).or_default().push(row);
    }
    let mut text = String::from("{");
    for (number, (region, rows)) in regions.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n    {}: [", quoted(region));
        for (number, row) in rows.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            // The keys in the order that sorting gives them: capitals come first.
            let _ = write!(
                text,
                "{comma}\n        {{\n            \"Distributor ID\": {},\n            \"Release\": {},\n            \"id\": {},\n            \
                 \"virtualization type\": {}\n        }}",
                quoted(&row.distribution),
                quoted(&row.version),
                quoted(&row.ami),
                quoted(&row.virtualization),
            );
        }
        text.push_str("\n    ]");
    }
    text.push_str(if regions.is_empty() { "}\n" } else { "\n}\n" });
    text
}

/// A string in JSON with nothing but ASCII, which is Python's default.
fn quoted(text: &str) -> String {
    let mut made = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => made.push_str("\\\""),
            '\\' => made.push_str("\\\\"),
            '\n' => made.push_str("\\n"),
            '\r' => made.push_str("\\r"),
            '\t' => made.push_str("\\t"),
            '\u{8}' => made.push_str("\\b"),
            '\u{c}' => made.push_str("\\f"),
            ' '..='~' => made.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(made, "\\u{unit:04x}");
                }
            }
        }
    }
    made.push('"');
    made
}

//! CSV and Markdown, byte for byte as AlmaLinux's `aws_ami_mirror.py` writes them: its wiki merges and shows such files.
use super::Row;
use std::fmt::Write as _;

fn cells(row: &Row) -> [&str; 5] {
    [&row.distribution, &row.version, &row.region, &row.ami, &row.arch]
}

/// Python's dialect `unix`: every field quoted, quotes doubled, lines end with a line feed; no heading.
pub fn csv(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let quoted = cells(row).map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        text.push_str(&quoted.join(","));
        text.push('\n');
    }
    text
}

/// As `markdown_table` 2020.12.3: no pipes at the ends, a blank before the pipes of data rows only.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("Distribution|Version|Region|AMI ID|Arch\n-|-|-|-|-\n");
    for row in rows {
        let _ = writeln!(text, "{}", cells(row).join(" |"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, *};

    #[test]
    fn the_bytes_are_almalinuxs() {
        let rows = [
            row("af-south-1", "ami-0aaaaaaaaaaaaaaaa", "x86_64"),
            row("us-east-1", "ami-0bbbbbbbbbbbbbbbb", "x86_64"),
        ];
        assert_eq!(
            csv(&rows),
            "\"AlmaLinux OS\",\"9.6.20250522\",\"af-south-1\",\"ami-0aaaaaaaaaaaaaaaa\",\"x86_64\"\n\
             \"AlmaLinux OS\",\"9.6.20250522\",\"us-east-1\",\"ami-0bbbbbbbbbbbbbbbb\",\"x86_64\"\n"
        );
        assert_eq!(
            markdown(&rows),
            "Distribution|Version|Region|AMI ID|Arch\n-|-|-|-|-\n\
             AlmaLinux OS |9.6.20250522 |af-south-1 |ami-0aaaaaaaaaaaaaaaa |x86_64\n\
             AlmaLinux OS |9.6.20250522 |us-east-1 |ami-0bbbbbbbbbbbbbbbb |x86_64\n"
        );
    }
}

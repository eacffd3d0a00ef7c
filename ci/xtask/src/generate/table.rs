//! A Markdown table.

/// Renders rows under a head. Cells are plain text; what Markdown would eat is escaped.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut text = line(&head.map(str::to_owned));
    text.push_str(&line(&head.map(|_| "---".to_owned())));
    for row in rows {
        text.push_str(&line(&row.map(|cell| escape(&cell))));
    }
    text
}

/// A name as code.
pub(crate) fn code(name: &str) -> String {
    format!("`{name}`")
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn escape(cell: &str) -> String {
    cell.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_break_the_table() {
        let text = table(["a", "b"], [["x | y".to_owned(), "two\nlines".to_owned()]]);
        assert_eq!(text, "| a | b |\n| --- | --- |\n| x \\| y | two lines |\n");
    }
}

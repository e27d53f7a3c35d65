//! Markdown tables.

/// Prints a table; all columns but the first are numbers.
pub(crate) fn print(title: &str, header: &[&str], rows: &[Vec<String>]) {
    println!("\n**{title}**\n");
    println!("| {} |", header.join(" | "));
    println!("|---|{}", "---:|".repeat(header.len().saturating_sub(1)));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

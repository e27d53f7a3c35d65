//! How large the binaries are.

use std::fs;

use anyhow::{Context, Result};

use super::crates::{COMPARED, Crates};
use super::table;
use crate::command::run;

/// Builds and compares the binaries, in which all functions are used.
pub(crate) fn measure(crates: &Crates, jobs: u32) -> Result<()> {
    for (profile, option) in [("debug", ""), ("release", "--release")] {
        let title = format!("size of the {profile} binary");
        eprintln!("\n==> {title}");
        // Built without others, so that no feature of theirs comes in.
        for variant in COMPARED {
            let name = variant.name;
            run(&mut crates.cargo(&format!("build {option} -p {name} --features {name}/table")))?;
        }
        let sizes = COMPARED.iter().map(|variant| {
            let path = crates.binary(profile, variant.name);
            let file = fs::metadata(&path);
            let file = file.with_context(|| format!("failed to read `{}`", path.display()))?;
            Ok((variant.name, file.len()))
        });
        print(&title, &sizes.collect::<Result<Vec<_>>>()?, jobs);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes are shown with few digits")]
fn print(title: &str, sizes: &[(&str, u64)], jobs: u32) {
    let size_of = |name: &str| {
        let row = sizes.iter().find(|row| row.0 == name);
        row.map_or(0.0, |row| row.1 as f64)
    };
    let rows = sizes.iter().map(|(name, _)| {
        let (size, plain) = (size_of(name), size_of("plain"));
        vec![
            (*name).to_owned(),
            format!("{:.0}", size / 1024.0),
            format!("{:.2}", size / plain),
            format!("{:.2}", size / size_of("instrument")),
            format!("{:.2}", (size - plain) / 1024.0 / f64::from(jobs)),
        ]
    });
    let header = ["crate", "KiB", "/ plain", "/ instrument", "KiB per function over plain"];
    table::print(title, &header, &rows.collect::<Vec<_>>());
}

// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Text of a bug report that can be mailed: mechanism, versions, console, decoded trace, and the command to run.
//!
//! Prose and the decoded trace have 72 columns. Lines of the console stay as the kernel printed them, so that they can
//! be searched for. Nothing of the machine that made it is in it.

mod decode;
mod excerpt;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use vfio_server::trace::Line;

use crate::recipe::Recipe;
use crate::report::mail::wrap;
use crate::report::verdict::Verdict;

/// Contents of a report beside the verdict.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// File name of the recipe's text in the bundle.
    pub recipe_file: &'a str,
    /// SHA-256 of that text, of the kernel's Image and of QEMU's program, in hexadecimal.
    pub recipe_sha256: &'a str,
    /// See `recipe_sha256`.
    pub kernel_sha256: &'a str,
    /// See `recipe_sha256`.
    pub qemu_sha256: &'a str,
    /// Kernel's command line.
    pub cmdline: &'a str,
    /// Arguments of `boot-stress reproduce` beside the recipe.
    pub arguments: &'a [String],
    /// Verdict of the run.
    pub verdict: &'a Verdict,
    /// Console of its last boot.
    pub console: &'a str,
    /// Trace of that boot.
    pub trace: &'a [Line],
}

impl Bundle<'_> {
    /// The report.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let verdict = self.verdict;
        let rate = &verdict.rate;
        let paragraph = |text: &mut String, words: &str| text.push_str(&wrap(words, "", ""));
        text.push_str(&wrap(
            &format!("Subject: [BUG] {}", verdict.recipe.summary),
            "",
            "  ",
        ));
        text.push('\n');
        for words in self.recipe.why.split("\n\n") {
            paragraph(&mut text, words);
            text.push('\n');
        }
        paragraph(
            &mut text,
            "Seen with an unmodified kernel on QEMU, behind an emulated Arm SMMUv2 whose timing can be set (smmu-emu):",
        );
        text.push('\n');
        let mut row = |name: &str, words: &str| {
            text.push_str(&wrap(words, &format!("  {name:<9}"), "           "));
        };
        row(
            "kernel",
            &format!("{} ({})", verdict.kernel.version, verdict.kernel.source),
        );
        row(
            "QEMU",
            &format!("{} ({})", verdict.qemu.version, verdict.qemu.source),
        );
        row(
            "smmu-emu",
            &format!("{}, recipe {}", env!("CARGO_PKG_VERSION"), self.recipe_file),
        );
        let smmus: Vec<String> = self
            .recipe
            .board
            .smmus
            .iter()
            .map(|smmu| format!("{} ({})", smmu.name, smmu.compatible))
            .collect();
        row(
            "machine",
            &format!(
                "virt, {} CPUs, {} MiB; SMMUs: {}",
                verdict.cpus,
                self.recipe.board.memory_mib,
                smmus.join(", ")
            ),
        );
        row("cmdline", self.cmdline);
        row(
            "rate",
            &format!(
                "{} of {} boots, 95 % interval {:.1} % to {:.1} %",
                rate.as_expected,
                rate.boots,
                rate.low * 100.0,
                rate.high * 100.0
            ),
        );
        text.push_str("\nSHA-256 of the kernel's Image, of QEMU and of the recipe:\n\n");
        for hash in [self.kernel_sha256, self.qemu_sha256, self.recipe_sha256] {
            let _ = writeln!(text, "  {hash}");
        }
        text.push_str("\nWhat was expected, and seen:\n\n");
        for part in &verdict.expectations {
            let note = part
                .note
                .as_ref()
                .map(|note| format!(" ({note})"))
                .unwrap_or_default();
            text.push_str(&wrap(
                &format!(
                    "{}{note}: in {} boots, {} times in all",
                    part.text, part.met, part.count
                ),
                "- ",
                "  ",
            ));
        }
        let last = verdict.boots();
        let results: Vec<_> = verdict
            .step_results
            .iter()
            .filter(|one| one.boot == last)
            .collect();
        if !results.is_empty() {
            text.push_str("\nWhat the steps found:\n\n");
            for one in results {
                text.push_str(&wrap(
                    &format!("{} = {}", one.result.name, one.result.text),
                    "- ",
                    "  ",
                ));
            }
        }
        text.push_str("\nThe console:\n\n");
        text.push_str(&excerpt::excerpt(self.console, verdict));
        let decoded = decode::decode(self.trace);
        if !decoded.is_empty() {
            text.push('\n');
            paragraph(
                &mut text,
                "What the SMMUs saw, in seconds since the start of the emulation; \"...\" stands for lines \
                 like the one before:",
            );
            text.push('\n');
            text.push_str(&decoded);
        }
        text.push('\n');
        paragraph(
            &mut text,
            "To reproduce, without root and without hardware, with the attached recipe:",
        );
        let _ = writeln!(text, "\n  boot-stress reproduce --recipe {} \\", self.recipe_file);
        let _ = writeln!(text, "    {}", self.arguments.join(" "));
        text
    }
}

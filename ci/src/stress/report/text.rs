// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A report for people.

use std::collections::BTreeMap;
use std::fmt;

use super::{CellReport, Comparison, Interval, PairsReport, Report, Word};
use crate::stats::sprt;
use crate::stress::class::Class;
use crate::stress::record::Skipped;
use crate::stress::stop::Reason;

/// Titles, and cells with a reason, that are listed.
const SHOWN: usize = 40;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let boots: u32 = self.cells.iter().map(CellReport::counted).sum();
        let shards = self.shards.first().map_or(1, |shard| shard.count);
        write!(
            f,
            "{}: {} cells, {boots} boots, seed {}",
            self.name,
            self.cells.len(),
            self.seed
        )?;
        match (self.shards.as_slice(), shards) {
            (_, 0 | 1) => writeln!(f)?,
            ([one], _) => writeln!(f, ", shard {one}")?,
            (several, count) => writeln!(f, ", {} of {count} shards", several.len())?,
        }
        if !self.complete {
            writeln!(
                f,
                "NOT COMPLETE: not all boots were made; --resume makes the others."
            )?;
        }
        self.changes(f)?;
        self.table(f)?;
        self.methods(f)?;
        self.comparisons(f)?;
        if let Some(pairs) = self.pairs_line() {
            writeln!(f, "\n{pairs}")?;
        }
        self.other_titles(f)?;
        self.reasons(f)?;
        if !self.skipped.is_empty() {
            writeln!(f, "\nLeft out, for their kernel cannot run their recipe:")?;
        }
        for Skipped { key, reason } in &self.skipped {
            writeln!(f, "  {key}: {reason}")?;
        }
        if self.damaged_lines > 0 {
            writeln!(f, "\n{} lines of the results cannot be read.", self.damaged_lines)?;
        }
        Ok(())
    }
}

/// A share in per cent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// Interval of a cell's rate in per cent.
pub(super) fn interval(cell: &CellReport) -> String {
    format!(
        "{} to {}",
        percent(cell.interval.low),
        percent(cell.interval.high)
    )
}

/// A p-value with as many digits as are of use.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 {
        format!("{p:.1e}")
    } else {
        format!("{p:.3}")
    }
}

impl Report {
    fn changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(changes) = &self.changes else {
            return Ok(());
        };
        writeln!(f, "\n{}", changes.summary())?;
        for line in changes.lines().take(SHOWN) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.cells.iter().map(|cell| cell.part.key.chars().count()).max();
        let width = width.unwrap_or(0).clamp(4, 60);
        writeln!(
            f,
            "\n{:<width$}  {:>11}  {:>5}  {:>15}  {:>5}  {:>5}  {:>5}  {:>6}  answer",
            "cell", "hits", "%", "95 % interval", "other", "incon", "infra", "s/boot"
        )?;
        for cell in &self.cells {
            let boots = cell.count().boots;
            let interval = interval(cell);
            let mean = cell.mean_s.map_or("-".to_owned(), |mean| format!("{mean:.1}"));
            writeln!(
                f,
                "{:<width$}  {:>11}  {:>5}  {interval:>15}  {:>5}  {:>5}  {:>5}  {mean:>6}  {}{}",
                cell.part.key,
                format!("{}/{boots}", cell.hits),
                cell.share.map_or("-".to_owned(), percent),
                cell.other_bug,
                cell.inconclusive,
                cell.infra,
                cell.word.words(),
                self.note(cell)
            )?;
        }
        Ok(())
    }

    /// Why a cell has fewer boots than were asked for.
    fn note(&self, cell: &CellReport) -> String {
        let ended = cell.ended.iter().map(|reason| match reason {
            Reason::FirstHit => "first hit".to_owned(),
            Reason::SprtLow => format!("{}: rather p0", sprt::NAME),
            Reason::SprtHigh => format!("{}: rather p1", sprt::NAME),
            Reason::Differ => "a difference".to_owned(),
            Reason::NotBooted => "the guest does not boot".to_owned(),
        });
        let mut notes: Vec<String> = ended.collect();
        notes.sort();
        notes.dedup();
        if !cell.complete {
            notes.push(format!("{} of {} boots", cell.counted(), self.boots));
        }
        if cell.surplus > 0 {
            notes.push(format!("{} boots beyond the end not counted", cell.surplus));
        }
        if notes.is_empty() {
            String::new()
        } else {
            format!(" ({})", notes.join("; "))
        }
    }

    fn methods(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut methods: Vec<&str> = self.cells.iter().map(|cell| cell.interval.method).collect();
        methods.sort_unstable();
        methods.dedup();
        let mut starts: Vec<String> = self
            .cells
            .iter()
            .map(|cell| cell.part.start.to_string())
            .collect();
        starts.sort_unstable();
        starts.dedup();
        writeln!(
            f,
            "\nIntervals: {}. Start: {}.",
            methods.join(", "),
            starts.join(", ")
        )?;
        if let Some(test) = self.stop.sprt {
            writeln!(
                f,
                "{}: p0 {} against p1 {}, errors {} (p0 taken for p1) and {} (p1 for p0).",
                sprt::NAME,
                test.p0,
                test.p1,
                test.alpha,
                test.beta
            )?;
        }
        let mut counted: BTreeMap<&str, &str> = BTreeMap::new();
        for cell in &self.cells {
            counted.insert(&cell.part.recipe, &cell.part.counted);
        }
        writeln!(f, "Hits are boots that are:")?;
        for (recipe, what) in counted {
            writeln!(f, "  {recipe}: {what}")?;
        }
        Ok(())
    }

    fn comparisons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.comparisons.first() else {
            return Ok(());
        };
        writeln!(
            f,
            "\nKernels compared ({}, two-sided; p corrected for {} comparisons by {}):",
            first.test,
            self.comparisons.len(),
            first.correction
        )?;
        for Comparison {
            reference,
            cell,
            p,
            p_corrected,
            ..
        } in &self.comparisons
        {
            let word = if *p_corrected < super::ALPHA {
                "DIFFER"
            } else {
                "no difference shown"
            };
            let (p, corrected) = (p_value(*p), p_value(*p_corrected));
            writeln!(
                f,
                "  {reference} and {cell}: p {p}, corrected {corrected}: {word}"
            )?;
        }
        Ok(())
    }

    /// Result of the pairs of two cells, for one line.
    pub fn pairs_line(&self) -> Option<String> {
        let PairsReport {
            conclusive,
            first_only,
            second_only,
            p,
            alpha,
            test,
            differ,
        } = self.pairs.as_ref()?;
        let [first, second] = self.cells.as_slice() else {
            return None;
        };
        let rate = |cell: &CellReport| {
            let Interval { low, high, .. } = &cell.interval;
            format!(
                "{} {}/{} ({} to {} %)",
                cell.part.key,
                cell.hits,
                cell.count().boots,
                percent(*low),
                percent(*high)
            )
        };
        Some(format!(
            "{} and {}: {} (p {}, level {alpha}; of {conclusive} pairs {first_only} have a hit of the first alone, \
             {second_only} of the second; {test})",
            rate(first),
            rate(second),
            if *differ { "DIFFER" } else { "no difference shown" },
            p_value(*p),
        ))
    }

    /// Bugs that no recipe looks for, over all cells.
    fn other_titles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bugs = self.other_bugs();
        if bugs.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nOther bugs, by title:")?;
        for bug in bugs.iter().take(SHOWN) {
            let (words, title) = (bug.kind.words(), bug.title);
            write!(f, "  {} boots: {words} {title}", bug.boots)?;
            if let Some((cell, boot)) = bug.cells.first() {
                write!(f, "; first {} boot {boot}", cell.part.key)?;
            }
            match bug.cells.len().saturating_sub(1) {
                0 => writeln!(f)?,
                more => writeln!(f, ", and {more} more cells")?,
            }
        }
        if bugs.len() > SHOWN {
            writeln!(f, "  and {} more, see --format json", bugs.len() - SHOWN)?;
        }
        Ok(())
    }

    /// Why boots say nothing, and where boots that say something can be looked at.
    fn reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = 0;
        for cell in &self.cells {
            for class in [Class::OtherBug, Class::Inconclusive, Class::Infra] {
                let Some((boot, reason)) = cell.reasons.get(&class) else {
                    continue;
                };
                told += 1;
                if told <= SHOWN {
                    writeln!(f, "\n{} boot {boot}, {class}: {reason}", cell.part.key)?;
                }
            }
        }
        if told > SHOWN {
            writeln!(f, "\nAnd {} more such boots, see --format json.", told - SHOWN)?;
        }
        let mut dirs = self.cells.iter().filter_map(|cell| cell.dirs.first()).peekable();
        if dirs.peek().is_some() {
            writeln!(f, "\nFirst of each cell, with repro.sh:")?;
        }
        for dir in dirs.take(SHOWN) {
            writeln!(f, "  {dir}")?;
        }
        Ok(())
    }
}

/// Counts of the answers, for one line.
pub fn answers(report: &Report) -> String {
    let of = |word: Word| report.cells.iter().filter(|cell| cell.word == word).count();
    format!(
        "{} cells as expected, {} not, {} inconclusive, {} infra",
        of(Word::AsExpected),
        of(Word::NotAsExpected),
        of(Word::Inconclusive),
        of(Word::Infra)
    )
}

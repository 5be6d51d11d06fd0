// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A verdict for people.

use std::fmt;

use super::{
    BootConsole, ExpectationPart, FindingPart, Hit, Reason, Said, StepResult, TimelinePart, TracePart,
    Verdict, Word,
};
use crate::boot::accel::SERIAL;
use crate::boot::outcome::Console;
use crate::recipe::ExpectBoots;
use crate::stats::rate::Rate;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate {
            as_expected, boots, ..
        } = self.rate;
        let expected: Vec<&str> = self.expectations.iter().map(|one| one.text.as_str()).collect();
        let expected = expected.join("; ");
        match self.verdict {
            Word::AsExpected => {
                writeln!(f, "AS EXPECTED in {as_expected} of {boots} boots: {expected}.")?;
            }
            Word::NotAsExpected => {
                writeln!(
                    f,
                    "NOT AS EXPECTED in {} of {boots} boots: {expected}.",
                    boots - as_expected
                )?;
            }
            Word::Inconclusive => writeln!(
                f,
                "INCONCLUSIVE: {} of {} boots say nothing on what was expected: {expected}.",
                self.inconclusive.len(),
                self.boots()
            )?,
        }
        self.something_else(f)?;
        writeln!(f)?;
        writeln!(f, "  kernel   {} ({})", self.kernel.version, self.kernel.source)?;
        writeln!(f, "  QEMU     {} ({})", self.qemu.version, self.qemu.source)?;
        for line in &self.instead_of_locked {
            writeln!(f, "  package  {line} of the lock file")?;
        }
        writeln!(f, "  recipe   {}: {}", self.recipe.name, self.recipe.summary)?;
        let gic = u8::from(self.gic);
        writeln!(
            f,
            "  guest    -smp {}, GICv{gic}, {}, seed {}",
            self.cpus, self.accelerator, self.seed
        )?;
        if self.accelerator.is_deterministic() {
            writeln!(f, "  clock    instructions: {SERIAL}")?;
            for BootConsole { boot, console } in self.consoles.iter().take(SHOWN) {
                let Console { sha256, lines } = console;
                writeln!(f, "  console  of boot {boot}: {lines} lines, SHA-256 {sha256}")?;
            }
        }
        if self.made_twice > 0 {
            let boots = self.made_twice;
            writeln!(
                f,
                "  check    {boots} boots made twice: equal consoles and traces"
            )?;
        }
        if let Some(snapshot) = &self.snapshot {
            writeln!(f, "  start    {}, from snapshot {snapshot}", self.start)?;
        }
        if boots > 0 {
            writeln!(
                f,
                "  rate     {as_expected}/{boots} as expected, 95 % interval {:.1} % to {:.1} % (Clopper-Pearson)",
                self.rate.low * 100.0,
                self.rate.high * 100.0
            )?;
        }
        let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
        write!(f, "  time     {} in all", seconds(self.elapsed_ms))?;
        match self.first_as_expected_ms {
            Some(ms) if self.recipe.expect_boots == ExpectBoots::Some => {
                writeln!(f, ", first as expected after {}", seconds(ms))?;
            }
            _ => writeln!(f)?,
        }
        self.expected_of_a_boot(f)?;
        self.found_on_consoles(f)?;
        self.groups(f)?;
        self.results_of_steps(f)?;
        self.said_by_server(f)?;
        for Reason { boot, reason, .. } in self.not_as_expected.iter().take(SHOWN) {
            writeln!(f, "\nBoot {boot} was not as expected: {reason}")?;
        }
        for spoiled in self.inconclusive.iter().take(SHOWN) {
            writeln!(f, "\nBoot {} says nothing: {}", spoiled.boot, spoiled.reason)?;
            let from = spoiled.tail.len().saturating_sub(6);
            for line in spoiled.tail.get(from..).unwrap_or_default() {
                writeln!(f, "  | {line}")?;
            }
        }
        let told = |all: &[Reason]| all.len() <= SHOWN;
        if !(told(&self.not_as_expected) && told(&self.inconclusive)) {
            writeln!(f, "\nMore such boots are in results.ndjson.")?;
        }
        if let Some(reason) = &self.ended_early {
            writeln!(
                f,
                "\nEnded after {} of {} boots: {reason}",
                self.boots(),
                self.boots_wanted
            )?;
        }
        writeln!(f, "\nResults  {}", self.results.display())?;
        for file in &self.files {
            writeln!(f, "Console  {}", file.display())?;
        }
        if let Some(TracePart { path, incomplete }) = &self.trace {
            match incomplete {
                None => writeln!(f, "Trace    {}", path.display())?,
                Some(reason) => writeln!(f, "Trace    {} is incomplete: {reason}", path.display())?,
            }
        }
        if let Some(TimelinePart { path, made }) = &self.timeline {
            write!(f, "Timeline {}", path.display())?;
            if let Some(ns) = made.within_ns {
                write!(
                    f,
                    " ({} events of the guest, its clock within {} us)",
                    made.guest_events,
                    ns.div_ceil(1000)
                )?;
            }
            writeln!(f)?;
            for missing in &made.missing {
                writeln!(f, "         {missing}")?;
            }
        }
        Ok(())
    }
}

impl Verdict {
    /// Kernel trouble that the recipe does not expect, beside the headline.
    fn something_else(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut else_: Vec<(String, u32)> = Vec::new();
        for FindingPart {
            expected,
            boots,
            finding,
            ..
        } in &self.findings
        {
            if *expected || !finding.kind.is_trouble() {
                continue;
            }
            let name = named(finding.kind.words(), &finding.title);
            match else_.iter_mut().find(|(known, _)| *known == name) {
                Some((_, most)) => *most = (*most).max(*boots),
                None => else_.push((name, *boots)),
            }
        }
        for (name, boots) in else_.iter().take(SHOWN) {
            writeln!(f, "SOMETHING ELSE in {boots} of {} boots: {name}.", self.boots())?;
        }
        if else_.len() > SHOWN {
            writeln!(f, "SOMETHING ELSE: {} more, see below.", else_.len() - SHOWN)?;
        }
        Ok(())
    }

    /// Each expectation, if there are several or lines to show.
    fn expected_of_a_boot(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.expectations.len() == 1 && self.expectations.iter().all(|one| one.lines.is_empty()) {
            return Ok(());
        }
        writeln!(f, "\nExpected of a boot:")?;
        for ExpectationPart {
            text,
            note,
            met,
            broken,
            lines,
            ..
        } in &self.expectations
        {
            write!(f, "  {text}: met by {met}")?;
            if *broken > 0 {
                write!(f, ", not by {broken}")?;
            }
            match note {
                Some(note) => writeln!(f, " ({note})")?,
                None => writeln!(f)?,
            }
            for line in lines {
                writeln!(f, "    | {line}")?;
            }
        }
        Ok(())
    }

    /// Findings by title, those of a late probe excepted: they follow with their traces.
    fn found_on_consoles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nFound on the consoles:")?;
        for FindingPart {
            expected,
            boots,
            first_boot,
            finding,
        } in self.findings.iter().take(FINDINGS_SHOWN)
        {
            let name = named(finding.kind.words(), &finding.title);
            let of = finding
                .device
                .as_ref()
                .map(|device| format!(" of {device}"))
                .unwrap_or_default();
            let as_expected = if *expected { ", as expected" } else { "" };
            writeln!(
                f,
                "  {:>3} x in {boots} boots{as_expected}: {name}{of}",
                finding.count
            )?;
            let time = finding
                .time
                .as_ref()
                .map(|time| format!("[{time}] "))
                .unwrap_or_default();
            if !finding.text.is_empty() {
                writeln!(f, "      boot {first_boot}: {time}{}", finding.text)?;
            }
            for frame in finding.trace.iter().take(FRAMES_SHOWN) {
                writeln!(f, "        {}", frame.as_str())?;
            }
        }
        if self.findings.len() > FINDINGS_SHOWN {
            writeln!(
                f,
                "  and {} more, see --json",
                self.findings.len() - FINDINGS_SHOWN
            )?;
        }
        Ok(())
    }

    /// Results of steps; equal ones of several boots are told once.
    fn results_of_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told: Vec<(String, u32)> = Vec::new();
        for StepResult { result, .. } in &self.step_results {
            let text = format!("{}: {}", result.name, result.text);
            if let Some((_, count)) = told.iter_mut().find(|(known, _)| *known == text) {
                *count += 1;
            } else if told.len() < RESULTS_SHOWN {
                told.push((text, 1));
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nResults of the steps:")?;
        for (text, count) in told {
            match count {
                1 => writeln!(f, "  {text}")?,
                _ => writeln!(f, "  {text} ({count} times)")?,
            }
        }
        Ok(())
    }

    /// Warnings and errors of the server, on the guest's clock.
    fn said_by_server(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = &self.server_messages;
        if said.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nSaid by vfio-server:")?;
        for Said { boot, message } in said.iter().take(SHOWN) {
            let time = message.time.as_ref().map(|time| format!("[{time}] "));
            writeln!(f, "  boot {boot}: {}{}", time.unwrap_or_default(), message.text)?;
        }
        if said.len() > SHOWN {
            writeln!(f, "  and {} more, see --json", said.len() - SHOWN)?;
        }
        Ok(())
    }

    /// Hits with the same call trace are told together, with the trace once.
    fn groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<Vec<&Hit>> = Vec::new();
        for hit in &self.hits {
            match groups
                .iter_mut()
                .find(|group| group.first().is_some_and(|first| alike(first, hit)))
            {
                Some(group) => group.push(hit),
                None => groups.push(vec![hit]),
            }
        }
        for group in groups {
            let Some(Hit { late: first, .. }) = group.first() else {
                continue;
            };
            writeln!(f, "\n{}:", first.kind.place())?;
            for Hit { boot, late } in group.iter().take(SHOWN) {
                let time = late
                    .time
                    .as_ref()
                    .map(|time| format!("[{time}] "))
                    .unwrap_or_default();
                let (driver, device) = (&late.driver, &late.device);
                writeln!(
                    f,
                    "  boot {boot}: {time}{driver} {device}: late IOMMU probe at driver bind, something fishy here!"
                )?;
                if let Some(noticed_by) = late.noticed_by() {
                    writeln!(f, "    at {noticed_by}")?;
                }
            }
            if group.len() > SHOWN {
                writeln!(
                    f,
                    "  and {} more like these, see results.ndjson",
                    group.len() - SHOWN
                )?;
            }
            if !first.trace.is_empty() {
                writeln!(f, "  Call trace:")?;
            }
            for frame in &first.trace {
                writeln!(f, "    {}", frame.as_str())?;
            }
        }
        Ok(())
    }
}

/// Hits with the same call trace, boots with a reason, and kinds of other trouble that are listed.
const SHOWN: usize = 8;
/// Findings, frames of each, and results of steps that are listed.
const FINDINGS_SHOWN: usize = 40;
const FRAMES_SHOWN: usize = 12;
const RESULTS_SHOWN: usize = 60;

fn alike(a: &Hit, b: &Hit) -> bool {
    let path = |hit: &Hit| {
        hit.late
            .trace
            .iter()
            .map(|frame| frame.function().to_owned())
            .collect::<Vec<_>>()
    };
    a.late.kind == b.late.kind && path(a) == path(b)
}

fn named(kind: &str, title: &str) -> String {
    if title.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} {title}")
    }
}
